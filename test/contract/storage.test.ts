import assert from "node:assert/strict";
import fs from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createFileStorage } from "../../broker/log/file-storage.ts";
import { pageMemory } from "../../lib/page-memory.ts";
import { MIB } from "../../lib/units.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { storageContract } from "./storage.contract.ts";

storageContract("a folder of this machine", async () => {
  const root = await fs.mkdtemp(path.join(tmpdir(), "forebay-storage-"));
  return {
    storage: await createFileStorage(path.join(root, "made", "too")),
    close: () => fs.rm(root, { recursive: true, force: true }),
  };
});

describe("storage: a folder of this machine, as a journal", () => {
  it("has whole pages, parts of them and zeros that were allocated ahead where they belong", async () => {
    const root = await fs.mkdtemp(path.join(tmpdir(), "forebay-storage-"));
    try {
      const storage = await createFileStorage(root);
      const file = await storage.open("a", "create", "journal");
      const expected = new Uint8Array(9 * MIB);
      const put = async (position: number, part: Uint8Array, onLoop: boolean): Promise<void> => {
        part.forEach((_, i) => (part[i] = (position / 7 + i) % 251));
        expected.set(part, position);
        const done = onLoop && file.writeSync(position, [part]);
        if (!done) await file.write(position, [part]);
      };
      await put(0, new Uint8Array(4096), false);
      const memory = pageMemory(2 * MIB);
      for (let at = 4096; at < 8 * MIB; at += MIB) {
        await put(at, memory.subarray(4096, MIB), false);
        await put(at + MIB - 4096, memory.subarray(MIB, MIB + 4096), true);
      }
      await put(8 * MIB + 4096, memory.subarray(100, 900), true);
      await put(8 * MIB + 5000, memory.subarray(0, 4096), false);
      await file.sync();
      await file.close();
      const found = await storage.readFile("a");
      assert(found !== undefined && found.length >= 8 * MIB + 9096);
      assert.equal(
        Buffer.compare(found.subarray(0, 9 * MIB), expected.subarray(0, found.length)),
        0,
      );
    } finally {
      await fs.rm(root, { recursive: true, force: true });
    }
  });
});

storageContract("in memory", () =>
  Promise.resolve({
    storage: new MemoryStorage().mount(),
    close: () => Promise.resolve(),
  }),
);
