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
/**
 * More slices than these, and more than this part of those that are known, are read by one list: of 2,000 that costs the API
 * server what some hundred single reads do.
 */
const SINGLE_READS = 8;
const LISTED_PART = 1 / 16;
/**
 * After a list nobody is let in for so many times as long as it took: a broker that comes back is let in partition by
 * partition, and lists one behind the other would take a core of the API server.
 */
const REST_FACTOR = 3;
const REST_MAX_MS: Millis = 2000;

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
  /** A list was read a moment ago. */
  #resting = false;

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
      else if (this.#resting) this.#putOff(one);
      else this.#joining.push(one);
    }
    if (this.#reading || this.#joining.length === 0) return;
    this.#reading = true;
    this.#admit().catch((error: unknown) => {
      this.#options.panic(error);
    });
  }

  async #admit(): Promise<void> {
    const { image, scheduler } = this.#options;
    while (this.#joining.length > 0) {
      const batch = this.#joining;
      this.#joining = [];
      const ids = new Set(batch.flatMap(({ proposal }) => proposal.add));
      const names = new Set(batch.flatMap(({ partition }) => partition.record.slice ?? []));
      const listed = names.size > Math.max(SINGLE_READS, image.slices.size * LISTED_PART);
      const began = scheduler.now();
      const registered = new Map<BrokerId, BrokerObject | undefined>();
      // C7: these reads come after the partition epochs that the additions are bound to.
      const [slices] = await Promise.all([
        listed ? this.#listSlices() : this.#readSlices(names),
        ...[...ids].map(async (id) => {
          registered.set(id, await this.#readBroker(id));
        }),
      ]);
      const byTopic = Map.groupBy(slices, ({ spec }) => spec.topicId);
      for (const one of batch) {
        const placement = placementIn(byTopic.get(one.partition.topicId), one.partition);
        this.#record(one, { brokers: registered, placement });
      }
      if (listed) this.#rest(Math.min((scheduler.now() - began) * REST_FACTOR, REST_MAX_MS));
    }
    // In the same turn as the look at what waits: nothing may come in between and be left.
    this.#reading = false;
  }

  /** Nobody more is let in for a while. */
  #rest(ms: Millis): void {
    const waiting = this.#joining;
    this.#joining = [];
    for (const one of waiting) this.#putOff(one);
    this.#resting = true;
    this.#options.scheduler.after(ms, () => {
      this.#resting = false;
    });
  }

  /** It is proposed again soon. Nothing is pending until then: commits would wait for whoever is to come in. */
  #putOff({ partition, leader }: Proposed): void {
    partition.proposalSettled(leader);
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

  #readSlices(names: ReadonlySet<string>): Promise<readonly PartitionSlice[]> {
    const { kube, namespace, store } = this.#options;
    return this.#absorbed(() =>
      Promise.all(
        [...names].map((name) => store.inTurn(() => kube.get(partitionSlices, namespace, name))),
      ),
    );
  }

  #listSlices(): Promise<readonly PartitionSlice[]> {
    const { kube, namespace, clusterName } = this.#options;
    const labelSelector = `${CLUSTER_LABEL}=${clusterName}`;
    return this.#absorbed(
      async () => (await kube.list(partitionSlices, namespace, { labelSelector })).items,
    );
  }

  /** What was read, known from here on; none when that could not be. */
  async #absorbed(
    read: () => Promise<readonly PartitionSlice[]>,
  ): Promise<readonly PartitionSlice[]> {
    const { image, logger } = this.#options;
    try {
      const slices = await read();
      for (const slice of slices) image.absorbSlice(slice);
      return slices;
    } catch (error) {
      logger.debug("placements could not be read", { error: String(error) });
      return [];
    }
  }
}

function placementIn(
  slices: readonly PartitionSlice[] = [],
  { partition }: Partition,
): PartitionPlacement | undefined {
  for (const { spec } of slices) {
    const found = spec.partitions[partition - spec.firstPartition];
    if (found !== undefined) return found;
  }
  return undefined;
}
