import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { peerScript } from "../load/peer-script.ts";
import type { Side, SideName } from "./side.ts";

interface Peer {
  readonly protocol: Side["protocol"];
  /** Script of bench/peers that starts it. */
  readonly up: string;
  readonly firstPort: number;
  readonly env: Readonly<Record<string, string>>;
}

const kafka: Peer = {
  protocol: "kafka",
  up: "kafka/kafka-up",
  firstPort: 19_292,
  env: { KAFKA_PORT: "19292" },
};

const PEERS: Readonly<Record<Exclude<SideName, "forebay">, Peer>> = {
  /** Apache Kafka in KRaft mode, each node broker and controller; records are not flushed. */
  kafka,
  /** The same with each append flushed before it is acknowledged. */
  "kafka-flushed": {
    ...kafka,
    env: { ...kafka.env, KAFKA_EXTRA: "log.flush.interval.messages=1" },
  },
  /** NATS JetStream with file storage; records are not flushed. */
  nats: { protocol: "nats", up: "nats/nats-up", firstPort: 4222, env: {} },
};

/** Another broker, started by the scripts of bench/peers. */
export function peerSide(name: Exclude<SideName, "forebay">, nodes: number, folder: string): Side {
  const { protocol, up, firstPort, env } = PEERS[name];
  const down = (): Promise<void> => peerScript("down", [folder]);
  const nodeFile = (node: number, file: string): string =>
    path.join(folder, `node${node + 1}`, file);
  const addresses = Array.from({ length: nodes }, (_, at) => `127.0.0.1:${firstPort + at}`);
  return {
    name,
    protocol,
    firstId: 1,
    nodes,
    folder,
    bootstrap: addresses.join(protocol === "nats" ? ",nats://" : ","),
    async start() {
      mkdirSync(folder, { recursive: true });
      await peerScript(up, [String(nodes), folder], env);
      return BigInt(readFileSync(nodeFile(0, "started"), "utf8").trim());
    },
    pids() {
      const files = Array.from({ length: nodes }, (_, at) => nodeFile(at, "pid"));
      const pids = files
        .filter((file) => existsSync(file))
        .map((file) => readFileSync(file, "utf8"));
      return Promise.resolve(pids.map(Number).filter((pid) => pid > 0));
    },
    stop: down,
    async remove() {
      await down();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
