import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { build } from "../../scripts/build.mjs";
import { makeRootFilesystem } from "../../scripts/image/root-filesystem.mjs";

const root = path.resolve(import.meta.dirname, "../..");
const MIB = 1024 ** 2;

describe("image content", () => {
  let folder: string;
  let total = 0;
  before(() => {
    assert.ok(build({ fast: true }));
    folder = mkdtempSync(path.join(tmpdir(), "forebay-rootfs-"));
    for (const { bytes } of makeRootFilesystem(root, folder)) total += bytes;
  });
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("has no shell, no compiler, no source and no test, and stays under 160 MiB", () => {
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
    const unwanted = files.filter((file) =>
      /(^|\/)(sh|bash|npm|npx|tsc|typescript|mocha|tests?|__tests__)$|\.test\.|\.[cm]?ts$|\.map$/.test(
        file,
      ),
    );
    assert.deepEqual(unwanted, []);
    assert.deepEqual(readdirSync(path.join(folder, "usr/bin")), ["node"]);
    assert.ok(total < 160 * MIB, `${(total / MIB).toFixed(1)} MiB`);
  });

  it("runs by itself", function () {
    if (process.getuid?.() !== 0) {
      console.log("    skipped: changing the root directory needs root");
      this.skip();
    }
    const run = (...args: string[]): string =>
      execFileSync("chroot", ["--userspec=10001:10001", folder, "/usr/bin/node", ...args], {
        encoding: "utf8",
        env: { PATH: process.env["PATH"] ?? "" },
      });
    assert.match(run("/app/bin/forebay.mjs", "version"), /^forebay \d+\.\d+\.\d+ \(Node 24\./);
    // Everything that a broker and an operator load, native code included.
    const load = ["broker/main.js", "operator/main.js", "broker/protocol/compression.js"]
      .map((file) => `await import("/app/dist/${file}");`)
      .join("");
    assert.equal(run("--input-type=module", "-e", `${load} console.log("loaded")`), "loaded\n");
    assert.ok(!existsSync(path.join(folder, "app/node_modules/mocha")));
  });
});
