import type { BrokerId } from "../../cluster/broker.ts";
import {
  NO_LEADER,
  type PartitionPlacement,
  type PartitionSlice,
  type PartitionState,
} from "../../cluster/partition-slice.ts";
import type { LeadershipShard } from "../../cluster/leadership-shard.ts";
import { brokers, leadershipShards, partitionSlices } from "../../cluster/resources.ts";
import type { KubeApi } from "../../kube/api.ts";
import { ConflictError, NotFoundError } from "../../kube/errors.ts";
import { createInformer, type Informer } from "../../kube/informer.ts";
import type { KubeObject } from "../../kube/objects.ts";
import { WorkQueue } from "../../kube/work-queue.ts";
import type { Scheduler } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/logger.ts";
import type { Random } from "../../lib/random.ts";
import { recordStates, withStates } from "./recorded-slices.ts";

/** Between what is to be and the next step towards it, in virtual milliseconds. */
const STEP = 60;

export interface FakeElectionsOptions {
  readonly kube: KubeApi;
  readonly namespace: string;
  readonly scheduler: Scheduler;
  readonly random: Random;
}

/** The brokers' part in the records of partitions: new ones get leaders, moves come to their end. */
export class FakeElections {
  readonly #options: FakeElectionsOptions;
  readonly #slices: Informer<PartitionSlice>;
  readonly #shards: Informer<LeadershipShard>;
  readonly #brokers: Informer<KubeObject & { readonly spec: { readonly id: number } }>;
  readonly #queue: WorkQueue;

  constructor(options: FakeElectionsOptions) {
    this.#options = options;
    const { kube, namespace, scheduler, random } = options;
    const common = { api: kube, namespace, scheduler, random, logger: silentLogger };
    this.#slices = createInformer({ ...common, resource: partitionSlices });
    this.#shards = createInformer({ ...common, resource: leadershipShards });
    this.#brokers = createInformer({ ...common, resource: brokers });
    this.#queue = new WorkQueue({
      scheduler,
      random,
      handler: (name) => this.#look(name),
      onError: (name, error) => {
        if (error instanceof ConflictError || error instanceof NotFoundError) return;
        throw new Error(`records of ${name}`, { cause: error });
      },
    });
  }

  start(): void {
    this.#slices.onChange(({ object, type }) => {
      if (type !== "DELETED") this.#queue.addAfter(object.metadata.name, STEP);
    });
    for (const informer of [this.#shards, this.#brokers]) {
      informer.onChange(() => {
        for (const name of this.#slices.items().keys()) this.#queue.addAfter(name, STEP);
      });
    }
    this.#slices.start();
    this.#shards.start();
    this.#brokers.start();
  }

  stop(): void {
    this.#queue.stop();
    this.#slices.stop();
    this.#shards.stop();
    this.#brokers.stop();
  }

  async #look(name: string): Promise<void> {
    const { kube, namespace } = this.#options;
    const slice = await kube.get(partitionSlices, namespace, name);
    const { items } = await kube.list(brokers, namespace);
    const running = items
      .filter(({ status }) => status?.state === "running")
      .map(({ spec }) => spec.id);
    const shards = (await kube.list(leadershipShards, namespace)).items;
    const [{ states: before } = { states: [] }] = withStates([slice], shards);
    const after = slice.spec.partitions.map((placement, at) =>
      next(placement, before[at], running),
    );
    const partitions = after.filter((state) => state !== undefined);
    if (partitions.length < after.length) return;
    if (JSON.stringify(partitions) === JSON.stringify(before)) return;
    // Brokers that left or came back meanwhile have recorded that there.
    const shard = shards.find(({ metadata }) => metadata.name === slice.spec.shard);
    await recordStates(kube, namespace, slice, partitions, shard);
    this.#queue.addAfter(name, STEP);
  }
}

/** One step of one partition; undefined while none of its brokers runs. */
function next(
  { replicas, adding = [], removing = [] }: PartitionPlacement,
  state: PartitionState | undefined,
  running: readonly BrokerId[],
): PartitionState | undefined {
  if (state === undefined) {
    const isr = replicas.filter((id) => running.includes(id));
    const [leader = NO_LEADER] = isr;
    if (leader === NO_LEADER) return undefined;
    return { leader, leaderEpoch: 0, isr, elr: [], partitionEpoch: 0 };
  }
  const arriving = adding.filter((id) => running.includes(id) && !state.isr.includes(id));
  const isArrived = adding.every((id) => state.isr.includes(id));
  // A broker may have come back to a placement that it had left by then.
  const isr =
    arriving.length > 0
      ? [...state.isr, ...arriving]
      : isArrived
        ? state.isr.filter((id) => replicas.includes(id) && !removing.includes(id))
        : state.isr;
  if (isr.length === 0 || isr.length === state.isr.length) return state;
  const leader = isr.includes(state.leader)
    ? state.leader
    : (replicas.find((id) => isr.includes(id)) ?? NO_LEADER);
  const leaderEpoch = leader === state.leader ? state.leaderEpoch : state.leaderEpoch + 1;
  return { ...state, leader, leaderEpoch, isr, partitionEpoch: state.partitionEpoch + 1 };
}
