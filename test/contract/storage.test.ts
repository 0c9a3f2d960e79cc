import fs from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createFileStorage } from "../../broker/log/file-storage.ts";
import { MemoryStorage } from "../support/memory-storage.ts";
import { storageContract } from "./storage.contract.ts";

storageContract("a folder of this machine", async () => {
  const root = await fs.mkdtemp(path.join(tmpdir(), "forebay-storage-"));
  return {
    storage: await createFileStorage(path.join(root, "made", "too")),
    close: () => fs.rm(root, { recursive: true, force: true }),
  };
});

storageContract("in memory", () =>
  Promise.resolve({
    storage: new MemoryStorage().mount(),
    close: () => Promise.resolve(),
  }),
);
