import {
  type Assignments,
  chosenReplicas,
  formerReplicas,
  reassignmentOf,
  targetReplicas,
} from "../cluster/assignments.ts";
import type { BrokerId } from "../cluster/broker.ts";
import type { Topic } from "../cluster/topic.ts";
import type { JsonPatchOperation } from "../kube/api.ts";
import { duplicates } from "../lib/duplicates.ts";
import { ProtocolError } from "./errors.ts";
import type { PartitionImage } from "./metadata/view.ts";
import { ErrorCode } from "./protocol/error-codes.ts";

/** What a client asks for one partition (KIP-455): its replicas, or (null) that a move under way is taken back. */
export interface ReassignmentWish {
  readonly partition: number;
  readonly replicas: readonly BrokerId[] | null;
}

/** What the wishes are judged by. */
export interface ReassignmentWorld {
  /** Partitions of the topic, by number. */
  readonly partitions: readonly PartitionImage[];
  /** The cluster's brokers are 0 to `brokers` - 1. */
  readonly brokers: number;
  /** Whether the replicas of a partition may become more or fewer (KIP-860). */
  readonly mayChangeCount: boolean;
}

export interface Reassigned {
  /** spec.assignments with the wishes that were granted. */
  readonly assignments: Assignments;
  /** By partition, those that were not. */
  readonly refused: ReadonlyMap<number, ProtocolError>;
}

/**
 * Wishes of AlterPartitionReassignments into a Topic's assignments (pure): a wish becomes the partition's choice, and taking
 * one back makes a choice of where the replicas were.
 */
export function reassign(
  spec: Topic["spec"],
  wishes: readonly ReassignmentWish[],
  world: ReassignmentWorld,
): Reassigned {
  const chosen = new Map((spec.assignments ?? []).entries());
  const refused = new Map<number, ProtocolError>();
  const twice = duplicates(wishes.map(({ partition }) => partition));
  for (const { partition, replicas } of wishes) {
    try {
      if (twice.has(partition)) {
        throw new ProtocolError(ErrorCode.INVALID_REQUEST, "The partition is named twice.");
      }
      const image = world.partitions[partition];
      if (image === undefined) throw new ProtocolError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
      if (replicas === null) {
        const present = chosenReplicas(spec.assignments, partition, world.brokers);
        if (reassignmentOf(image, present) === undefined) {
          throw new ProtocolError(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS);
        }
        chosen.set(partition, formerReplicas(image));
      } else {
        requirePossible(replicas, image, spec, world);
        chosen.set(partition, replicas);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      refused.set(partition, error);
    }
  }
  return { assignments: listOfChoices(chosen), refused };
}

function requirePossible(
  replicas: readonly BrokerId[],
  image: PartitionImage,
  spec: Topic["spec"],
  { brokers, mayChangeCount }: ReassignmentWorld,
): void {
  const refuse = (message: string, code: number = ErrorCode.INVALID_REPLICA_ASSIGNMENT): never => {
    throw new ProtocolError(code, message);
  };
  if (replicas.length === 0) refuse("The replicas of a partition cannot be none.");
  if (new Set(replicas).size !== replicas.length) refuse("A broker is named twice.");
  const strange = replicas.find((id) => id < 0 || id >= brokers);
  if (strange !== undefined) refuse(`Broker ${strange} is not one of the cluster's.`);
  const present = targetReplicas(image).length;
  if (!mayChangeCount && replicas.length !== present) {
    refuse(
      `The replication factor would become ${replicas.length}, and is ${present}.`,
      ErrorCode.INVALID_REPLICATION_FACTOR,
    );
  }
  const minimum = spec.minInSyncReplicas ?? 1;
  if (replicas.length < minimum) {
    refuse(
      `min.insync.replicas ${minimum} could not be met by ${replicas.length} replicas.`,
      ErrorCode.INVALID_REPLICATION_FACTOR,
    );
  }
}

/** By number; partitions without a choice between others have an empty one. */
function listOfChoices(chosen: ReadonlyMap<number, readonly BrokerId[]>): Assignments {
  const list: (readonly BrokerId[])[] = [];
  for (const [partition, replicas] of chosen) {
    if (replicas.length === 0) continue;
    while (list.length < partition) list.push([]);
    list[partition] = replicas;
  }
  return list;
}

/**
 * What makes the Topic's spec say the assignments; nothing if it does. Where all partitions have been given another number
 * of replicas, that is the topic's from now on. (pure)
 */
export function writeAssignments(
  spec: Topic["spec"],
  assignments: Assignments,
  partitions: number,
): JsonPatchOperation[] {
  const operations: JsonPatchOperation[] = [];
  const same = JSON.stringify(spec.assignments ?? []) === JSON.stringify(assignments);
  if (!same) operations.push({ op: "add", path: "/spec/assignments", value: assignments });
  const counts = new Set(assignments.map(({ length }) => length));
  const [count] = counts;
  const all = assignments.length === partitions && counts.size === 1;
  if (all && count !== undefined && spec.replicas !== undefined && spec.replicas !== count) {
    operations.push({ op: "add", path: "/spec/replicas", value: count });
  }
  return operations;
}

/** The assignments of a topic that is to have more partitions, of which some are given (CreatePartitions). (pure) */
export function withNewAssignments(
  present: Assignments | undefined,
  partitions: number,
  given: Assignments,
): Assignments {
  const kept = Array.from({ length: partitions }, (_, at) => present?.[at] ?? []);
  return [...kept, ...given];
}
