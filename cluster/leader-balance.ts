import type { BrokerId } from "./broker.ts";

/**
 * Evens out who is first in `placed` (pure): leaderships move along chains of partitions from the broker that leads
 * most to one that leads at least two fewer, until no chain is left; each chain is the shortest, so as few partitions
 * as can be change. No partition gets or loses a replica.
 * @param fixed ordered replicas that count but are not changed
 */
export function evenLeaders(
  fixed: readonly (readonly BrokerId[])[],
  placed: readonly (readonly BrokerId[])[],
): BrokerId[][] {
  const result = placed.map((replicas) => [...replicas]);
  const leads = new Map<BrokerId, number>();
  for (const replicas of [...fixed, ...result]) {
    for (const id of replicas) if (!leads.has(id)) leads.set(id, 0);
    const leader = replicas[0];
    if (leader !== undefined) leads.set(leader, (leads.get(leader) ?? 0) + 1);
  }
  for (;;) {
    const chain = anyChain(result, leads);
    if (chain === undefined) return result;
    for (const { replicas, to } of chain) {
      const from = replicas[0];
      if (from === undefined) continue;
      const at = replicas.indexOf(to);
      // A swap: the other followers keep their places.
      replicas[0] = to;
      replicas[at] = from;
      leads.set(from, (leads.get(from) ?? 0) - 1);
      leads.set(to, (leads.get(to) ?? 0) + 1);
    }
  }
}

interface Move {
  readonly replicas: BrokerId[];
  readonly to: BrokerId;
}

/** From the busiest broker that has one. */
function anyChain(
  placed: readonly BrokerId[][],
  leads: ReadonlyMap<BrokerId, number>,
): readonly Move[] | undefined {
  const least = Math.min(...leads.values());
  const busy = [...leads]
    .filter(([, count]) => count >= least + 2)
    .sort(([a, countA], [b, countB]) => countB - countA || a - b);
  if (busy.length === 0) return undefined;
  const byLeader = new Map<BrokerId, BrokerId[][]>();
  for (const replicas of placed) {
    const leader = replicas[0];
    if (leader === undefined) continue;
    const led = byLeader.get(leader);
    if (led === undefined) byLeader.set(leader, [replicas]);
    else led.push(replicas);
  }
  for (const [from] of busy) {
    const chain = shortestChain(byLeader, leads, from);
    if (chain !== undefined) return chain;
  }
  return undefined;
}

/** Breadth first over "leads a partition that the other one follows". */
function shortestChain(
  byLeader: ReadonlyMap<BrokerId, readonly BrokerId[][]>,
  leads: ReadonlyMap<BrokerId, number>,
  from: BrokerId,
): readonly Move[] | undefined {
  const most = leads.get(from) ?? 0;
  const reached = new Map<BrokerId, readonly Move[]>([[from, []]]);
  const queue = [from];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const path = reached.get(next) ?? [];
    for (const replicas of byLeader.get(next) ?? []) {
      for (const to of replicas.slice(1)) {
        if (reached.has(to)) continue;
        const longer = [...path, { replicas, to }];
        if ((leads.get(to) ?? 0) <= most - 2) return longer;
        reached.set(to, longer);
        queue.push(to);
      }
    }
  }
  return undefined;
}
