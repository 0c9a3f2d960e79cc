// Makes the container image without a container engine, with the content that the Dockerfile gives it.
//   node scripts/image.mjs [--output FILE] [--name NAME:TAG] [--gzip] [--list]    an OCI archive
//   node scripts/image.mjs --rootfs DIR [--list]                                  its root file system alone
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "./build.mjs";
import { packImage } from "./image/oci-archive.mjs";
import { makeRootFilesystem, USER } from "./image/root-filesystem.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

/** What the Dockerfile says in its last stage. */
export function imageConfig() {
  const { version, license, description } = JSON.parse(
    readFileSync(path.join(root, "package.json"), "utf8"),
  );
  return {
    User: `${USER}:${USER}`,
    Entrypoint: [
      "node",
      "--max-semi-space-size=16",
      "--heap-growing-percent=40",
      "/app/bin/forebay.mjs",
    ],
    Cmd: ["help"],
    Env: ["PATH=/usr/bin", "HOME=/home/forebay", "NODE_ENV=production"],
    WorkingDir: "/home/forebay",
    StopSignal: "SIGTERM",
    Labels: {
      "org.opencontainers.image.title": "forebay",
      "org.opencontainers.image.description": description,
      "org.opencontainers.image.version": version,
      "org.opencontainers.image.licenses": license,
    },
  };
}

async function main() {
  const { values } = parseArgs({
    options: {
      output: { type: "string", default: path.join(root, "dist", "image.tar") },
      name: { type: "string", default: "localhost/forebay:dev" },
      rootfs: { type: "string" },
      gzip: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
    },
  });
  if (!build({ fast: true })) throw new Error("the product does not compile");
  const folder = values.rootfs ?? mkdtempSync(path.join(tmpdir(), "forebay-image-"));
  try {
    const contents = makeRootFilesystem(root, folder);
    if (values.list) list(contents);
    if (values.rootfs !== undefined) return;
    const { digest, bytes } = await packImage({
      folder,
      output: values.output,
      name: values.name,
      config: imageConfig(),
      compress: values.gzip,
    });
    console.log(`${values.name} ${digest} in ${values.output}, ${mebibytes(bytes)} MiB`);
  } finally {
    if (values.rootfs === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

function list(contents) {
  for (const { name, bytes } of [...contents].sort((a, b) => b.bytes - a.bytes)) {
    console.log(`${mebibytes(bytes).padStart(8)} MiB  ${name}`);
  }
  const total = contents.reduce((sum, { bytes }) => sum + bytes, 0);
  console.log(`${mebibytes(total).padStart(8)} MiB  in all`);
}

function mebibytes(bytes) {
  return (bytes / 1024 ** 2).toFixed(2);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
