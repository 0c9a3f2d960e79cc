import type { BrokerId, BrokerObject } from "../../cluster/broker.ts";
import { isDismissed } from "../../cluster/partition-change.ts";
import type { PartitionPlacement, PartitionState } from "../../cluster/partition-slice.ts";
import type { IsrProposal } from "./leader-replica.ts";

/** What quorum reads said after a proposal was made. */
export interface ReadForAddition {
  readonly brokers: ReadonlyMap<BrokerId, BrokerObject | undefined>;
  /** Of the partition; undefined if it could not be read. */
  readonly placement: PartitionPlacement | undefined;
}

/**
 * Whom of a proposal's additions the recorded state still admits (C7): nobody when the partition has changed since the
 * proposal was made, as it does when a replica comes back with another volume or is about to delete its log; and only who is
 * placed there, is not on its way out, and is registered as the process that fetched, and runs. (pure)
 */
export function admitted(
  { add, brokerEpochs, expectedPartitionEpoch }: IsrProposal,
  { brokers, placement }: ReadForAddition,
  state: PartitionState,
): readonly BrokerId[] {
  if (state.partitionEpoch !== expectedPartitionEpoch || placement === undefined) return [];
  return add.filter((id) => {
    if (!placement.replicas.includes(id) || isDismissed(state, placement, id)) return false;
    const status = brokers.get(id)?.status;
    return status?.state === "running" && status.epoch === brokerEpochs.get(id);
  });
}
