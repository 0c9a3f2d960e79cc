import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { realScheduler, sleep } from "../../lib/clock.ts";
import { peerScript } from "../load/peer-script.ts";
import type { Side } from "./side.ts";

const FIRST_PORT = 39_092;

/**
 * Apache Kafka in KRaft mode, each node broker and controller (bench/peers/kafka).
 * @param extra further lines of server.properties
 */
export function kafkaSide(nodes: number, folder: string, extra: readonly string[] = []): Side {
  const down = (): Promise<void> => peerScript("down", [folder]);
  return {
    name: extra.length === 0 ? "kafka" : "kafka, flushed",
    nodes,
    folder,
    bootstrap: Array.from({ length: nodes }, (_, at) => `127.0.0.1:${FIRST_PORT + at}`).join(","),
    async start() {
      mkdirSync(folder, { recursive: true });
      await peerScript("kafka/kafka-up", [String(nodes), folder], {
        KAFKA_EXTRA: extra.join("\n"),
        KAFKA_PORT: String(FIRST_PORT),
      });
      return BigInt(readFileSync(path.join(folder, "node1", "started"), "utf8").trim());
    },
    pids() {
      const pids = Array.from({ length: nodes }, (_, at) => {
        const file = path.join(folder, `node${at + 1}`, "pid");
        return existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
      });
      return Promise.resolve(pids.filter((pid) => pid > 0));
    },
    stop: down,
    async remove() {
      await down();
      await sleep(realScheduler, 100);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
