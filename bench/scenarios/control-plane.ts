import type { BrokerId } from "../../cluster/broker.ts";
import { type LeadershipShard, parseState } from "../../cluster/leadership-shard.ts";
import type { PartitionSlice } from "../../cluster/partition-slice.ts";
import {
  brokerClusters,
  leadershipShards,
  leases,
  partitionSlices,
  topics,
} from "../../cluster/resources.ts";
import type { Topic } from "../../cluster/topic.ts";
import type { KubeApi, Resource } from "../../kube/api.ts";
import { NotFoundError } from "../../kube/errors.ts";
import { createInformer, type Informer } from "../../kube/informer.ts";
import type { KubeObject } from "../../kube/objects.ts";
import { realScheduler, sleep } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/logger.ts";
import { systemRandom } from "../../lib/random.ts";
import { MINUTE, SECOND } from "../../lib/units.ts";
import { configMaps, services } from "../../operator/resources/workloads.ts";
import { changeObject } from "../../test/support/change-object.ts";
import { eventually } from "../../test/support/local-cluster.ts";
import { isInSync, withStates } from "../../test/support/recorded-slices.ts";

export interface ControlPlaneWorld {
  readonly kube: KubeApi;
  readonly namespace: string;
  /** A cluster whose brokers are ready. */
  readonly cluster: string;
  /** Ends a broker's process at once. */
  readonly kill: (id: BrokerId) => Promise<void>;
  /**
   * Keeps a broker that will be killed from being started again at once, and lets it be. One that starts on the same
   * cores takes from them what its leaderships' move needs; of a lost machine nothing does.
   */
  readonly keepDown?: (id: BrokerId) => Promise<() => Promise<void>>;
  /** Resident bytes of the operator that acts. */
  readonly operatorBytes: () => Promise<number>;
  /** Writes of our kinds so far, whoever's, where the API counts them. */
  readonly apiWrites?: () => Promise<number>;
  readonly say: (line: string) => void;
}

export interface ControlPlaneFigures {
  readonly readySeconds: number;
  /** Of the API, for each topic, from its creation on; not known everywhere. */
  readonly writesPerTopic: number | undefined;
  readonly operatorBytes: number;
  readonly driftSeconds: number;
  readonly growSeconds: number;
  readonly leaderships: number;
  /** From the kill until the last leadership was another broker's, and until the first was. */
  readonly failoverMs: number;
  readonly firstMs: number;
  /** Changes of shards that the failover took. */
  readonly failoverWrites: number;
  /** From then until the broker that was started again was in sync everywhere, and the changes of shards that took. */
  readonly rejoinSeconds: number;
  readonly rejoinWrites: number;
}

const CREATORS = 16;
const PARTITIONS = 6;
const LIMIT_MS = 10 * MINUTE;
/** What follows from making so many topics, as events and statuses, is over by then. */
const REST_MS = 20 * SECOND;

/** Many topics in one cluster: how long until they are Ready, until drift is repaired, until a lost broker's leaders are others. */
export async function controlPlane(
  world: ControlPlaneWorld,
  count: number,
): Promise<ControlPlaneFigures> {
  const { kube, namespace, cluster, say } = world;
  const watched = <T extends KubeObject>(resource: Resource<T>): Informer<T> =>
    createInformer({
      api: kube,
      resource,
      namespace,
      scheduler: realScheduler,
      random: systemRandom,
      logger: silentLogger,
    });
  const topicCache = watched(topics);
  const slices = watched(partitionSlices);
  const shards = watched(leadershipShards);
  const caches = [topicCache, slices, shards];
  for (const cache of caches) cache.start();
  await Promise.all(caches.map(({ synced }) => synced));
  try {
    const writesBefore = await world.apiWrites?.();
    const began = performance.now();
    const names = Array.from({ length: count }, (_, at) => `many-${String(at).padStart(4, "0")}`);
    await inParallel(names, (name) =>
      kube.create(topics, namespace, {
        apiVersion: "forebay.dev/v1alpha1",
        kind: "Topic",
        metadata: { name },
        spec: { cluster, partitions: PARTITIONS },
      }),
    );
    say(`${count} Topic objects created in ${since(began)}`);
    const readyNow = (): number => names.filter((name) => isReady(topicCache.get(name))).length;
    let told = performance.now();
    await eventually(
      () => {
        const ready = readyNow();
        if (performance.now() - told > 10_000) {
          told = performance.now();
          say(`  ${ready} ready after ${since(began)}`);
        }
        return Promise.resolve(ready === count ? true : undefined);
      },
      "all topics ready",
      LIMIT_MS,
    );
    const readySeconds = (performance.now() - began) / 1000;
    say(
      `${count} topics with ${count * PARTITIONS} partitions Ready in ${readySeconds.toFixed(1)} s`,
    );
    const writesPerTopic =
      writesBefore === undefined
        ? undefined
        : (((await world.apiWrites?.()) ?? 0) - writesBefore) / count;
    if (writesPerTopic !== undefined) say(`${writesPerTopic.toFixed(2)} writes a topic`);
    await whole(slices, shards, count);
    const operatorBytes = await world.operatorBytes();

    const driftSeconds = await repaired(world);
    say(`Service and ConfigMap restored in ${driftSeconds.toFixed(2)} s`);
    const growSeconds = await grown(world, topicCache, names[0] ?? "");
    say(`one partition more Ready in ${growSeconds.toFixed(2)} s`);
    await whole(slices, shards, count);

    await sleep(realScheduler, REST_MS);
    const failover = await lose(world, shards);
    say(
      `${failover.leaderships} leaderships of a killed broker: the first moved after ${failover.firstMs.toFixed(0)} ms, all after ${failover.failoverMs.toFixed(0)} ms, ${failover.failoverWrites} changes of shards`,
    );
    let rejoinWrites = 0;
    shards.onChange(() => {
      rejoinWrites++;
    });
    const rejoinBegan = performance.now();
    await whole(slices, shards, count);
    const rejoinSeconds = (performance.now() - rejoinBegan) / 1000;
    say(`in sync again ${rejoinSeconds.toFixed(1)} s later, ${rejoinWrites} changes of shards`);
    return {
      readySeconds,
      writesPerTopic,
      operatorBytes,
      driftSeconds,
      growSeconds,
      ...failover,
      rejoinSeconds,
      rejoinWrites,
    };
  } finally {
    for (const cache of caches) cache.stop();
  }
}

