import { statSync, truncateSync } from "node:fs";
import path from "node:path";
import { MIB, SECOND, type Millis } from "../../lib/units.ts";
import { whole } from "../../bench/load/local.ts";
import { brokers } from "../../cluster/resources.ts";
import { eventually } from "../support/local-cluster.ts";
import { damageJournal } from "./journal-damage.ts";
import { TOPIC_PREFIX } from "./load.ts";
import { type Cut, type Party, parted } from "./network.ts";
import {
  activeSegments,
  closedSegments,
  empty,
  fill,
  flip,
  journalFolder,
  logFolders,
  roomOf,
} from "./volumes.ts";
import {
  brokerIds,
  frozen,
  kill,
  pause,
  pick,
  pidOf,
  pidOfLocal,
  someBroker,
  type World,
} from "./world.ts";

/** What a kind of fault does; everything is healed when it resolves, but not yet recovered. */
export interface FaultKind {
  /** It needs a network and volumes of its own, and so root. */
  readonly needsRoot?: boolean;
  /** @returns what exactly was done */
  readonly strike: (world: World) => Promise<string>;
}

export const FAULT_KINDS: Readonly<Record<string, FaultKind>> = {
  kill: {
    strike: async (world) => {
      const id = await someBroker(world);
      kill([await pidOf(world, id)]);
      return `broker ${id}`;
    },
  },
  killTwo: {
    strike: async (world) => {
      const spared = await someBroker(world);
      const ids = brokerIds(world).filter((id) => id !== spared);
      const pids = await Promise.all(ids.map((id) => pidOf(world, id)));
      kill(pids);
      return `all but broker ${spared}`;
    },
  },
  killAll: {
    strike: async (world) => {
      kill([...(await world.cluster.processes()).values()]);
      return "all brokers";
    },
  },
  killAgain: {
    strike: async (world) => {
      const id = await someBroker(world);
      const times = 2 + world.random.below(3);
      for (let time = 0; time < times; time++) {
        kill([await pidOf(world, id)]);
        // Also in the middle of recovery and registration.
        await pause(world.random.below(1500));
      }
      return `broker ${id}, ${times} times`;
    },
  },
  stop: {
    strike: async (world) => {
      const id = await someBroker(world);
      const ms = duration(world, 8 * SECOND);
      await frozen(await pidOf(world, id), () => pause(ms));
      return `broker ${id} for ${ms} ms`;
    },
  },
  stopAndKill: {
    strike: async (world) => {
      const stopped = await someBroker(world);
      const killed = (stopped + 1 + world.random.below(world.cluster.brokers - 1)) % 3;
      const ms = duration(world, 6 * SECOND);
      await frozen(await pidOf(world, stopped), async () => {
        await pause(world.random.below(3000));
        kill([await pidOf(world, killed)]);
        await pause(ms);
      });
      return `broker ${stopped} for ${ms} ms, and broker ${killed} killed meanwhile`;
    },
  },
  apiStopped: {
    strike: async (world) => {
      const ms = duration(world, 12 * SECOND);
      await frozen(pidOfLocal(world), () => pause(ms));
      return `Kubernetes API, kubelet and operator for ${ms} ms`;
    },
  },
  apiStoppedAndKill: {
    strike: async (world) => {
      const id = await someBroker(world);
      const pid = await pidOf(world, id);
      const ms = duration(world, 8 * SECOND);
      await frozen(pidOfLocal(world), async () => {
        await pause(world.random.below(2000));
        kill([pid]);
        await pause(ms);
      });
      return `broker ${id} killed while the Kubernetes API was stopped for ${ms} ms`;
    },
  },
  isolate: {
    needsRoot: true,
    strike: async (world) => {
      const id = await someBroker(world);
      const others: readonly Party[] = brokerIds(world).filter((other) => other !== id);
      const from = pick<readonly Party[]>(world, [
        others,
        [...others, "api"],
        [...others, "clients"],
        [...others, "api", "clients"],
        ["api"],
      ]);
      const cuts = from.flatMap((other) => parted(id, other));
      return `broker ${id} from ${from.join(", ")} ${await cutFor(world, cuts)}`;
    },
  },
  oneWay: {
    needsRoot: true,
    strike: async (world) => {
      const id = await someBroker(world);
      const others: readonly Party[] = brokerIds(world).filter((other) => other !== id);
      const from = pick<readonly Party[]>(world, [others, others.slice(1), [...others, "api"]]);
      const heard = world.random.below(2) === 0;
      const cuts = from.map((other): Cut =>
        heard ? { from: id, to: other } : { from: other, to: id },
      );
      const what = heard ? "is not heard by" : "does not hear";
      return `broker ${id} ${what} ${from.join(", ")} ${await cutFor(world, cuts)}`;
    },
  },
  circle: {
    needsRoot: true,
    strike: async (world) => {
      // Each hears one of the others only.
      const cuts = brokerIds(world).map((id): Cut => ({
        from: id,
        to: (id + 1) % world.cluster.brokers,
      }));
      return `each broker is not heard by the next ${await cutFor(world, cuts)}`;
    },
  },
  lossy: {
    needsRoot: true,
    strike: async (world) => {
      const percent = pick(world, [3, 15, 40]);
      return `${percent} % of packets between brokers lost ${await cutFor(world, [], percent)}`;
    },
  },
  cutAndKill: {
    needsRoot: true,
    strike: async (world) => {
      const cut = await someBroker(world);
      const others = brokerIds(world).filter((id) => id !== cut);
      const killed = pick(world, others);
      const pid = await pidOf(world, killed);
      setTimeout(() => kill([pid]), world.random.below(3000));
      const cuts = others.flatMap((other) => parted(cut, other));
      return `broker ${cut} from the others ${await cutFor(world, cuts)}, broker ${killed} killed meanwhile`;
    },
  },
  flapping: {
    needsRoot: true,
    strike: async (world) => {
      const id = await someBroker(world);
      const cuts = brokerIds(world)
        .filter((other) => other !== id)
        .flatMap((other) => parted(id, other));
      const times = 3 + world.random.below(4);
      for (let time = 0; time < times; time++) {
        world.network?.set(cuts);
        await pause(200 + world.random.below(2500));
        world.network?.heal();
        await pause(200 + world.random.below(1500));
      }
      return `broker ${id} from the others, ${times} times`;
    },
  },
  nearlyFull: {
    needsRoot: true,
    strike: async (world) => {
      const id = await someBroker(world);
      const { capacity } = roomOf(world.cluster.directory, id);
      const ms = duration(world, 8 * SECOND);
      return filled(world, id, Math.floor(capacity / 40), () => pause(ms), `for ${ms} ms`);
    },
  },
  full: {
    needsRoot: true,
    strike: async (world) => {
      const id = await someBroker(world);
      const ms = duration(world, 8 * SECOND);
      return filled(world, id, world.random.below(2 * MIB), () => pause(ms), `for ${ms} ms`);
    },
  },
  fullAndKill: {
    needsRoot: true,
    strike: async (world) => {
      const id = await someBroker(world);
      const work = async (): Promise<void> => {
        await pause(world.random.below(2000));
        kill([await pidOf(world, id)]);
        await pause(4000);
      };
      return filled(world, id, world.random.below(MIB), work, "and killed meanwhile");
    },
  },
  segmentDamaged: {
    strike: async (world) => {
      const id = await someBroker(world);
      let flips = 0;
      await whileDown(world, id, (directory) => {
        for (const file of closedSegments(directory, id, TOPIC_PREFIX)) {
          if (world.random.below(4) > 0) continue;
          flip(file, world.random.below(64 * 1024), world.random);
          flips++;
        }
      });
      return `a bit in each of ${flips} closed segments of broker ${id}, which was killed`;
    },
  },
  journalDamaged: {
    strike: async (world) => {
      const id = await someBroker(world);
      let what = "";
      await whileDown(world, id, (directory) => {
        what = damageJournal(journalFolder(directory, id), world.random);
      });
      return `${what} of broker ${id}, which was killed`;
    },
  },
  metadataDamaged: {
    strike: async (world) => {
      const id = await someBroker(world);
      let log = "";
      await whileDown(world, id, (directory) => {
        const folders = logFolders(directory, id, TOPIC_PREFIX);
        const folder = pick(world, folders);
        truncateSync(path.join(folder, "partition.metadata"), world.random.below(20));
        log = path.basename(folder);
      });
      return `${log} of broker ${id}, which was killed, does not say whose it is`;
    },
  },
  indexDamaged: {
    strike: async (world) => {
      const id = await someBroker(world);
      let flips = 0;
      await whileDown(world, id, (directory) => {
        for (const segment of closedSegments(directory, id, TOPIC_PREFIX)) {
          const index = segment.replace(/\.log$/, ".index");
          // A broker that is killed may not have written the index of what it closed last.
          const size = statSync(index, { throwIfNoEntry: false })?.size ?? 0;
          if (size === 0) continue;
          flip(index, world.random.below(size), world.random);
          flips++;
        }
      });
      return `a bit in each of ${flips} indexes of broker ${id}, which was killed`;
    },
  },
  segmentShort: {
    strike: async (world) => {
      const id = await someBroker(world);
      let what = "";
      await whileDown(world, id, (directory) => {
        const file = pick(world, activeSegments(directory, id, TOPIC_PREFIX));
        const { size } = statSync(file);
        truncateSync(file, world.random.below(size + 1));
        what = path.basename(path.dirname(file));
      });
      return `the active segment of ${what} of broker ${id}, which was killed, is cut short`;
    },
  },
};

