import { readFileSync } from "node:fs";
import path from "node:path";
import { controllerOf, type Kube, leaderOf } from "../../bench/load/local.ts";
import { realScheduler, sleep } from "../../lib/clock.ts";
import type { Random } from "../../lib/random.ts";
import type { Millis } from "../../lib/units.ts";
import { eventually, type LocalCluster } from "../support/local-cluster.ts";
import type { Network } from "./network.ts";

/** Whatever a fault needs of the cluster that it strikes. */
export interface World {
  readonly cluster: LocalCluster;
  readonly kube: Kube;
  readonly random: Random;
  /** Absent where there are no namespaces: faults that need it are not chosen. */
  readonly network: Network | undefined;
  readonly topics: readonly string[];
}

export function pause(ms: Millis): Promise<void> {
  return sleep(realScheduler, ms);
}

/** An item by chance. */
export function pick<T>({ random }: World, items: readonly T[]): T {
  const item = items[random.below(items.length)];
  if (item === undefined) throw new Error("nothing to choose from");
  return item;
}

export function brokerIds({ cluster }: World): number[] {
  return Array.from({ length: cluster.brokers }, (_, id) => id);
}

/** A broker by chance: any, or who leads a partition, or the controller. Printed, as what it is depends on the run. */
export async function someBroker(world: World): Promise<number> {
  const how = world.random.below(3);
  const any = world.random.below(world.cluster.brokers);
  const topic = pick(world, world.topics);
  const chosen =
    how === 0
      ? any
      : how === 1
        ? await leaderOf(world.kube, topic)
        : await controllerOf(world.kube);
  return chosen >= 0 && chosen < world.cluster.brokers ? chosen : any;
}

/** The process of a broker; waits for one that is being started. */
export function pidOf({ cluster }: World, id: number): Promise<number> {
  return eventually(async () => (await cluster.processes()).get(id), `a process of broker ${id}`);
}

/** The process of `forebay local`: Kubernetes API, kubelet and operator. */
export function pidOfLocal({ cluster }: World): number {
  const file = path.join(cluster.directory, "instance.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { readonly pid: number }).pid;
}

/** Does something while a process is frozen, which goes on afterwards whatever happens. */
export async function frozen(pid: number, work: () => Promise<void>): Promise<void> {
  process.kill(pid, "SIGSTOP");
  try {
    await work();
  } finally {
    try {
      process.kill(pid, "SIGCONT");
    } catch {
      // It was killed meanwhile.
    }
  }
}

/** Kills processes; those that are gone already are no matter. */
export function kill(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // Gone.
    }
  }
}
