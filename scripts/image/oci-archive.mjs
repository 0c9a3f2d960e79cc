// Packs a folder into an OCI image (image-spec 1.1, one layer) as a tar that `ctr image import`, `docker load` and
// `skopeo copy oci-archive:` take. No container engine is needed; the same folder gives the same bytes.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  createReadStream,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { createWriteStream } from "node:fs";

const ARCHITECTURES = { x64: "amd64", arm64: "arm64" };
const TAR = [
  "--sort=name",
  "--mtime=@0",
  "--owner=0",
  "--group=0",
  "--numeric-owner",
  "--format=gnu",
];

/**
 * @param options.folder the root file system
 * @param options.output the archive to write
 * @param options.name as in `localhost/forebay:1`
 * @param options.config of the image: User, Entrypoint, Env, Labels, WorkingDir …
 * @param options.compress gzip the layer
 * @returns `{ digest, bytes }` of the archive's image and size
 */
export async function packImage({ folder, output, name, config, compress }) {
  mkdirSync(path.dirname(path.resolve(output)), { recursive: true });
  const layout = mkdtempSync(`${path.resolve(output)}-`);
  try {
    const blobs = path.join(layout, "blobs", "sha256");
    mkdirSync(blobs, { recursive: true });
    const store = async (file) => {
      const digest = await digestOf(file);
      renameSync(file, path.join(blobs, digest));
      return { digest: `sha256:${digest}`, size: statSync(path.join(blobs, digest)).size };
    };
    const json = (value) => {
      const file = path.join(layout, "new.json");
      writeFileSync(file, JSON.stringify(value));
      return store(file);
    };
    const plain = path.join(layout, "layer.tar");
    execFileSync("tar", ["-C", folder, ...TAR, "-cf", plain, "."]);
    const diffId = `sha256:${await digestOf(plain)}`;
    let layer = plain;
    if (compress) {
      layer = `${plain}.gz`;
      await pipeline(createReadStream(plain), createGzip({ level: 6 }), createWriteStream(layer));
      rmSync(plain);
    }
    const layerBlob = await store(layer);
    const configBlob = await json({
      architecture: ARCHITECTURES[process.arch] ?? process.arch,
      os: "linux",
      config,
      rootfs: { type: "layers", diff_ids: [diffId] },
    });
    const type = "application/vnd.oci.image";
    const manifest = await json({
      schemaVersion: 2,
      mediaType: `${type}.manifest.v1+json`,
      config: { mediaType: `${type}.config.v1+json`, ...configBlob },
      layers: [{ mediaType: `${type}.layer.v1.tar${compress ? "+gzip" : ""}`, ...layerBlob }],
    });
    const annotations = {
      "io.containerd.image.name": name,
      "org.opencontainers.image.ref.name": name.slice(name.lastIndexOf(":") + 1),
    };
    writeFileSync(
      path.join(layout, "index.json"),
      JSON.stringify({
        schemaVersion: 2,
        manifests: [{ mediaType: `${type}.manifest.v1+json`, ...manifest, annotations }],
      }),
    );
    writeFileSync(path.join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    execFileSync("tar", ["-C", layout, ...TAR, "-cf", output, "oci-layout", "index.json", "blobs"]);
    return { digest: manifest.digest, bytes: statSync(output).size };
  } finally {
    rmSync(layout, { recursive: true, force: true });
  }
}

async function digestOf(file) {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}
