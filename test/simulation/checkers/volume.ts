import type { BrokerObject } from "../../../cluster/broker.ts";
import type { PartitionState } from "../../../cluster/partition-slice.ts";
import type { RecordedSlice } from "../../support/recorded-slices.ts";
import type { Report } from "./report.ts";

/**
 * C6: when a broker records another volume than the one before, it is in no ISR and no ELR that was recorded when it
 * registered, and each of those partitions' epochs has been bumped since.
 */
export class VolumeChecker {
  readonly #report: Report;
  readonly #slices: () => readonly RecordedSlice[];
  /** Partition epoch by partition, as recorded when each broker last bumped its epoch. */
  readonly #registered = new Map<number, ReadonlyMap<string, number>>();

  constructor(report: Report, slices: () => readonly RecordedSlice[]) {
    this.#report = report;
    this.#slices = slices;
  }

  /** A Broker object was written. */
  changed(before: BrokerObject | undefined, after: BrokerObject): void {
    const { id } = after.spec;
    if (after.status?.epoch !== before?.status?.epoch) {
      const epochs = new Map<string, number>();
      for (const { name, state } of this.#partitionsOf(id)) epochs.set(name, state.partitionEpoch);
      this.#registered.set(id, epochs);
    }
    const old = before?.status?.storage;
    const now = after.status?.storage;
    if (old === undefined || now === undefined) return;
    if (old.id === now.id && now.generation >= old.generation) return;
    const registered = this.#registered.get(id);
    for (const { name, state } of this.#partitionsOf(id)) {
      const epoch = registered?.get(name);
      if (epoch === undefined) continue;
      const counted = state.isr.includes(id) || state.elr.includes(id) || state.leader === id;
      if (counted || state.partitionEpoch <= epoch) {
        this.#report("C6", `${name}: broker-${String(id)} recorded a new volume and is counted on`);
      }
    }
  }

  *#partitionsOf(id: number): Generator<{
    readonly name: string;
    readonly state: PartitionState;
  }> {
    for (const { spec, states } of this.#slices()) {
      for (const [index, placement] of spec.partitions.entries()) {
        const state = states[index];
        if (state === undefined) continue;
        if (!placement.replicas.includes(id) && !state.isr.includes(id)) continue;
        yield { name: `${spec.topic}-${String(spec.firstPartition + index)}`, state };
      }
    }
  }
}
