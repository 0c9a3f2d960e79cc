import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { imageConfig } from "../../../scripts/image.mjs";
import { packImage } from "../../../scripts/image/oci-archive.mjs";

const root = path.resolve(import.meta.dirname, "../../..");

interface Descriptor {
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

describe("image", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "forebay-image-test-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("is said by the Dockerfile and by the packing script in the same way", () => {
    const text = readFileSync(path.join(root, "Dockerfile"), "utf8").replaceAll("\\\n", "");
    const stage = text.slice(text.indexOf("FROM scratch"));
    const line = (name: string): string =>
      new RegExp(`^${name} +(.*)$`, "m").exec(stage)?.[1]?.trim() ?? "";
    const config = imageConfig();
    assert.equal(line("USER"), config.User);
    assert.equal(line("WORKDIR"), config.WorkingDir);
    assert.equal(line("STOPSIGNAL"), config.StopSignal);
    assert.deepEqual(JSON.parse(line("ENTRYPOINT")), config.Entrypoint);
    assert.deepEqual(JSON.parse(line("CMD")), config.Cmd);
    assert.deepEqual(line("ENV").split(/\s+/), config.Env);
    const labels = [...line("LABEL").matchAll(/(\S+?)="([^"]*)"/g)].map(([, name, text]) => [
      name,
      text,
    ]);
    assert.deepEqual(Object.fromEntries(labels), config.Labels);
  });

  it("is built by the Dockerfile with the Node of development", () => {
    const { dependencies } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
      dependencies: { node: string };
    };
    const text = readFileSync(path.join(root, "Dockerfile"), "utf8");
    assert.equal(/^FROM node:([0-9.]+)-/m.exec(text)?.[1], dependencies.node);
  });

  for (const compress of [false, true]) {
    it(`is an OCI archive whose digests hold${compress ? ", compressed" : ""}, and the same each time`, async () => {
      const content = path.join(folder, "content");
      mkdirSync(path.join(content, "app"), { recursive: true });
      writeFileSync(path.join(content, "app", "program"), "text");
      chmodSync(path.join(content, "app", "program"), 0o755);
      const config = { User: "1:1", Entrypoint: ["/app/program"] };
      const output = path.join(folder, "out.tar");
      const pack = (to: string) =>
        packImage({ folder: content, output: to, name: "localhost/x:1", config, compress });
      const { digest } = await pack(output);
      assert.equal((await pack(path.join(folder, "again.tar"))).digest, digest);

      const unpacked = path.join(folder, "unpacked");
      mkdirSync(unpacked);
      execFileSync("tar", ["-C", unpacked, "-xf", output]);
      const json = (file: string): unknown =>
        JSON.parse(readFileSync(path.join(unpacked, file), "utf8"));
      const blob = ({ digest: of, size }: Descriptor): Buffer => {
        const bytes = readFileSync(path.join(unpacked, "blobs", of.replace(":", "/")));
        assert.equal(bytes.length, size);
        assert.equal(`sha256:${createHash("sha256").update(bytes).digest("hex")}`, of);
        return bytes;
      };
      assert.deepEqual(json("oci-layout"), { imageLayoutVersion: "1.0.0" });
      const { manifests } = json("index.json") as { manifests: readonly Descriptor[] };
      const [first] = manifests;
      assert.ok(first !== undefined && manifests.length === 1);
      assert.equal(first.digest, digest);
      assert.equal(first.annotations?.["io.containerd.image.name"], "localhost/x:1");
      const manifest = JSON.parse(blob(first).toString()) as {
        config: Descriptor;
        layers: readonly [Descriptor];
      };
      const image = JSON.parse(blob(manifest.config).toString()) as {
        config: unknown;
        rootfs: { diff_ids: readonly string[] };
      };
      assert.deepEqual(image.config, config);
      const packed = blob(manifest.layers[0]);
      const layer = compress ? gunzipSync(packed) : packed;
      const layerDigest = createHash("sha256").update(layer).digest("hex");
      assert.deepEqual(image.rootfs.diff_ids, [`sha256:${layerDigest}`]);
      const list = execFileSync("tar", ["-tvf", "-"], { input: layer, encoding: "utf8" });
      assert.match(list, /^-rwxr-xr-x 0\/0 +4 1970-01-01 .* \.\/app\/program$/m);
    });
  }
});
