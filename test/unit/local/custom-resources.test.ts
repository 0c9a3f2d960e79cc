import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { readCustomResources } from "../../../local/custom-resources.ts";

describe("custom resources of forebay local", () => {
  let root = "";
  const write = (file: string, text: string): void => {
    writeFileSync(path.join(root, file), text);
  };
  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), "forebay-crds-"));
    mkdirSync(path.join(root, "crds"));
    mkdirSync(path.join(root, "dist"));
    write("crds/b.yaml", "kind: B\n---\nkind: C\n");
    write("crds/a.yaml", "kind: A\n");
    write("crds/README.md", "kind: not one\n");
  });
  afterEach(() => {
    rmSync(root, { recursive: true, force: true });
  });
  const kinds = async (): Promise<unknown[]> =>
    (await readCustomResources(root)).map(({ kind }) => kind);

  it("are all documents of all files, in order", async () => {
    assert.deepEqual(await kinds(), ["A", "B", "C"]);
  });

  it("are what the build has made of a file that is the same, and read anew from one that is not", async () => {
    const parsed = {
      "a.yaml": { text: "kind: A\n", documents: [{ kind: "A of the build" }] },
      "b.yaml": { text: "kind: B\n", documents: [{ kind: "old" }] },
    };
    write("dist/crds.json", JSON.stringify(parsed));
    assert.deepEqual(await kinds(), ["A of the build", "B", "C"]);
  });

  it("do without what a build has left half written", async () => {
    write("dist/crds.json", '{"a.yaml": {');
    assert.deepEqual(await kinds(), ["A", "B", "C"]);
  });
});
