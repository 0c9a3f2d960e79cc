import { targetReplicas } from "../../cluster/assignments.ts";
import type { BrokerId } from "../../cluster/broker.ts";
import type { PartitionPlacement, PartitionState } from "../../cluster/partition-slice.ts";
import {
  type BalanceBroker,
  type BalancedTopic,
  balanceReplicas,
} from "../../cluster/replica-balance.ts";
import { samePlacement } from "./topic-slices.ts";

/** A topic with its records, partition by partition. */
export interface ReassignedTopic {
  readonly id: string;
  readonly replicas: number;
  readonly placements: readonly PartitionPlacement[];
  /** May be shorter than `placements`: no record yet. */
  readonly states: readonly (PartitionState | undefined)[];
  /** Replicas that somebody has chosen, by partition. */
  readonly chosen?: readonly (readonly BrokerId[] | undefined)[];
}

export interface ReassignmentInputs {
  readonly topics: readonly ReassignedTopic[];
  /** Brokers that replicas may be on. */
  readonly brokers: readonly BalanceBroker[];
  /** Whether to even out, beyond what must be: all brokers are there and nobody has turned it off. */
  readonly spread: boolean;
  /** Partitions that may be on the move at the same time. */
  readonly maxMoving: number;
}

export interface Reassignment {
  /** Placements by topic id, of topics where one differs from what it is. */
  readonly changes: ReadonlyMap<string, readonly PartitionPlacement[]>;
  /** Partitions that are moving once this is written, and that wait for their turn. */
  readonly moving: number;
  readonly waiting: number;
}

/**
 * The next step of all moves of a cluster's replicas (pure). A move goes: `replicas` become the union of old and new,
 * with the difference in `adding` and `removing` (operator); the leader brings `adding` into the ISR, the controller
 * takes `removing` out of it (brokers); the union becomes the new replicas alone (operator, here again). What is wanted
 * may change at any time: the union is then made anew from where replicas are.
 */
export function planReassignment(inputs: ReassignmentInputs): Reassignment {
  const settled = inputs.topics.map((topic) => ({
    topic,
    placements: topic.placements.map((placement, at) => settle(placement, topic.states[at])),
  }));
  const wanted = balanceReplicas(
    settled.map(({ topic, placements }): BalancedTopic => {
      const { id, replicas, chosen } = topic;
      const targets = placements.map(targetReplicas);
      return { id, replicas, partitions: targets, ...(chosen === undefined ? {} : { chosen }) };
    }),
    inputs.brokers,
    inputs.spread,
  );
  let moving = settled.flatMap(({ placements }) => placements).filter(isMoving).length;
  let waiting = 0;
  const changes = new Map<string, readonly PartitionPlacement[]>();
  for (const { topic, placements } of settled) {
    const next = placements.map((placement, at) => {
      const goal = wanted.get(topic.id)?.[at] ?? targetReplicas(placement);
      const step = towards(placement, topic.states[at], goal);
      if (isMoving(placement) || !isMoving(step)) return step;
      if (moving >= inputs.maxMoving) {
        waiting++;
        return placement;
      }
      moving++;
      return step;
    });
    const same = next.every((placement, at) => samePlacement(placement, topic.placements[at]));
    if (!same) changes.set(topic.id, next);
  }
  return { changes, moving, waiting };
}

function isMoving({ adding = [], removing = [] }: PartitionPlacement): boolean {
  return adding.length + removing.length > 0;
}

/** A move whose replicas are all in sync, and whose old ones have left, is over. */
function settle(
  placement: PartitionPlacement,
  state: PartitionState | undefined,
): PartitionPlacement {
  const { adding = [], removing = [] } = placement;
  if (!isMoving(placement) || state === undefined) return placement;
  const arrived = adding.every((id) => state.isr.includes(id));
  const left = !removing.some((id) => state.isr.includes(id) || state.leader === id);
  return arrived && left ? { replicas: targetReplicas(placement) } : placement;
}

/**
 * The placement that brings a partition from where its replicas are to `goal`. One that was to leave, is wanted again
 * and is not in sync must come in like a new one: it may have been dismissed, or never have arrived.
 */
function towards(
  placement: PartitionPlacement,
  state: PartitionState | undefined,
  goal: readonly BrokerId[],
): PartitionPlacement {
  const { replicas: holders } = placement;
  const isr = state?.isr ?? holders;
  const before = holders.filter((id) => {
    if (placement.adding?.includes(id) === true) return false;
    return placement.removing?.includes(id) !== true || isr.includes(id);
  });
  const adding = goal.filter((id) => !before.includes(id));
  const removing = holders.filter((id) => !goal.includes(id));
  return {
    replicas: [...goal, ...removing],
    ...(adding.length === 0 ? {} : { adding }),
    ...(removing.length === 0 ? {} : { removing }),
  };
}
