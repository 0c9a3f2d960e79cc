import { assert } from "../lib/assert.ts";
import type { BrokerId } from "./broker.ts";
import { evenLeaders } from "./leader-balance.ts";

/** A broker that replicas may be put on. */
export interface PlacementBroker {
  readonly id: BrokerId;
  /** Failure domain; brokers without one are each their own. */
  readonly rack?: string;
}

export interface PlacementRequest {
  /** How many partitions to place. */
  readonly partitions: number;
  /** Replicas of each; at most the number of brokers. */
  readonly replicas: number;
  readonly brokers: readonly PlacementBroker[];
  /** Ordered replicas of the topic's partitions that are placed already. */
  readonly present?: readonly (readonly BrokerId[])[];
  /** Ordered replicas of all other partitions of the cluster: they only decide between brokers that are equal so far. */
  readonly others?: Iterable<readonly BrokerId[]>;
}

/**
 * Ordered replicas for each new partition of one topic (pure; the first is the preferred leader). Racks come first:
 * replicas of a partition are in as many racks as can be. Then evenness: brokers hold equally many replicas of the
 * topic, lead equally many of its partitions, and follow in turn, so that the load of a lost leader spreads. What is
 * equal within the topic is decided by the load of the whole cluster, then by the smaller id.
 */
export function placePartitions(request: PlacementRequest): BrokerId[][] {
  const { partitions, replicas, brokers } = request;
  assert(replicas >= 1 && replicas <= brokers.length, "as many replicas as brokers at most");
  const tally = new Tally(brokers, request.present ?? [], request.others ?? []);
  const placed: BrokerId[][] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const ordered = tally.ordered(tally.choose(replicas));
    tally.add(ordered);
    placed.push(ordered);
  }
  return evenLeaders(request.present ?? [], placed);
}

/** How much each broker has of the topic and of the cluster, as the placement goes on. */
class Tally {
  readonly #brokers: readonly PlacementBroker[];
  /** Replicas of this topic by position: at 0 the leaders, at 1 the first to follow them. */
  readonly #topic = new Map<BrokerId, number[]>();
  readonly #clusterReplicas = new Map<BrokerId, number>();
  readonly #clusterLeaders = new Map<BrokerId, number>();

  constructor(
    brokers: readonly PlacementBroker[],
    present: readonly (readonly BrokerId[])[],
    others: Iterable<readonly BrokerId[]>,
  ) {
    this.#brokers = [...brokers].sort((a, b) => a.id - b.id);
    for (const replicas of present) this.add(replicas);
    for (const replicas of others) this.#addToCluster(replicas);
  }

  add(replicas: readonly BrokerId[]): void {
    for (const [position, id] of replicas.entries()) {
      const counts = this.#topic.get(id) ?? [];
      counts[position] = (counts[position] ?? 0) + 1;
      this.#topic.set(id, counts);
    }
    this.#addToCluster(replicas);
  }

  /** The brokers of one partition, in no order that means anything. */
  choose(replicas: number): BrokerId[] {
    const chosen: PlacementBroker[] = [];
    while (chosen.length < replicas) {
      const best = this.#least(
        this.#brokers.filter((broker) => !chosen.includes(broker)),
        ({ id, rack }) => [
          rack === undefined ? 0 : chosen.filter((other) => other.rack === rack).length,
          this.#replicasOf(id),
          this.#clusterReplicas.get(id) ?? 0,
        ],
      );
      chosen.push(best);
    }
    return chosen.map(({ id }) => id);
  }

  /** Position by position the one that has had that position least. */
  ordered(members: readonly BrokerId[]): BrokerId[] {
    const ordered: BrokerId[] = [];
    while (ordered.length < members.length) {
      const position = ordered.length;
      const rest = this.#brokers.filter(({ id }) => members.includes(id) && !ordered.includes(id));
      const best = this.#least(rest, ({ id }) => [
        this.#topic.get(id)?.[position] ?? 0,
        position === 0 ? (this.#clusterLeaders.get(id) ?? 0) : 0,
      ]);
      ordered.push(best.id);
    }
    return ordered;
  }

  #replicasOf(id: BrokerId): number {
    return (this.#topic.get(id) ?? []).reduce((sum, count) => sum + (count ?? 0), 0);
  }

  #addToCluster(replicas: readonly BrokerId[]): void {
    for (const id of replicas) {
      this.#clusterReplicas.set(id, (this.#clusterReplicas.get(id) ?? 0) + 1);
    }
    const leader = replicas[0];
    if (leader !== undefined) {
      this.#clusterLeaders.set(leader, (this.#clusterLeaders.get(leader) ?? 0) + 1);
    }
  }

  #least(
    brokers: readonly PlacementBroker[],
    cost: (broker: PlacementBroker) => readonly number[],
  ): PlacementBroker {
    let best: { readonly broker: PlacementBroker; readonly cost: readonly number[] } | undefined;
    for (const broker of brokers) {
      const its = cost(broker);
      if (best === undefined || isLess(its, best.cost)) best = { broker, cost: its };
    }
    assert(best !== undefined, "a broker is left to choose");
    return best.broker;
  }
}

function isLess(a: readonly number[], b: readonly number[]): boolean {
  for (const [index, value] of a.entries()) {
    const other = b[index] ?? 0;
    if (value !== other) return value < other;
  }
  return false;
}
