import { createServer } from "node:http";
import { readBack } from "../../../bench/load/read-back.ts";
import { SteadyProducer } from "../../../bench/load/steady-producer.ts";
import { createTcpNetwork } from "../../../broker/network/tcp-network.ts";
import { realScheduler } from "../../../lib/clock.ts";
import { silentLogger } from "../../../lib/logger.ts";
import { MINUTE } from "../../../lib/units.ts";
import { KafkaClient } from "../../support/kafka-client.ts";

/**
 * A publisher and reader that runs as a pod, since brokers' addresses mean something only there. LOAD_BOOTSTRAP,
 * LOAD_TOPIC, LOAD_PARTITIONS, LOAD_RECORDS_PER_SECOND and LOAD_RECORD_BYTES say what it sends from its start on; GETs on
 * port 8080: `/healthz`; `/gap`: `{gapMs, slowestMs, acked, retries}`, the longest time without an acknowledgement and the
 * longest that a batch waited for its own since the last such question; `/verdict`: ends sending and compares what was acknowledged with what is stored. It ends by itself after
 * 20 minutes.
 */
const setting = (name: string): string => {
  const value = process.env[`LOAD_${name}`];
  if (value === undefined) throw new Error(`LOAD_${name} is not set`);
  return value;
};
const LIMIT_MS = 20 * MINUTE;
const [host = "", port = "9092"] = setting("BOOTSTRAP").split(":");
const topic = setting("TOPIC");
const client = new KafkaClient({
  network: createTcpNetwork({ logger: silentLogger }),
  scheduler: realScheduler,
  clientId: "load",
  bootstrap: [{ host, port: Number(port) }],
  requestTimeoutMs: 1000,
});
const producer = new SteadyProducer({
  client,
  topic,
  partitions: Number(setting("PARTITIONS")),
  recordsPerSecond: Number(setting("RECORDS_PER_SECOND")),
  recordBytes: Number(setting("RECORD_BYTES")),
  onRetry: (partition, error, after) => {
    const time = new Date().toISOString();
    console.log(`${time} ${topic}-${partition} after ${after.toFixed(0)} ms: ${String(error)}`);
  },
});
await producer.start();
let verdict: ReturnType<typeof readBack> | undefined;

async function answer(url: string | undefined): Promise<unknown> {
  switch (url) {
    case "/healthz":
      return "ok";
    case "/gap":
      return {
        gapMs: producer.takeGap(),
        slowestMs: producer.takeSlowest(),
        acked: producer.ackedCount,
        retries: producer.retries,
      };
    case "/verdict":
      verdict ??= producer.stop().then(() => readBack(client, topic, producer.acked));
      return verdict;
    default:
      throw new Error(`nothing at ${url ?? ""}`);
  }
}

createServer((request, response) => {
  answer(request.url).then(
    (value) => {
      response.end(JSON.stringify(value));
    },
    (error: unknown) => {
      response.writeHead(500);
      response.end(String(error));
    },
  );
}).listen(8080);
process.on("SIGTERM", () => process.exit(0));
// It ends also when nobody asks for the verdict.
setTimeout(() => process.exit(1), LIMIT_MS);
