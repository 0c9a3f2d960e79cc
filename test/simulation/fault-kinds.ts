import type { Random } from "../../lib/random.ts";
import type { SimClock } from "./clock.ts";
import type { SimCluster } from "./cluster.ts";
import { SESSION_TIMEOUT_MS } from "./shape.ts";

/** What a fault may touch. */
export interface FaultWorld {
  readonly cluster: SimCluster;
  readonly clock: SimClock;
  readonly random: Random;
  readonly log: (line: string) => void;
  /** Runs after `ms`, unless the faults have ended by then: then everything has been mended already. */
  readonly later: (ms: number, action: () => void) => void;
  readonly startWhenGone: (id: number) => void;
}

export interface FaultKind {
  readonly name: string;
  /** How often beside the others. */
  readonly weight: number;
  /** @param id of a broker that chance has picked */
  readonly strike: (world: FaultWorld, id: number) => void;
}

export const CLIENT_HOSTS = ["producer-0", "producer-1", "producer-2", "reader-0"];

/** Kinds that a broker watches beside its Lease and its cluster. */
const WATCHED = ["partitionslices", "leadershipshards", "brokers", "topics"];

/** Everything that may go wrong. */
export const FAULT_KINDS: readonly FaultKind[] = [
  {
    name: "kill",
    weight: 5,
    strike({ cluster, random, later }, id) {
      cluster.kill(id);
      later(random.next() * 2500, () => {
        cluster.start(id);
      });
    },
  },
  {
    name: "crash",
    weight: 5,
    strike({ cluster, random, later }, id) {
      cluster.crash(id);
      later(200 + random.next() * 4000, () => {
        cluster.start(id);
      });
    },
  },
  {
    name: "kill the controller",
    weight: 2,
    strike({ cluster, random, later }) {
      const controller = cluster.brokers.find(({ broker }) => broker?.isController === true);
      if (controller === undefined) return;
      if (random.below(2) === 0) cluster.kill(controller.id);
      else cluster.crash(controller.id);
      later(random.next() * 4000, () => {
        cluster.start(controller.id);
      });
    },
  },
  {
    name: "all at once",
    weight: 2,
    strike({ cluster, random, later }) {
      for (const { id } of cluster.brokers) {
        if (random.below(2) === 0) cluster.kill(id);
        else cluster.crash(id);
        later(random.next() * 2000, () => {
          cluster.start(id);
        });
      }
    },
  },
  {
    name: "drain",
    weight: 2,
    strike({ cluster, random, later, startWhenGone }, id) {
      cluster.drain(id);
      later(1000 + random.next() * 3000, () => {
        startWhenGone(id);
      });
    },
  },
  {
    name: "pause",
    weight: 4,
    strike(world, id) {
      const { random } = world;
      const kind = random.below(4);
      if (kind === 0) pause(world, id, random.next() * 200);
      // Just past the session: others may have acted on it, or not yet.
      else if (kind === 1) pause(world, id, SESSION_TIMEOUT_MS * (1 + random.next() / 6));
      else pause(world, id, random.next() * 5000);
    },
  },
  {
    name: "pause several",
    weight: 1,
    strike(world) {
      const { cluster, random } = world;
      for (const { id } of cluster.brokers) {
        if (random.below(2) === 0) pause(world, id, random.next() * 4000);
      }
    },
  },
  {
    name: "cut",
    weight: 5,
    strike({ cluster: { network, brokers }, random, log, later }, id) {
      const host = brokers[id]?.host ?? "";
      const other = brokers[(id + 1 + random.below(brokers.length - 1)) % brokers.length];
      if (other === undefined) return;
      const oneWay = random.below(2) === 0;
      log(`cut ${host} ${oneWay ? "to" : "and"} ${other.host}`);
      network.cut(host, other.host);
      if (!oneWay) network.cut(other.host, host);
      later(random.next() * 4000, () => {
        log(`mend ${host} and ${other.host}`);
        network.mend(host, other.host);
        if (!oneWay) network.mend(other.host, host);
      });
    },
  },
  {
    name: "isolate",
    weight: 3,
    strike({ cluster: { network, kube, brokers }, random, log, later }, id) {
      const host = brokers[id]?.host ?? "";
      const alsoClients = random.below(2) === 0;
      const alsoApi = random.below(2) === 0;
      const ms = random.next() * 5000;
      log(
        `isolate ${host}${alsoClients ? " from clients too" : ""}${alsoApi ? " and the API" : ""}`,
      );
      const others = brokers.filter((one) => one.id !== id).map((one) => one.host);
      const all = [...others, ...(alsoClients ? CLIENT_HOSTS : [])];
      for (const other of all) {
        network.cut(host, other);
        network.cut(other, host);
      }
      if (alsoApi) kube.cut(host, ms);
      later(ms, () => {
        log(`mend ${host}`);
        for (const other of all) {
          network.mend(host, other);
          network.mend(other, host);
        }
      });
    },
  },
  {
    name: "cut clients",
    weight: 3,
    strike({ cluster: { network, brokers }, random, log, later }, id) {
      const host = brokers[id]?.host ?? "";
      const ms = random.next() * 4000;
      log(`cut ${host} from its clients`);
      for (const client of CLIENT_HOSTS) {
        network.cut(client, host);
        network.cut(host, client);
      }
      later(ms, () => {
        log(`mend ${host} and its clients`);
        for (const client of CLIENT_HOSTS) {
          network.mend(client, host);
          network.mend(host, client);
        }
      });
    },
  },
  {
    name: "reset connections",
    weight: 2,
    strike({ cluster: { network, brokers }, log }, id) {
      const host = brokers[id]?.host ?? "";
      log(`reset connections of ${host}`);
      network.reset(host);
    },
  },
  {
    name: "API out of reach of one",
    weight: 3,
    strike({ cluster: { kube, brokers }, random, log }, id) {
      const host = brokers[id]?.host ?? "";
      const ms = random.next() * 5000;
      log(`cut ${host} from the API for ${ms.toFixed(0)} ms`);
      kube.cut(host, ms);
    },
  },
  {
    name: "API away",
    weight: 1,
    strike({ cluster: { kube }, random, log }) {
      const ms = random.next() * 5000;
      log(`no API for ${ms.toFixed(0)} ms`);
      kube.cut("*", ms);
    },
  },
  {
    name: "API restarts",
    weight: 1,
    strike({ cluster: { kube }, log }) {
      log("the API restarts");
      kube.restart();
    },
  },
  {
    name: "watches stall",
    weight: 2,
    strike({ cluster: { kube, brokers }, random, log }, id) {
      const host = brokers[id]?.host ?? "";
      // Each watch has a connection of its own: what one of them tells may be much newer than what another does.
      const kind = random.below(2) === 0 ? undefined : WATCHED[random.below(WATCHED.length)];
      const which = kind === undefined ? "the watches" : `the watch of ${kind}`;
      if (random.below(3) === 0) {
        log(`${which} of ${host}: silent for ever`);
        kube.killWatches(host, kind);
        return;
      }
      const ms = random.next() * 6000;
      log(`${which} of ${host}: stalled for ${ms.toFixed(0)} ms`);
      kube.stall(host, ms, kind);
    },
  },
  {
    name: "clock jump",
    weight: 1,
    strike({ cluster, random, log }, id) {
      const { process, host } = cluster.at(id);
      const ms = Math.floor((random.next() - 0.5) * 600_000);
      log(`the wall clock of ${host} jumps by ${String(ms)} ms`);
      process.skewMs += ms;
    },
  },
  {
    name: "slow disk",
    weight: 1,
    strike({ cluster, random, log, later }, id) {
      const one = cluster.at(id);
      const before = one.slowDisk;
      one.slowDisk = 20 + random.below(200);
      log(`the disk of ${one.host} is ${String(one.slowDisk)} times slower`);
      later(random.next() * 4000, () => {
        one.slowDisk = before;
      });
    },
  },
  {
    name: "disk full",
    weight: 1,
    strike({ cluster, random, log, later }, id) {
      const one = cluster.at(id);
      const left = random.below(20_000);
      log(`the disk of ${one.host} has ${String(left)} bytes left`);
      one.storage.setCapacity(one.storage.used() + left);
      later(random.next() * 4000, () => {
        log(`the disk of ${one.host} has room`);
        one.storage.setCapacity(undefined);
      });
    },
  },
  {
    name: "disk nearly full",
    weight: 1,
    strike({ cluster, random, log, later }, id) {
      const one = cluster.at(id);
      const free = random.next() * 0.1;
      log(`the disk of ${one.host} is full but for ${(100 * free).toFixed(1)} %`);
      one.storage.setCapacity(Math.ceil(one.storage.used() / (1 - free)));
      later(random.next() * 5000, () => {
        log(`the disk of ${one.host} has room`);
        one.storage.setCapacity(undefined);
      });
    },
  },
  {
    name: "read errors",
    weight: 1,
    strike({ cluster, random, log, later }, id) {
      const one = cluster.at(id);
      one.readErrors = 1 + random.below(10);
      log(`one in ${String(one.readErrors)} reads of the disk of ${one.host} fails`);
      later(random.next() * 3000, () => {
        log(`the disk of ${one.host} can be read`);
        one.readErrors = 0;
      });
    },
  },
  {
    name: "bit rot",
    weight: 4,
    strike({ cluster, random, log }, id) {
      // As much of a loss as a volume, for one partition.
      if (cluster.lostSinceWhole > 0 && !cluster.isWhole()) return;
      if (cluster.brokers.some(({ volumeLost }) => volumeLost)) return;
      const minimum = Math.min(...cluster.shape.topics.map((topic) => topic.minInSyncReplicas));
      const found = cluster.rot.strike(id, random, minimum > 1 && cluster.isWhole());
      if (found === undefined) return;
      // All of the broker's volume may be given up for it.
      if (found.hot) cluster.lostSinceWhole = 1;
      log(`${cluster.at(id).host}: ${found.what}`);
    },
  },
  {
    name: "API writes of one are slow",
    weight: 1,
    strike({ cluster: { kube, brokers }, random, log }, id) {
      const host = brokers[id]?.host ?? "";
      const ms = random.next() * 2000;
      log(`what ${host} writes takes ${ms.toFixed(0)} ms to the API`);
      kube.slowWrites(host, ms);
    },
  },
  {
    name: "API lists are slow",
    weight: 2,
    strike({ cluster: { kube }, random, log, later }) {
      kube.slowListsMs = random.next() * 1500;
      log(`what is listed comes ${kube.slowListsMs.toFixed(0)} ms late`);
      later(random.next() * 8000, () => {
        kube.slowListsMs = 0;
      });
    },
  },
  {
    name: "lose a volume",
    weight: 2,
    strike({ cluster, random, later }, id) {
      if (cluster.rot.outstanding) return;
      // One volume fewer than the minimum in sync may be lost, until all is whole again.
      const minimum = Math.min(...cluster.shape.topics.map((topic) => topic.minInSyncReplicas));
      const whole = cluster.isWhole() && !cluster.brokers.some(({ volumeLost }) => volumeLost);
      if (whole) cluster.lostSinceWhole = 0;
      else if (cluster.lostSinceWhole === 0) return;
      if (cluster.lostSinceWhole >= minimum - 1 || cluster.at(id).volumeLost) return;
      cluster.lostSinceWhole++;
      cluster.loseVolume(id);
      later(100 + random.next() * 3000, () => {
        cluster.start(id);
      });
    },
  },
  {
    name: "lose the volume of an outsider",
    weight: 2,
    strike({ cluster, clock, random, log, later }) {
      // Nobody counts on it, but a leader may be about to.
      const outsider = cluster.brokers.find(
        ({ id, volumeLost, process }) =>
          !volumeLost && process.alive && cluster.isOutsideEverywhere(id),
      );
      if (outsider === undefined) return;
      const { id } = outsider;
      const until = clock.now() + 1000;
      const strikeWhenProposed = (): void => {
        if (outsider.volumeLost || !outsider.process.alive) return;
        // It may have the only copy of what is damaged elsewhere.
        if (cluster.rot.outstanding) return;
        if (!cluster.isOutsideEverywhere(id)) return;
        if (cluster.proposer() === undefined && clock.now() < until) {
          later(1, strikeWhenProposed);
          return;
        }
        // What the leader has decided arrives when the outsider is back, with nothing.
        const leader = cluster.proposer();
        if (leader !== undefined && random.below(2) === 0) {
          cluster.kube.slowWrites(leader, 300 + random.next() * 1200);
        }
        // It registers, and cannot fetch yet what it has lost.
        if (leader !== undefined && random.below(2) === 0) {
          const { network } = cluster;
          log(`cut ${leader} and ${outsider.host}`);
          network.cut(leader, outsider.host);
          network.cut(outsider.host, leader);
          later(random.next() * 4000, () => {
            log(`mend ${leader} and ${outsider.host}`);
            network.mend(leader, outsider.host);
            network.mend(outsider.host, leader);
          });
        }
        cluster.loseVolume(id);
        later(5 + random.next() * 100, () => {
          cluster.start(id);
        });
      };
      strikeWhenProposed();
    },
  },
  {
    name: "scale",
    weight: 1,
    strike({ cluster, random }) {
      const { shape } = cluster;
      const least = Math.max(3, ...shape.topics.map(({ replicas }) => replicas));
      const brokers = least + random.below(shape.brokers - least + 1);
      if (brokers === cluster.wantedBrokers) return;
      // Whoever takes brokers away does not insist on replicas there.
      if (brokers < cluster.wantedBrokers) {
        for (const { name } of shape.topics) cluster.assign(name, undefined);
      }
      cluster.scale(brokers);
    },
  },
  {
    name: "reassign",
    weight: 2,
    strike({ cluster, random }) {
      const topic = cluster.shape.topics[random.below(cluster.shape.topics.length)];
      if (topic === undefined) return;
      const brokers = cluster.wantedBrokers;
      if (random.below(4) === 0) cluster.assign(topic.name, undefined);
      else {
        const chosen = Array.from({ length: topic.partitions }, () =>
          sample(random, brokers, topic.replicas),
        );
        cluster.assign(topic.name, chosen);
      }
    },
  },
  {
    name: "kill the operator",
    weight: 1,
    strike({ cluster, random, log, later }) {
      if (!cluster.operatorRuns) return;
      log("kill the operator");
      cluster.killOperator();
      later(random.next() * 3000, () => {
        if (!cluster.operatorRuns) cluster.startOperator();
      });
    },
  },
];

/** So many different ids below `bound`, in any order. */
function sample(random: Random, bound: number, count: number): number[] {
  const ids = Array.from({ length: bound }, (_, id) => id);
  const chosen: number[] = [];
  while (chosen.length < count && ids.length > 0) {
    chosen.push(...ids.splice(random.below(ids.length), 1));
  }
  return chosen;
}

function pause({ cluster, log, later }: FaultWorld, id: number, ms: number): void {
  const { process, host } = cluster.at(id);
  log(`pause ${host} for ${ms.toFixed(0)} ms`);
  process.pause();
  later(ms, () => {
    log(`resume ${host}`);
    process.resume();
  });
}
