import { readFileSync } from "node:fs";
import path from "node:path";
import { partitionSlices } from "../../cluster/resources.ts";
import { realScheduler, sleep } from "../../lib/clock.ts";
import type { Millis } from "../../lib/units.ts";
import { changeObject } from "../../test/support/change-object.ts";
import { eventually, lastLogLines, LocalCluster } from "../../test/support/local-cluster.ts";
import {
  clientOf,
  controllerOf,
  createTopic,
  type Kube,
  leaderOf,
  processOf,
  whole,
} from "../load/local.ts";
import { readBack, type Verdict } from "../load/read-back.ts";
import { type SteadyLoad, SteadyProducer } from "../load/steady-producer.ts";

const TOPIC = "failover";
const RATE = 500;
const RECORD_BYTES = 1024;
/** Load before a fault and after all is whole again. */
const CALM_MS = 2000;
const pods = { group: "", version: "v1", plural: "pods", kind: "Pod" } as const;

/** What a variant of the scenario does to a cluster under load; the longest gaps it caused, in milliseconds. */
type Variant = (world: World) => Promise<readonly number[]>;

interface World {
  readonly cluster: LocalCluster;
  readonly kube: Kube;
  readonly producer: SteadyProducer;
  readonly rounds: number;
  /** For how long a process is frozen, by a variant that does. */
  readonly frozenMs: Millis | undefined;
  /** Does something and gives the longest gap from just before it until all is whole again. */
  readonly gapOf: (fault: () => Promise<void>) => Promise<number>;
}

export const VARIANTS: Readonly<
  Record<string, { readonly what: string; readonly rounds: number; readonly run: Variant }>
> = {
  kill: {
    what: "the leader's broker is killed (-9) and started again by the kubelet",
    rounds: 20,
    run: repeated(async ({ cluster, kube }) => {
      process.kill(await processOf(cluster, await leaderOf(kube, TOPIC)), "SIGKILL");
    }),
  },
  stop: {
    what: "the leader's broker is frozen (SIGSTOP) for 10 s",
    rounds: 3,
    run: repeated(async ({ cluster, kube, frozenMs = 10_000 }) => {
      const pid = await processOf(cluster, await leaderOf(kube, TOPIC));
      process.kill(pid, "SIGSTOP");
      await sleep(realScheduler, frozenMs);
      process.kill(pid, "SIGCONT");
    }),
  },
  controller: {
    what: "the controller's broker is killed (-9) while it leads",
    rounds: 5,
    run: repeated(async (world) => {
      const { cluster, kube } = world;
      const controller = await controllerOf(kube);
      await leadBy(world, controller);
      process.kill(await processOf(cluster, controller), "SIGKILL");
    }),
  },
  rolling: {
    what: "all brokers are restarted one after the other (their pods are deleted)",
    rounds: 3,
    run: repeated(async ({ cluster, kube }) => {
      for (let id = 0; id < cluster.brokers; id++) {
        const before = await processOf(cluster, id);
        await kube.delete(pods, "default", `local-${id}`);
        await eventually(
          async () => (await cluster.processes()).get(id) !== before || undefined,
          `another process of broker ${id}`,
        );
        await whole(kube);
      }
    }),
  },
  all: {
    what: "all brokers are killed (-9) at once",
    rounds: 5,
    run: repeated(async ({ cluster }) => {
      for (const pid of (await cluster.processes()).values()) process.kill(pid, "SIGKILL");
      await sleep(realScheduler, 500);
    }),
  },
  api: {
    what: "the process of the Kubernetes API is frozen for 60 s",
    rounds: 1,
    run: repeated(async ({ cluster, frozenMs = 60_000 }) => {
      const file = path.join(cluster.directory, "instance.json");
      const { pid } = JSON.parse(readFileSync(file, "utf8")) as { readonly pid: number };
      process.kill(pid, "SIGSTOP");
      await sleep(realScheduler, frozenMs);
      process.kill(pid, "SIGCONT");
    }),
  },
};

export interface FailoverResult {
  readonly variant: string;
  readonly gapsMs: readonly number[];
  readonly verdict: Verdict;
}

/**
 * Runs one variant against a `forebay local` of its own.
 * @param options instead of the variant's own number of rounds, and of how long it freezes a process
 */
export async function failover(
  name: string,
  options: {
    readonly rounds?: number | undefined;
    readonly frozenMs?: Millis;
    readonly onRetry?: SteadyLoad["onRetry"];
  } = {},
): Promise<FailoverResult> {
  const variant = VARIANTS[name];
  if (variant === undefined) {
    throw new Error(`no variant "${name}"; there are ${Object.keys(VARIANTS).join(", ")}`);
  }
  const cluster = await LocalCluster.start(3);
  const kube = await cluster.kube();
  const client = clientOf(cluster);
  const producer = new SteadyProducer({
    client,
    topic: TOPIC,
    // One partition, so that another one's acknowledgements hide nothing.
    partitions: 1,
    recordsPerSecond: RATE,
    recordBytes: RECORD_BYTES,
    ...(options.onRetry === undefined ? {} : { onRetry: options.onRetry }),
  });
  try {
    await createTopic(kube, TOPIC, 1);
    await producer.start();
    await sleep(realScheduler, CALM_MS);
    const world: World = {
      cluster,
      kube,
      producer,
      rounds: options.rounds ?? variant.rounds,
      frozenMs: options.frozenMs,
      gapOf: async (fault) => {
        producer.takeGap();
        await fault();
        await sleep(realScheduler, CALM_MS);
        await whole(kube);
        return producer.takeGap();
      },
    };
    const gapsMs = await variant.run(world);
    await producer.stop();
    return { variant: name, gapsMs, verdict: await readBack(client, TOPIC, producer.acked) };
  } catch (error) {
    for (const line of lastLogLines(cluster)) console.log(line);
    throw error;
  } finally {
    producer.abandon();
    client.close();
    kube.close();
    await cluster.remove();
  }
}

function repeated(fault: (world: World) => Promise<void>): Variant {
  return async (world) => {
    const gaps: number[] = [];
    for (let round = 0; round < world.rounds; round++) {
      gaps.push(await world.gapOf(() => fault(world)));
      // A kubelet waits longer before each restart of a process that did not live for 3 s.
      await sleep(realScheduler, CALM_MS);
    }
    return gaps;
  };
}

/** Makes the controller's broker the first replica, and so the leader. */
async function leadBy({ kube }: World, id: number): Promise<void> {
  if ((await leaderOf(kube, TOPIC)) === id) return;
  await changeObject(kube, partitionSlices, "default", `${TOPIC}-000`, (slice) => ({
    ...slice,
    spec: {
      ...slice.spec,
      partitions: slice.spec.partitions.map(({ replicas }) => ({
        replicas: [id, ...replicas.filter((other) => other !== id)],
      })),
    },
  }));
  await eventually(
    async () => (await leaderOf(kube, TOPIC)) === id || undefined,
    `broker ${id} leads`,
  );
}
