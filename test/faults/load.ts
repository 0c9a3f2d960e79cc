import { clientOf, createTopic, type Kube } from "../../bench/load/local.ts";
import { SteadyProducer } from "../../bench/load/steady-producer.ts";
import { topics } from "../../cluster/resources.ts";
import { realScheduler, sleep } from "../../lib/clock.ts";
import type { KafkaClient } from "../support/kafka-client.ts";
import { eventually, type LocalCluster } from "../support/local-cluster.ts";
import { numberOf, SteadyReader } from "./steady-reader.ts";

const PARTITIONS = 4;
const RECORDS_PER_SECOND = 150;
const RECORD_BYTES = 512;
/** Topics begin with this, so that faults of volumes find their folders. */
export const TOPIC_PREFIX = "load-";
/** Small, so that there are segments that nothing is appended to any more. */
const TOPIC_CONFIG = { "segment.bytes": String(256 * 1024) };
const RETRY_MS = 100;

interface Lane {
  readonly topic: string;
  readonly client: KafkaClient;
  readonly producer: SteadyProducer;
  readonly reader: SteadyReader;
}

/** What was acknowledged and read, against what is there. */
export interface LoadVerdict {
  readonly acknowledged: number;
  readonly read: number;
  /** Each thing that must not be, in words. */
  readonly wrong: readonly string[];
}

/**
 * Idempotent producers (acks=all), each on a topic and a connection of its own, each with a reader. At the end every topic
 * is read from its beginning and compared with what its producer was told and its reader was given.
 */
export class Load {
  readonly #cluster: LocalCluster;
  readonly #kube: Kube;
  readonly #lanes: readonly Lane[];

  private constructor(cluster: LocalCluster, kube: Kube, lanes: readonly Lane[]) {
    this.#cluster = cluster;
    this.#kube = kube;
    this.#lanes = lanes;
  }

  static async start(
    cluster: LocalCluster,
    kube: Kube,
    name: string,
    producers: number,
  ): Promise<Load> {
    const lanes: Lane[] = [];
    for (let at = 0; at < producers; at++) {
      const topic = `${TOPIC_PREFIX}${name}-${at}`;
      await createTopic(kube, topic, PARTITIONS, TOPIC_CONFIG);
      const client = clientOf(cluster);
      const producer = new SteadyProducer({
        client,
        topic,
        partitions: PARTITIONS,
        recordsPerSecond: RECORDS_PER_SECOND,
        recordBytes: RECORD_BYTES,
      });
      await producer.start();
      const reader = new SteadyReader(client, topic, PARTITIONS);
      reader.start();
      lanes.push({ topic, client, producer, reader });
    }
    return new Load(cluster, kube, lanes);
  }

  get topics(): readonly string[] {
    return this.#lanes.map(({ topic }) => topic);
  }

  get acknowledged(): number {
    return this.#lanes.reduce((sum, { producer }) => sum + producer.ackedCount, 0);
  }

  /** Waits until every partition has acknowledged something that was sent after this call. */
  async progress(): Promise<void> {
    for (const { producer, topic } of this.#lanes) {
      const before = new Map([...producer.acked].map(([at, numbers]) => [at, numbers.size]));
      await eventually(
        () =>
          Promise.resolve(
            [...producer.acked].every(([at, numbers]) => numbers.size > (before.get(at) ?? 0)) ||
              undefined,
          ),
        `acknowledgements of every partition of ${topic}`,
        60_000,
      );
    }
  }

  /** Ends the load, compares, and deletes the topics. */
  async finish(): Promise<LoadVerdict> {
    const wrong: string[] = [];
    let acknowledged = 0;
    let read = 0;
    for (const { producer } of this.#lanes) await producer.stop();
    for (const { topic, producer, reader } of this.#lanes) {
      await reader.stop();
      // Of its own: nothing that the load's client remembers may help.
      const client = clientOf(this.#cluster, 5000);
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const log = await wholeLog(client, topic, partition);
        const acked = producer.acked.get(partition) ?? new Set<number>();
        const seen = reader.seen[partition] ?? new Map<number, number>();
        acknowledged += acked.size;
        read += seen.size;
        wrong.push(
          ...differences(log, acked, seen).map((text) => `${topic}-${partition}: ${text}`),
        );
      }
      client.close();
    }
    if (wrong.length === 0) for (const { topic } of this.#lanes) await this.#delete(topic);
    return { acknowledged, read, wrong };
  }

  /** Also of a load that was not finished: nothing of it goes on. */
  close(): void {
    for (const { client, producer, reader } of this.#lanes) {
      producer.abandon();
      reader.abandon();
      client.close();
    }
  }

  async #delete(topic: string): Promise<void> {
    await this.#kube.delete(topics, "default", topic);
  }
}

/** Every record of a partition: its number by offset, in order. */
async function wholeLog(
  client: KafkaClient,
  topic: string,
  partition: number,
): Promise<ReadonlyMap<number, number>> {
  const log = new Map<number, number>();
  let offset = 0;
  let failure: unknown;
  for (let failures = 0; failures < 300;) {
    try {
      if (failure !== undefined || offset === 0) await client.refresh([topic]);
      const { records, highWatermark } = await client.fetch(topic, partition, offset, 0);
      for (const record of records) {
        log.set(record.offset, numberOf(record.value));
        offset = record.offset + 1;
      }
      failure = undefined;
      if (offset >= highWatermark) return log;
    } catch (error) {
      failure = error;
      failures++;
      await sleep(realScheduler, RETRY_MS);
    }
  }
  throw new Error(`${topic}-${partition} cannot be read at ${offset}`, { cause: failure });
}

/** What must not be. @param acked numbers that were acknowledged @param seen numbers by offset as a reader got them (pure) */
export function differences(
  log: ReadonlyMap<number, number>,
  acked: ReadonlySet<number>,
  seen: ReadonlyMap<number, number>,
): string[] {
  const wrong: string[] = [];
  const there = new Map<number, number>();
  let last = -1;
  for (const [offset, number] of log) {
    const before = there.get(number);
    if (before !== undefined) wrong.push(`${number} is at ${before} and at ${offset}`);
    else if (number < last) wrong.push(`${number} at ${offset} comes behind ${last}`);
    there.set(number, offset);
    last = Math.max(last, number);
  }
  const lost = [...acked].filter((number) => !there.has(number));
  if (lost.length > 0) {
    wrong.push(`${lost.length} acknowledged records lost, the first is ${lost[0] ?? -1}`);
  }
  for (const [offset, number] of seen) {
    const now = log.get(offset);
    if (now === number) continue;
    wrong.push(`a reader got ${number} at ${offset}, where ${now ?? "nothing"} is now`);
    break;
  }
  return wrong;
}
