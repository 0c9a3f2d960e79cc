import type { BrokerId } from "../../cluster/broker.ts";
import {
  blockedBy,
  inSyncWithout,
  interruptedTopics,
  neededWithout,
  type InterruptedTopic,
  type ReplicatedPartition,
} from "../../cluster/restart-safety.ts";

/** A broker of the StatefulSet, as far as a restart is concerned. */
export interface RollingBroker {
  readonly id: BrokerId;
  /** There is no pod, or one that is going away. */
  readonly gone: boolean;
  /** Its pod was made from an older template. */
  readonly outdated: boolean;
  /** Its pod is ready and not going away. */
  readonly ready: boolean;
  /** It is registered and neither fenced nor draining: it may lead, and what it has counts. */
  readonly running: boolean;
}

export interface RollingInputs {
  /** All that the StatefulSet is to have, by id. */
  readonly brokers: readonly RollingBroker[];
  readonly partitions: readonly ReplicatedPartition[];
  /** Who holds the controller's Lease. */
  readonly controller: BrokerId | undefined;
}

/** What a restart waits for: reason of a condition, and a sentence. */
export interface RestartWait {
  readonly reason: "WaitingForBroker" | "WaitingForReplicas" | "WaitingForInSyncReplicas";
  readonly message: string;
}

export interface RollingRestart {
  /** Brokers that are still to be restarted. */
  readonly outdated: readonly BrokerId[];
  /** Whose pod to delete now. */
  readonly next?: BrokerId;
  /** Why none may go now. */
  readonly wait?: RestartWait;
  /**
   * Topics that have too few replicas to take acknowledged writes while a broker of theirs is away: their brokers are
   * restarted all the same.
   */
  readonly interrupted: readonly InterruptedTopic[];
}

/**
 * The next step of a rolling restart (pure). One broker at a time: all the others are ready, those restarted before have
 * their replicas back in sync, and no partition has fewer in-sync replicas than its minimum while the broker is away.
 * The controller's broker comes last, so that the controller moves once. A broker that does not run anyway is restarted
 * without waiting for anybody: a template under which no pod gets ready can thus be replaced.
 */
export function planRollingRestart(inputs: RollingInputs): RollingRestart {
  const { brokers } = inputs;
  const outdated = brokers.filter((one) => one.outdated && !one.gone);
  const ids = outdated.map(({ id }) => id);
  const interrupted = interruptedTopics(inputs.partitions);
  if (outdated.length === 0) return { outdated: ids, interrupted };

  const dead = outdated.find((one) => !one.ready && !one.running);
  if (dead !== undefined) return { outdated: ids, interrupted, next: dead.id };

  const wait = notSettled(inputs);
  if (wait !== undefined) return { outdated: ids, interrupted, wait };

  // Not ready though it runs: it may still be of use to partitions, but not to wait for.
  const ordered = [...outdated].sort(
    (a, b) =>
      Number(a.ready) - Number(b.ready) ||
      Number(a.id === inputs.controller) - Number(b.id === inputs.controller) ||
      b.id - a.id,
  );
  let blocked: RestartWait | undefined;
  for (const { id } of ordered) {
    // It may be free to go, but it is last.
    if (id === inputs.controller && outdated.length > 1) continue;
    const reason = waitFor(inputs, id);
    if (reason === undefined) return { outdated: ids, interrupted, next: id };
    blocked ??= reason;
  }
  return { outdated: ids, interrupted, ...(blocked === undefined ? {} : { wait: blocked }) };
}

/** All are there, and those with the new template have come back wholly. */
function notSettled({ brokers, partitions }: RollingInputs): RestartWait | undefined {
  const away = brokers.find((one) => one.gone || (!one.outdated && !(one.ready && one.running)));
  if (away !== undefined) {
    return { reason: "WaitingForBroker", message: `broker ${away.id} is not ready` };
  }
  const restarted = new Set(brokers.filter((one) => !one.outdated).map(({ id }) => id));
  const behind = partitions.flatMap(({ name, replicas, isr }) =>
    replicas
      .filter((id) => restarted.has(id) && !isr.includes(id))
      .map((id) => ({ partition: name, id })),
  );
  const [first] = behind;
  if (first === undefined) return undefined;
  return {
    reason: "WaitingForReplicas",
    message: `${behind.length} replicas on restarted brokers are not in sync, for example that of ${first.partition} on broker ${first.id}`,
  };
}

function waitFor(inputs: RollingInputs, id: BrokerId): RestartWait | undefined {
  // Those that run without being ready have their turn first, and do not wait for each other to become so.
  const mustBeReady = inputs.brokers.some((one) => one.id === id && one.ready);
  const other = inputs.brokers.find(
    (one) => one.id !== id && (one.gone || !one.running || (mustBeReady && !one.ready)),
  );
  if (other !== undefined) {
    return {
      reason: "WaitingForBroker",
      message: `broker ${other.id} is not ready, so broker ${id} is not restarted`,
    };
  }
  const short = blockedBy(inputs.partitions, id);
  const [first] = short;
  if (first === undefined) return undefined;
  return {
    reason: "WaitingForInSyncReplicas",
    message: `without broker ${id}, ${short.length} partitions would have too few in-sync replicas, for example ${first.name} (${inSyncWithout(first, id).length} of ${neededWithout(first, id)})`,
  };
}
