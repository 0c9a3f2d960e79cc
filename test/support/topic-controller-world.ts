import type { PartitionState } from "../../cluster/partition-slice.ts";
import {
  API_VERSION,
  brokerClusters,
  brokers,
  partitionSlices,
  topics,
} from "../../cluster/resources.ts";
import type { Topic } from "../../cluster/topic.ts";
import { ShardKeeper } from "../../operator/controllers/shard-keeper.ts";
import { startTopicController } from "../../operator/controllers/topic-controller.ts";
import { events } from "../../operator/resources/workloads.ts";
import { changeObject } from "./change-object.ts";
import { ControllerWorld, NAMESPACE } from "./controller-world.ts";
import { recordStates } from "./recorded-slices.ts";

/** The topic controller of a cluster `c`, whose brokers register by the test's hand. */
export class TopicControllerWorld extends ControllerWorld {
  constructor() {
    super();
    const shards = new ShardKeeper(this.options, this.caches);
    shards.watch();
    this.start(shards, startTopicController(this.options, this.caches, shards));
  }

  async cluster(count: number): Promise<void> {
    await this.do(
      this.kube.create(brokerClusters, NAMESPACE, {
        apiVersion: API_VERSION,
        kind: "BrokerCluster",
        metadata: { name: "c", namespace: NAMESPACE },
        spec: { brokers: count },
      }),
    );
  }

  async registered(...racks: readonly (string | undefined)[]): Promise<void> {
    for (const [id, rack] of racks.entries()) {
      const created = await this.do(
        this.kube.create(brokers, NAMESPACE, {
          apiVersion: API_VERSION,
          kind: "Broker",
          metadata: { name: `c-${id}`, namespace: NAMESPACE },
          spec: { cluster: "c", id },
        }),
      );
      const status = { epoch: 1, ...(rack === undefined ? {} : { rack }) };
      await this.do(
        this.kube.replace(brokers, NAMESPACE, { ...created, status }, { subresource: "status" }),
      );
    }
  }

  async topic(name: string, spec: Partial<Topic["spec"]>): Promise<Topic> {
    return this.do(
      this.kube.create(topics, NAMESPACE, {
        apiVersion: API_VERSION,
        kind: "Topic",
        metadata: { name, namespace: NAMESPACE },
        spec: { cluster: "c", ...spec },
      }),
    );
  }

  /** Somebody changes a topic's spec. */
  async change(name: string, spec: Partial<Topic["spec"]>): Promise<void> {
    const changed = (now: Topic): Topic => ({ ...now, spec: { ...now.spec, ...spec } });
    await this.do(changeObject(this.kube, topics, NAMESPACE, name, changed));
  }

  read(name: string): Promise<Topic> {
    return this.do(this.kube.get(topics, NAMESPACE, name));
  }

  async slices(): Promise<{ name: string; first: number; replicas: (readonly number[])[] }[]> {
    const { items } = await this.do(this.kube.list(partitionSlices, NAMESPACE));
    return items.map(({ metadata, spec }) => ({
      name: metadata.name,
      first: spec.firstPartition,
      replicas: spec.partitions.map(({ replicas }) => replicas),
    }));
  }

  /** What the brokers' controller does: each partition is led by its first replica. */
  async elect(name: string, lost: readonly number[] = []): Promise<void> {
    const slice = await this.do(this.kube.get(partitionSlices, NAMESPACE, name));
    const partitions = slice.spec.partitions.map(({ replicas }): PartitionState => {
      const isr = replicas.filter((id) => !lost.includes(id));
      return { leader: isr[0] ?? -1, leaderEpoch: 0, isr, elr: [], partitionEpoch: lost.length };
    });
    await this.do(recordStates(this.kube, NAMESPACE, slice, partitions));
  }

  async condition(name: string): Promise<string> {
    const { status } = await this.read(name);
    return (status?.conditions ?? [])
      .filter(({ status: value }) => value === "True")
      .map(({ type, reason }) => `${type} ${reason}`)
      .join(", ");
  }

  async events(): Promise<string[]> {
    const { items } = await this.do(this.kube.list(events, NAMESPACE));
    return items
      .map(({ type, reason, involvedObject }) => `${type} ${reason} of ${involvedObject.name}`)
      .sort();
  }
}

/** A world whose cluster has brokers that have registered, each in its rack. */
export async function withBrokers(
  ...racks: readonly (string | undefined)[]
): Promise<TopicControllerWorld> {
  const world = new TopicControllerWorld();
  await world.cluster(racks.length);
  await world.registered(...racks);
  return world;
}
