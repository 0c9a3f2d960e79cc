import type { BrokerId, BrokerObject } from "../../cluster/broker.ts";
import { brokerObjectName } from "../../cluster/names.ts";
import { changeIsr } from "../../cluster/partition-change.ts";
import type { PartitionPlacement, PartitionSlice } from "../../cluster/partition-slice.ts";
import { brokers, CLUSTER_LABEL, partitionSlices } from "../../cluster/resources.ts";
import type { KubeApi } from "../../kube/api.ts";
import { NotFoundError } from "../../kube/errors.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Millis } from "../../lib/units.ts";
import type { MetadataImage } from "../metadata/image.ts";
import { admitted, type ReadForAddition } from "./isr-additions.ts";
import type { IsrProposal, LeaderReplica } from "./leader-replica.ts";
import type { LeadershipStore } from "./leadership-store.ts";
import type { Partition } from "./partition.ts";

/** Proposals are carried out at once, and those that follow within this time together: each time reads objects. */
const PROPOSE_SPACING_MS: Millis = 20;
/** More slices than this are read by one list. */
const SINGLE_READS = 8;

export interface IsrChangesOptions {
  readonly self: BrokerId;
  readonly clusterName: string;
  readonly namespace: string;
  readonly kube: KubeApi;
  readonly image: MetadataImage;
  readonly store: LeadershipStore;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly panic: (error: unknown) => void;
}

interface Proposed {
  readonly partition: Partition;
  readonly leader: LeaderReplica;
  readonly proposal: IsrProposal;
}

const NOTHING_READ: ReadForAddition = { brokers: new Map(), placement: undefined };

/**
 * Carries out the changes that leaders on this broker propose for their in-sync replicas. Additions wait for quorum reads of
 * who is added and of where the partition is placed; what takes replicas out waits for nothing.
 */
export class IsrChanges {
  readonly #options: IsrChangesOptions;
  #proposed: Proposed[] = [];
  #planned = false;
  #carriedOutAt: Millis = -Infinity;
  #joining: Proposed[] = [];
  #reading = false;

  constructor(options: IsrChangesOptions) {
    this.#options = options;
  }

  propose(proposed: Proposed): void {
    this.#proposed.push(proposed);
    if (this.#planned) return;
    this.#planned = true;
    const { scheduler } = this.#options;
    const carryOut = (): void => {
      this.#planned = false;
      this.#carriedOutAt = scheduler.now();
      this.#carryOut();
    };
    const wait = this.#carriedOutAt + PROPOSE_SPACING_MS - scheduler.now();
    if (wait > 0) scheduler.after(wait, carryOut);
    else scheduler.soon(carryOut);
  }

  #carryOut(): void {
    const batch = this.#proposed;
    this.#proposed = [];
    for (const one of batch) {
      const { add, drop } = one.proposal;
      // Who was to come in at the same time is proposed again.
      if (add.length === 0 || drop.length > 0) this.#record(one, NOTHING_READ);
      else this.#joining.push(one);
    }
    if (this.#reading || this.#joining.length === 0) return;
    this.#reading = true;
    this.#admit().catch((error: unknown) => {
      this.#options.panic(error);
    });
  }

  async #admit(): Promise<void> {
    while (this.#joining.length > 0) {
      const batch = this.#joining;
      this.#joining = [];
      const ids = new Set(batch.flatMap(({ proposal }) => proposal.add));
      const names = new Set(batch.flatMap(({ partition }) => partition.record.slice ?? []));
      const registered = new Map<BrokerId, BrokerObject | undefined>();
      // C7: these reads come after the partition epochs that the additions are bound to.
      const [slices] = await Promise.all([
        this.#readSlices(names),
        ...[...ids].map(async (id) => {
          registered.set(id, await this.#readBroker(id));
        }),
      ]);
      for (const one of batch) {
        const placement = placementIn(slices, one.partition);
        this.#record(one, { brokers: registered, placement });
      }
    }
    // In the same turn as the look at what waits: nothing may come in between and be left.
    this.#reading = false;
  }

  #record({ partition, leader, proposal }: Proposed, read: ReadForAddition): void {
    const { self, store, logger, panic } = this.#options;
    store
      .update(partition.record, (state) =>
        changeIsr(
          state,
          self,
          leader.leaderEpoch,
          admitted(proposal, read, state),
          proposal.drop.filter((id) => state.isr.includes(id)),
          leader.minInSyncReplicas,
        ),
      )
      .then((outcome) => {
        if (outcome.kind === "recorded") {
          logger.info("in-sync replicas changed", {
            topic: partition.topic,
            partition: partition.partition,
            isr: outcome.state.isr,
            joined: proposal.add.filter((id) => outcome.state.isr.includes(id)),
            left: proposal.drop,
          });
        }
        partition.proposalSettled(leader);
      })
      .catch((error: unknown) => {
        panic(error);
      });
  }

  async #readBroker(id: BrokerId): Promise<BrokerObject | undefined> {
    const { kube, namespace, clusterName, image, logger } = this.#options;
    try {
      const object = await kube.get(brokers, namespace, brokerObjectName(clusterName, id));
      image.absorbBroker(object);
      return object;
    } catch (error) {
      if (!(error instanceof NotFoundError)) {
        logger.debug("broker could not be read", { id, error: String(error) });
      }
      return undefined;
    }
  }

  async #readSlices(names: ReadonlySet<string>): Promise<readonly PartitionSlice[]> {
    const { kube, namespace, clusterName, image, logger } = this.#options;
    try {
      const slices =
        names.size > SINGLE_READS
          ? (
              await kube.list(partitionSlices, namespace, {
                labelSelector: `${CLUSTER_LABEL}=${clusterName}`,
              })
            ).items
          : await Promise.all([...names].map((name) => kube.get(partitionSlices, namespace, name)));
      for (const slice of slices) image.absorbSlice(slice);
      return slices;
    } catch (error) {
      logger.debug("placements could not be read", { error: String(error) });
      return [];
    }
  }
}

function placementIn(
  slices: readonly PartitionSlice[],
  { topicId, partition }: Partition,
): PartitionPlacement | undefined {
  for (const { spec } of slices) {
    const found = spec.partitions[partition - spec.firstPartition];
    if (spec.topicId === topicId && found !== undefined) return found;
  }
  return undefined;
}
