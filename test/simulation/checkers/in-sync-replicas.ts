import {
  NO_LEADER,
  type PartitionSlice,
  type PartitionState,
} from "../../../cluster/partition-slice.ts";
import type { RecordedSlice } from "../../support/recorded-slices.ts";
import type { ReplicaLog, ReplicaObserver } from "../replicas.ts";
import type { Report } from "./report.ts";

interface Acked {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly chain: number;
}

/**
 * What makes R5 true, looked at when it begins: whoever may be elected (a member of the recorded ISR or ELR) has on stable
 * storage every record that was acknowledged, and as many replicas have it as the topic's `min.insync.replicas` says
 * (R2, R3, C6, C7). A member whose volume was lost and that has not registered since is exempt.
 */
export class InSyncReplicasChecker {
  readonly #report: Report;
  readonly #observer: ReplicaObserver;
  readonly #exempt: (brokerId: number) => boolean;
  /** The newest acknowledged batch by `topicId/partition`. */
  readonly #acked = new Map<string, Acked>();

  readonly #onceLost: (brokerId: number) => boolean;

  /** @param onceLost whether a broker's volume was ever lost */
  constructor(
    report: Report,
    observer: ReplicaObserver,
    exempt: (brokerId: number) => boolean,
    onceLost: (brokerId: number) => boolean,
  ) {
    this.#report = report;
    this.#observer = observer;
    this.#exempt = exempt;
    this.#onceLost = onceLost;
  }

  /** A client was told that its batch is committed. */
  acknowledged(
    slice: RecordedSlice,
    index: number,
    baseOffset: number,
    count: number,
    minInSyncReplicas: number,
  ): void {
    const state = slice.states[index];
    const placement = slice.spec.partitions[index];
    if (state === undefined || placement === undefined || baseOffset < 0) return;
    const where = whereOf(slice, index);
    const name = nameOf(slice, index);
    const lastOffset = baseOffset + count - 1;
    // Who may lead comes first: one that was cut off may hold a batch of an older leader epoch there.
    const ids = new Set([state.leader, ...state.isr, ...state.elr, ...placement.replicas]);
    ids.delete(NO_LEADER);
    const holding = [...ids]
      .map((id) => this.#observer.replica(where, id))
      .filter((replica) => replica !== undefined)
      .filter((replica) => replica.at(baseOffset)?.lastOffset === lastOffset);
    const chain = holding[0]?.at(baseOffset)?.chain;
    if (chain === undefined) {
      this.#report("R5", `${name}@${String(baseOffset)} was acknowledged and no replica has it`);
      return;
    }
    const acked = { baseOffset, lastOffset, chain };
    const stable = holding.filter((replica) => holds(replica, acked)).length;
    // Told again to a client that asks again, it may have been committed with one that has lost it since and is not back.
    const lost = [...ids].filter(
      (id) => this.#exempt(id) || (this.#onceLost(id) && !state.isr.includes(id)),
    ).length;
    if (stable + lost < minInSyncReplicas) {
      this.#report(
        "R3",
        `${name}@${String(baseOffset)} was acknowledged and is stable on ${String(stable)} replicas of at least ${String(minInSyncReplicas)}`,
      );
    }
    this.#members(where, name, state, acked);
    if (lastOffset > (this.#acked.get(where)?.lastOffset ?? -1)) this.#acked.set(where, acked);
  }

  /** Records of a slice's partitions were written, or a replica recovered. */
  look(slice: RecordedSlice): void {
    for (const [index, state] of slice.states.entries()) {
      if (state === undefined) continue;
      const where = whereOf(slice, index);
      const acked = this.#acked.get(where);
      if (acked !== undefined) this.#members(where, nameOf(slice, index), state, acked);
    }
  }

  #members(where: string, name: string, state: PartitionState, acked: Acked): void {
    for (const [set, members] of [
      ["ISR", state.isr],
      ["ELR", state.elr],
    ] as const) {
      for (const id of members) {
        if (this.#exempt(id)) continue;
        const replica = this.#observer.replica(where, id);
        if (replica !== undefined && holds(replica, acked)) continue;
        const has =
          replica === undefined
            ? "has no log"
            : `is stable up to ${String(replica.stableOffset)} and ends at ${String(replica.endOffset)}`;
        this.#report(
          "R2",
          `${name}@${String(acked.baseOffset)} is acknowledged; broker-${String(id)} of the ${set} ${has}`,
        );
      }
    }
  }
}

function holds(replica: ReplicaLog, acked: Acked): boolean {
  return (
    replica.stableOffset > acked.lastOffset && replica.at(acked.baseOffset)?.chain === acked.chain
  );
}

function whereOf({ spec }: PartitionSlice, index: number): string {
  return `${spec.topicId}/${String(spec.firstPartition + index)}`;
}

function nameOf({ spec }: PartitionSlice, index: number): string {
  return `${spec.topic}-${String(spec.firstPartition + index)}`;
}