type Slices = Informer<PartitionSlice>;
type Shards = Informer<LeadershipShard>;

/** Children that somebody deletes and changes. */
async function repaired({ kube, namespace, cluster }: ControlPlaneWorld): Promise<number> {
  const began = performance.now();
  await kube.delete(services, namespace, `${cluster}-bootstrap`);
  const map = await kube.get(configMaps, namespace, `${cluster}-config`);
  await kube.replace(configMaps, namespace, { ...map, data: { "broker.properties": "x=1" } });
  await eventually(
    async () => {
      try {
        await kube.get(services, namespace, `${cluster}-bootstrap`);
        const now = await kube.get(configMaps, namespace, `${cluster}-config`);
        return JSON.stringify(now.data) === JSON.stringify(map.data) ? true : undefined;
      } catch (error) {
        if (error instanceof NotFoundError) return undefined;
        throw error;
      }
    },
    "children restored",
    LIMIT_MS,
  );
  return (performance.now() - began) / 1000;
}

async function grown(
  { kube, namespace }: ControlPlaneWorld,
  cache: Informer<Topic>,
  name: string,
): Promise<number> {
  const began = performance.now();
  await changeObject(kube, topics, namespace, name, (topic) => ({
    ...topic,
    spec: { ...topic.spec, partitions: PARTITIONS + 1 },
  }));
  await eventually(
    () => {
      const topic = cache.get(name);
      const isGrown = isReady(topic) && topic?.status?.partitions === PARTITIONS + 1;
      return Promise.resolve(isGrown ? true : undefined);
    },
    "one partition more",
    LIMIT_MS,
  );
  return (performance.now() - began) / 1000;
}

async function lose(
  { kube, namespace, cluster, kill, keepDown }: ControlPlaneWorld,
  shards: Shards,
): Promise<Pick<ControlPlaneFigures, "leaderships" | "failoverMs" | "firstMs" | "failoverWrites">> {
  const { spec } = await kube.get(brokerClusters, namespace, cluster);
  // Not the controller: what is measured is the moving, not who does it.
  const lease = `${cluster}-controller`;
  const holder = (await kube.get(leases, namespace, lease)).spec?.holderIdentity ?? "";
  const victim = (Number(holder.split(":")[0]) + 1) % spec.brokers;
  const ledIn = ({ status }: LeadershipShard): number =>
    Object.values(status?.partitions ?? {}).filter((text) => parseState(text).leader === victim)
      .length;
  const leadBefore = new Map([...shards.items()].map(([name, shard]) => [name, ledIn(shard)]));
  const leaderships = [...leadBefore.values()].reduce((sum, count) => sum + count, 0);
  let left = leaderships;
  let firstAt: number | undefined;
  let lastAt = 0;
  let failoverWrites = 0;
  shards.onChange(({ object }) => {
    if (left === 0) return;
    failoverWrites++;
    const name = object.metadata.name;
    const now = ledIn(object);
    left += now - (leadBefore.get(name) ?? 0);
    leadBefore.set(name, now);
    lastAt = performance.now();
    firstAt ??= lastAt;
  });
  const letUp = await keepDown?.(victim);
  const began = performance.now();
  try {
    await kill(victim);
    await eventually(
      () => Promise.resolve(left === 0 ? true : undefined),
      "all leaderships moved",
      LIMIT_MS,
    );
  } finally {
    await letUp?.();
  }
  return {
    leaderships,
    failoverMs: lastAt - began,
    firstMs: (firstAt ?? lastAt) - began,
    failoverWrites,
  };
}

/** Every partition has a leader and all of its replicas in sync. */
async function whole(slices: Slices, shards: Shards, count: number): Promise<void> {
  await eventually(
    () => {
      const all = withStates(slices.items().values(), shards.items().values());
      return Promise.resolve(all.every(isInSync) && all.length >= count ? true : undefined);
    },
    "all replicas in sync",
    LIMIT_MS,
  );
}

function isReady(topic: Topic | undefined): boolean {
  return (
    topic !== undefined &&
    topic.status?.observedGeneration === topic.metadata.generation &&
    topic.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ===
      true
  );
}

async function inParallel<T>(
  items: readonly T[],
  act: (item: T) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await act(item);
  };
  await Promise.all(Array.from({ length: CREATORS }, worker));
}

function since(began: number): string {
  return `${((performance.now() - began) / 1000).toFixed(1)} s`;
}
