import type { Random } from "../../lib/random.ts";

export interface TopicShape {
  readonly name: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly minInSyncReplicas: number;
}

/** What a seed makes of a cluster. */
export interface ClusterShape {
  /** Brokers there may ever be; the cluster grows and shrinks below it. */
  readonly brokers: number;
  /** Brokers at first. */
  readonly initialBrokers: number;
  readonly topics: readonly TopicShape[];
  /**
   * Topics are compacted. No key comes twice, so every record stays, but segments are merged under way: each is rolled after
   * a short time, and made into one with its neighbours.
   */
  readonly compacted: boolean;
  /** Broker configurations by Kafka's names. */
  readonly config: ReadonlyMap<string, string>;
}

/** One seed in so many has compacted topics: chosen without chance, so that other seeds stay what they were. */
const COMPACTED_SEEDS = 7;

/** broker.session.timeout.ms */
export const SESSION_TIMEOUT_MS = 2000;

/** 3 to 7 brokers, mostly 3; 1 or 2 topics; sometimes as many replicas as make two lost volumes bearable. */
export function shapeOf(random: Random, seed: number): ClusterShape {
  const brokers = 3 + (random.below(2) === 0 ? random.below(5) : 0);
  const initialBrokers = 3 + random.below(brokers - 2);
  const topics = Array.from({ length: 1 + random.below(2) }, (_, at) => {
    const replicas = pick(random, initialBrokers >= 5 ? [2, 3, 3, 3, 5] : [2, 3, 3, 3]);
    const minInSyncReplicas = replicas === 2 ? 1 + random.below(2) : replicas === 5 ? 3 : 2;
    return {
      name: `t${String(at)}`,
      partitions: 1 + random.below(4),
      replicas,
      minInSyncReplicas,
    };
  });
  // Reads come from memory while a process has what it wrote itself: with little, most come from files, and are checked.
  const [fetchBytes, tailBytes] = pick(random, [
    [4096, 1 << 26],
    [1 << 20, 1 << 26],
    [1 << 15, 1 << 18],
  ]);
  const config = new Map([
    ["broker.session.timeout.ms", String(SESSION_TIMEOUT_MS)],
    ["replica.lag.time.max.ms", String(pick(random, [1000, 3000, 3000, 10_000]))],
    ["forebay.leader.settle.ms", String(pick(random, [0, 1500, 1500, 5000]))],
    ["group.initial.rebalance.delay.ms", "0"],
    ["log.segment.bytes", String(pick(random, [2048, 16_384, 1 << 20]))],
    ["forebay.checkpoint.interval.ms", String(pick(random, [20, 200, 1000]))],
    ["replica.fetch.max.bytes", String(fetchBytes)],
    ["forebay.tail.bytes", String(tailBytes)],
    ["forebay.trust.written.ms", "0"],
  ]);
  const compacted = seed % COMPACTED_SEEDS === COMPACTED_SEEDS - 2;
  if (compacted) for (const [name, value] of COMPACTION) config.set(name, value);
  return { brokers, initialBrokers, topics, compacted, config };
}

const COMPACTION: readonly (readonly [name: string, value: string])[] = [
  ["log.cleanup.policy", "compact"],
  ["log.roll.ms", "100"],
  ["log.segment.bytes", "16384"],
  ["log.cleaner.backoff.ms", "50"],
  ["log.cleaner.min.cleanable.ratio", "0.01"],
  ["forebay.checkpoint.interval.ms", "20"],
];

function pick<T>(random: Random, choices: readonly T[]): T {
  const chosen = choices[random.below(choices.length)];
  if (chosen === undefined) throw new Error("nothing to choose from");
  return chosen;
}
