import type { BrokerId } from "./broker.ts";
import { evenLeaders } from "./leader-balance.ts";
import type { PlacementBroker } from "./replica-placement.ts";

/** A broker that may hold replicas; one that is `absent` keeps what it has and is given nothing. */
export interface BalanceBroker extends PlacementBroker {
  readonly absent?: boolean;
}

/** One topic as it is placed, or is going to be. */
export interface BalancedTopic {
  readonly id: string;
  /** Replicas that each partition should have. */
  readonly replicas: number;
  /** Ordered replicas of each partition. */
  readonly partitions: readonly (readonly BrokerId[])[];
  /** Replicas that somebody has chosen, by partition: they are these, and are not moved. */
  readonly chosen?: readonly (readonly BrokerId[] | undefined)[];
}

/**
 * Where the replicas of a cluster's topics should be, with as few moves from where they are as evenness allows (pure).
 * First what must be: chosen replicas, no replica on a broker that is not among `brokers`, as many as wanted. Then, if
 * `spread`, evenness: within each topic, then over the cluster, never at the price of a rack. A partition that cannot
 * be made right, for want of brokers, stays as it is.
 * @returns ordered replicas by topic id, for all topics
 */
export function balanceReplicas(
  topics: readonly BalancedTopic[],
  brokers: readonly BalanceBroker[],
  spread: boolean,
): ReadonlyMap<string, readonly (readonly BrokerId[])[]> {
  const balance = new Balance(topics, brokers);
  balance.mend();
  if (spread) {
    balance.spread();
    balance.spreadLeaders();
  }
  return balance.result();
}

interface Placed {
  readonly topic: BalancedTopic;
  readonly counts: Map<BrokerId, number>;
  partitions: BrokerId[][];
}

class Balance {
  readonly #brokers: readonly BalanceBroker[];
  readonly #racks: ReadonlyMap<BrokerId, string | undefined>;
  readonly #topics: readonly Placed[];
  readonly #cluster = new Map<BrokerId, number>();

