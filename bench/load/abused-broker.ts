import { createFileStorage } from "../../broker/log/file-storage.ts";
import { startInProcessCluster } from "../../test/support/in-process-cluster.ts";
import { type DiskSpeed, SlowStorage } from "./slow-storage.ts";

/** A broker in a process of its own, on a folder that may become slow: `abused-broker.ts FOLDER PORT [CONFIG-JSON]`. */
export type BrokerCommand =
  { readonly kind: "disk"; readonly speed: DiskSpeed | null } | { readonly kind: "memory" };

const [folder = "", port = "0", config = "{}"] = process.argv.slice(2);
const disk = new SlowStorage(await createFileStorage(folder));
const cluster = await startInProcessCluster({
  brokers: 1,
  basePort: Number(port),
  storage: () => disk.storage,
  config: JSON.parse(config) as Record<string, string>,
});
process.on("message", (command: BrokerCommand) => {
  switch (command.kind) {
    case "disk":
      disk.speed = command.speed ?? undefined;
      break;
    case "memory":
      process.send?.({ kind: "memory", memory: cluster.brokers[0]?.memory });
      break;
  }
});
process.on("disconnect", () => process.exit(0));
process.send?.({ kind: "ready" });
