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
  /** Broker configurations by Kafka's names. */
  readonly config: ReadonlyMap<string, string>;
}

/** broker.session.timeout.ms */
export const SESSION_TIMEOUT_MS = 2000;

/** 3 to 7 brokers, mostly 3; 1 or 2 topics; sometimes as many replicas as make two lost volumes bearable. */
export function shapeOf(random: Random): ClusterShape {
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
  const config = new Map([
    ["broker.session.timeout.ms", String(SESSION_TIMEOUT_MS)],
    ["replica.lag.time.max.ms", String(pick(random, [1000, 3000, 3000, 10_000]))],
    ["forebay.leader.settle.ms", String(pick(random, [0, 1500, 1500, 5000]))],
    ["group.initial.rebalance.delay.ms", "0"],
    ["log.segment.bytes", String(pick(random, [2048, 16_384, 1 << 20]))],
    ["forebay.checkpoint.interval.ms", String(pick(random, [20, 200, 1000]))],
    ["replica.fetch.max.bytes", String(pick(random, [4096, 1 << 20]))],
  ]);
  return { brokers, initialBrokers, topics, config };
}

function pick<T>(random: Random, choices: readonly T[]): T {
  const chosen = choices[random.below(choices.length)];
  if (chosen === undefined) throw new Error("nothing to choose from");
  return chosen;
}