  constructor(topics: readonly BalancedTopic[], brokers: readonly BalanceBroker[]) {
    this.#brokers = [...brokers].sort((a, b) => a.id - b.id);
    this.#racks = new Map(brokers.map(({ id, rack }) => [id, rack]));
    this.#topics = topics.map((topic) => {
      const partitions = topic.partitions.map((replicas, at) => [
        ...(topic.chosen?.[at] ?? replicas),
      ]);
      const counts = new Map<BrokerId, number>();
      for (const id of partitions.flat()) {
        add(counts, id, 1);
        add(this.#cluster, id, 1);
      }
      return { topic, counts, partitions };
    });
  }

  result(): ReadonlyMap<string, readonly (readonly BrokerId[])[]> {
    return new Map(this.#topics.map(({ topic, partitions }) => [topic.id, partitions]));
  }

  mend(): void {
    for (const placed of this.#topics) {
      if (placed.topic.replicas > this.#brokers.length) continue;
      for (const [at, replicas] of placed.partitions.entries()) {
        if (placed.topic.chosen?.[at] === undefined) this.#mend(placed, replicas);
      }
    }
  }

  #mend(placed: Placed, replicas: BrokerId[]): void {
    const gone = replicas.filter((id) => !this.#racks.has(id));
    for (const id of gone) {
      const to = this.#candidate(placed, replicas);
      // A place in the order is taken over: the successor of a leader leads.
      if (to !== undefined) this.#replace(placed, replicas, id, to);
      else if (replicas.length > placed.topic.replicas) this.#drop(placed, replicas, id);
    }
    while (replicas.length < placed.topic.replicas) {
      const to = this.#candidate(placed, replicas);
      if (to === undefined) break;
      replicas.push(to);
      this.#count(placed, to, 1);
    }
    while (replicas.length > placed.topic.replicas) {
      this.#drop(placed, replicas, this.#dispensable(placed, replicas));
    }
  }

  /** Whom to add to a partition. */
  #candidate(placed: Placed, replicas: readonly BrokerId[]): BrokerId | undefined {
    return least(
      this.#brokers
        .filter(({ id, absent }) => absent !== true && !replicas.includes(id))
        .map(({ id }) => id),
      (id) => [
        this.#sharing(replicas, id),
        placed.counts.get(id) ?? 0,
        this.#cluster.get(id) ?? 0,
        id,
      ],
    );
  }

  /** Whom to take from a partition: one that shares a rack, then one that has most; the leader last. */
  #dispensable(placed: Placed, replicas: readonly BrokerId[]): BrokerId {
    const followers = replicas.length > 1 ? replicas.slice(1) : replicas;
    const found = least(followers, (id) => [
      -this.#sharing(
        replicas.filter((other) => other !== id),
        id,
      ),
      -(placed.counts.get(id) ?? 0),
      -(this.#cluster.get(id) ?? 0),
      -id,
    ]);
    return found ?? -1;
  }

  /** How many of `replicas` are in the rack of `id`. */
  #sharing(replicas: readonly BrokerId[], id: BrokerId): number {
    const rack = this.#racks.get(id);
    if (rack === undefined) return 0;
    return replicas.filter((other) => this.#racks.get(other) === rack).length;
  }

  #replace(placed: Placed, replicas: BrokerId[], from: BrokerId, to: BrokerId): void {
    replicas[replicas.indexOf(from)] = to;
    this.#count(placed, from, -1);
    this.#count(placed, to, 1);
  }

  #drop(placed: Placed, replicas: BrokerId[], id: BrokerId): void {
    replicas.splice(replicas.indexOf(id), 1);
    this.#count(placed, id, -1);
  }

  #count(placed: Placed, id: BrokerId, by: number): void {
    add(placed.counts, id, by);
    add(this.#cluster, id, by);
  }

  /**
   * Moves one replica at a time from a broker with more of the topic to one with fewer; where the topic cannot tell
   * them apart the cluster decides. Each move makes the sum of squares smaller, of the topic or else of the cluster, so
   * it ends.
   */
  spread(): void {
    for (let moved = true; moved;) {
      moved = false;
      for (const placed of this.#topics) while (this.#spreadOnce(placed)) moved = true;
    }
  }

  #spreadOnce(placed: Placed): boolean {
    const load = (id: BrokerId): readonly [number, number] => [
      placed.counts.get(id) ?? 0,
      this.#cluster.get(id) ?? 0,
    ];
    const ids = this.#brokers.filter(({ absent }) => absent !== true).map(({ id }) => id);
    const fewest = [...ids].sort((a, b) => compare([...load(a), a], [...load(b), b]));
    const most = [...fewest].reverse();
    for (const from of most) {
      for (const to of fewest) {
        const [inTopic, inCluster] = load(from);
        const [otherInTopic, otherInCluster] = load(to);
        const better =
          inTopic - otherInTopic >= 2 ||
          (inTopic - otherInTopic === 1 && inCluster - otherInCluster >= 2);
        if (!better) continue;
        const replicas = this.#movable(placed, from, to);
        if (replicas === undefined) continue;
        this.#replace(placed, replicas, from, to);
        return true;
      }
    }
    return false;
  }

  /** A partition that can give its replica on `from` to `to` without losing a rack; one that `from` follows if it can be. */
  #movable(placed: Placed, from: BrokerId, to: BrokerId): BrokerId[] | undefined {
    let leads: BrokerId[] | undefined;
    for (const [at, replicas] of placed.partitions.entries()) {
      if (placed.topic.chosen?.[at] !== undefined) continue;
      if (!replicas.includes(from) || replicas.includes(to)) continue;
      const rest = replicas.filter((id) => id !== from);
      if (this.#sharing(rest, to) > this.#sharing(rest, from)) continue;
      if (replicas[0] !== from) return replicas;
      leads ??= replicas;
    }
    return leads;
  }

  /** Who is first: even within each topic, then over the cluster. No data moves. */
  spreadLeaders(): void {
    for (const placed of this.#topics) {
      const isChosen = (at: number): boolean => placed.topic.chosen?.[at] !== undefined;
      const fixed = placed.partitions.filter((_, at) => isChosen(at));
      const even = evenLeaders(
        fixed,
        placed.partitions.filter((_, at) => !isChosen(at)),
      );
      let next = 0;
      placed.partitions = placed.partitions.map((replicas, at) =>
        isChosen(at) ? replicas : (even[next++] ?? replicas),
      );
    }
    const cluster = new Map<BrokerId, number>();
    for (const { partitions } of this.#topics) {
      for (const [leader] of partitions) if (leader !== undefined) add(cluster, leader, 1);
    }
    for (let moved = true; moved;) {
      moved = false;
      for (const placed of this.#topics) {
        if (evenOverCluster(placed, cluster)) moved = true;
      }
    }
  }
}

/** Swaps leaders of a topic where that leaves the topic as even as it was and makes the cluster more so. */
function evenOverCluster(placed: Placed, cluster: Map<BrokerId, number>): boolean {
  const own = new Map<BrokerId, number>();
  for (const [leader] of placed.partitions) if (leader !== undefined) add(own, leader, 1);
  let moved = false;
  for (const [at, replicas] of placed.partitions.entries()) {
    const leader = replicas[0];
    if (leader === undefined || placed.topic.chosen?.[at] !== undefined) continue;
    const follower = least(replicas.slice(1), (id) => [cluster.get(id) ?? 0, id]);
    if (follower === undefined) continue;
    const inTopic = (own.get(leader) ?? 0) - (own.get(follower) ?? 0);
    const inCluster = (cluster.get(leader) ?? 0) - (cluster.get(follower) ?? 0);
    if (inTopic < 1 || inCluster < 2) continue;
    replicas[replicas.indexOf(follower)] = leader;
    replicas[0] = follower;
    for (const counts of [own, cluster]) {
      add(counts, leader, -1);
      add(counts, follower, 1);
    }
    moved = true;
  }
  return moved;
}

function add(counts: Map<BrokerId, number>, id: BrokerId, by: number): void {
  counts.set(id, (counts.get(id) ?? 0) + by);
}

function least(
  ids: readonly BrokerId[],
  cost: (id: BrokerId) => readonly number[],
): BrokerId | undefined {
  let best: { readonly id: BrokerId; readonly cost: readonly number[] } | undefined;
  for (const id of ids) {
    const its = cost(id);
    if (best === undefined || compare(its, best.cost) < 0) best = { id, cost: its };
  }
  return best?.id;
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const other = b[index] ?? 0;
    if (value !== other) return value - other;
  }
  return 0;
}
