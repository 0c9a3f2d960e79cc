import { Kafka, logLevel } from "kafkajs";
import { createTcpNetwork } from "../../../broker/network/tcp-network.ts";
import { realScheduler } from "../../../lib/clock.ts";
import { silentLogger } from "../../../lib/logger.ts";
import { run } from "../../support/command.ts";
import { KafkaClient } from "../../support/kafka-client.ts";
import type { Library } from "./libraries.ts";
import { type Outcome, type Scenario, scenarios, topicOf } from "./scenarios.ts";

/** Codec numbers of a batch's attributes. */
const CODECS = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 };
/** More than all scenarios at their own limits would be a hang of the program itself. */
const LIMIT_MS = 300_000;

/**
 * Runs a library's program against a cluster.
 *
 * @param prefix of all names it uses there
 * @param wanted the scenarios to run
 * @returns an outcome of each wanted scenario
 */
export async function runLibrary(
  library: Library,
  bootstrap: string,
  prefix: string,
  wanted: readonly Scenario[] = scenarios,
): Promise<ReadonlyMap<Scenario, Outcome>> {
  if (library.cannotCreate === true) await createTopics(bootstrap, prefix);
  const [file, ...before] = library.command;
  const args = [...before, bootstrap, prefix, wanted.join(",")];
  const { code, stdout, stderr } = await run(file, args, { limitMs: LIMIT_MS });
  const outcomes = new Map(
    stdout
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line): [Scenario, Outcome] => {
        const { scenario, ...outcome } = JSON.parse(line) as Outcome & { scenario: Scenario };
        return [scenario, outcome];
      }),
  );
  for (const scenario of wanted) {
    if (outcomes.has(scenario)) continue;
    const reason = `the program ended with ${code} before: ${stderr.slice(-1000)}`;
    outcomes.set(scenario, { result: "fail", reason });
  }
  await checkCodecs(bootstrap, prefix, outcomes);
  return outcomes;
}

/** A client that was to compress must have done so: some quietly do not when they take the broker for too old. */
async function checkCodecs(
  bootstrap: string,
  prefix: string,
  outcomes: Map<Scenario, Outcome>,
): Promise<void> {
  const client = new KafkaClient({
    network: createTcpNetwork({ logger: silentLogger }),
    scheduler: realScheduler,
    clientId: "codecs",
    bootstrap: addresses(bootstrap),
    requestTimeoutMs: 10_000,
  });
  try {
    for (const [name, codec] of Object.entries(CODECS)) {
      const scenario: Scenario = `produce-${name as keyof typeof CODECS}`;
      if (outcomes.get(scenario)?.result !== "ok") continue;
      const topic = topicOf(prefix, scenario);
      await client.refresh([topic]);
      const { records } = await client.fetch(topic, 0, 0, 1000);
      const stored = records[0]?.codec;
      if (stored === codec) continue;
      outcomes.set(scenario, { result: "fail", reason: `was stored with codec ${stored}` });
    }
  } finally {
    client.close();
  }
}

/** For a client that has no requests of administration. */
async function createTopics(bootstrap: string, prefix: string): Promise<void> {
  const kafka = new Kafka({ brokers: bootstrap.split(","), logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  const four: Scenario[] = ["consume-group", "commit-resume", "rebalance"];
  const compacted = {
    "cleanup.policy": "compact",
    "segment.ms": "1000",
    "min.cleanable.dirty.ratio": "0.01",
  };
  await admin.createTopics({
    waitForLeaders: true,
    topics: [
      ...four.map((scenario) => ({ topic: topicOf(prefix, scenario), numPartitions: 4 })),
      {
        topic: topicOf(prefix, "compacted-topic"),
        numPartitions: 1,
        configEntries: Object.entries(compacted).map(([name, value]) => ({ name, value })),
      },
    ],
  });
  await admin.disconnect();
}

function addresses(bootstrap: string): { host: string; port: number }[] {
  return bootstrap.split(",").map((address) => {
    const colon = address.lastIndexOf(":");
    return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
  });
}