/** From half a second on, most of them short. */
function duration({ random }: World, most: Millis): Millis {
  return 500 + Math.floor(random.next() * random.next() * (most - 500));
}

async function cutFor(world: World, cuts: readonly Cut[], lossPercent = 0): Promise<string> {
  const ms = duration(world, 10 * SECOND);
  world.network?.set(cuts, lossPercent);
  await pause(ms);
  world.network?.heal();
  return `for ${ms} ms`;
}

async function filled(
  { cluster }: World,
  id: number,
  leave: number,
  work: () => Promise<void>,
  what: string,
): Promise<string> {
  fill(cluster.directory, id, leave);
  try {
    await work();
  } finally {
    empty(cluster.directory, id);
  }
  return `volume of broker ${id}: ${Math.round(leave / 1024)} KiB left ${what}`;
}

/**
 * Kills a broker and does something to its volume before the kubelet starts it again. Resolves when it is back: what is
 * promised is promised while no more than one volume has lost something.
 */
async function whileDown(
  world: World,
  id: number,
  work: (directory: string) => void,
): Promise<void> {
  await whole(world.kube);
  const epoch = await epochOf(world, id);
  const pid = await pidOf(world, id);
  await frozen(pidOfLocal(world), async () => {
    kill([pid]);
    await pause(100);
    work(world.cluster.directory);
  });
  await eventually(
    async () => ((await epochOf(world, id)) ?? 0) > (epoch ?? 0) || undefined,
    `a new start of broker ${id}`,
    60_000,
  );
}

/** The broker's epoch, while it runs. */
async function epochOf({ kube }: World, id: number): Promise<number | undefined> {
  const { status } = await kube.get(brokers, "default", `local-${id}`);
  return status?.state === "running" ? status.epoch : undefined;
}
