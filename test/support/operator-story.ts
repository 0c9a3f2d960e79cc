import { brokerClusters, topics } from "../../cluster/resources.ts";
import type { ListenerSpec } from "../../cluster/listeners.ts";
import { CLUSTER, OperatorWorld, type OperatorWorldOptions } from "./operator-world.ts";
import { strays, worldState } from "./world-state.ts";

/** Its addresses are known without a load balancer. */
const OUTSIDE: ListenerSpec = {
  name: "outside",
  port: 9094,
  type: "loadbalancer",
  advertisedHost: "b{id}.example",
};

interface Chapter {
  readonly name: string;
  readonly act: (world: OperatorWorld) => Promise<unknown>;
}

/** What somebody wants of the operator, one after the other; each is waited for. */
const CHAPTERS: readonly Chapter[] = [
  {
    name: "a cluster with topics is made",
    async act(world) {
      await world.create("BrokerCluster", CLUSTER, { brokers: 3, storage: { size: "1Gi" } });
      await world.create("Topic", "wide", { cluster: CLUSTER, partitions: 120 });
      await world.create("Topic", "small", { cluster: CLUSTER, partitions: 4, replicas: 3 });
    },
  },
  {
    name: "clients may come from outside",
    act: (world) => world.change(brokerClusters, CLUSTER, { listeners: [OUTSIDE] }),
  },
  {
    name: "it grows to five brokers",
    act: (world) => world.change(brokerClusters, CLUSTER, { brokers: 5 }),
  },
  {
    name: "brokers are restarted for another configuration",
    act: (world) =>
      world.change(brokerClusters, CLUSTER, { config: { "log.retention.hours": "48" } }),
  },
  {
    name: "a topic has more partitions and fewer replicas, volumes are larger",
    async act(world) {
      await world.change(topics, "small", { partitions: 9, replicas: 2 });
      await world.change(brokerClusters, CLUSTER, { storage: { size: "2Gi" } });
    },
  },
  {
    name: "it shrinks to three brokers",
    act: (world) => world.change(brokerClusters, CLUSTER, { brokers: 3 }),
  },
  {
    name: "clients may come from outside no more",
    act: (world) => world.change(brokerClusters, CLUSTER, { listeners: [] }),
  },
  {
    name: "a topic is deleted and made again",
    async act(world) {
      await world.delete(topics, "small");
      await world.create("Topic", "small", { cluster: CLUSTER, partitions: 2 });
    },
  },
  {
    name: "cluster and topics are deleted",
    async act(world) {
      await world.delete(topics, "small");
      await world.delete(brokerClusters, CLUSTER);
      await world.delete(topics, "wide");
    },
  },
];

export interface StoryResult {
  /** Each chapter's end: its name and the lines of the state. */
  readonly ends: readonly (readonly string[])[];
  readonly strays: readonly string[];
  readonly writes: readonly string[];
  readonly kills: number;
}

/** Tells the whole story to an operator. */
export async function tellStory(options: OperatorWorldOptions): Promise<StoryResult> {
  const world = new OperatorWorld(options);
  const ends: string[][] = [];
  const found: string[] = [];
  try {
    for (const { name, act } of CHAPTERS) {
      await act(world);
      await world.until(() => world.isReady(), name);
      ends.push([name, ...worldState(world)]);
      found.push(...strays(world).map((stray) => `${name}: ${stray}`));
    }
    return { ends, strays: found, writes: world.writes, kills: world.kills };
  } finally {
    world.stop();
  }
}
