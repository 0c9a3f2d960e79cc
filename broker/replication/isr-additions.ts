import type { BrokerId, BrokerObject } from "../../cluster/broker.ts";
import type { PartitionState } from "../../cluster/partition-slice.ts";
import type { IsrProposal } from "./leader-replica.ts";

/**
 * Whom of a proposal's additions the recorded state still admits (C7): nobody when the partition has changed since the
 * proposal was made, as it does when a replica comes back with another volume; and only who is registered as the process
 * that fetched, and runs. (pure)
 * @param registered Broker objects, read after the proposal was made
 */
export function admitted(
  { add, brokerEpochs, expectedPartitionEpoch }: IsrProposal,
  registered: ReadonlyMap<BrokerId, BrokerObject | undefined>,
  { partitionEpoch }: Pick<PartitionState, "partitionEpoch">,
): readonly BrokerId[] {
  if (partitionEpoch !== expectedPartitionEpoch) return [];
  return add.filter((id) => {
    const status = registered.get(id)?.status;
    return status?.state === "running" && status.epoch === brokerEpochs.get(id);
  });
}
