import type { Random } from "../../lib/random.ts";
import type { SimClock } from "./clock.ts";
import type { SimCluster } from "./cluster.ts";
import type { History } from "./history.ts";

/** What may go wrong, and how often beside the others. */
const KINDS = [
  ["kill", 5],
  ["crash", 5],
  ["pause", 4],
  ["cut", 5],
  ["isolate", 3],
  ["apiCut", 3],
  ["apiOutage", 1],
  ["drain", 2],
  ["all", 2],
  ["loseVolume", 2],
  ["operator", 1],
] as const;
type Kind = (typeof KINDS)[number][0];

/**
 * Faults one after the other, some at the same time, as chance has it. Bounded by what is promised: a volume is lost
 * only where at least `min.insync.replicas` − 1 others are allowed to be, and only when all is whole.
 */
export class FaultPlan {
  readonly #cluster: SimCluster;
  readonly #clock: SimClock;
  readonly #random: Random;
  readonly #history: History;
  readonly #betweenMs: number;
  readonly #kinds: readonly (readonly [Kind, number])[];
  #running = false;
  count = 0;

  constructor(cluster: SimCluster, clock: SimClock, random: Random, history: History) {
    this.#cluster = cluster;
    this.#clock = clock;
    this.#random = random;
    this.#history = history;
    this.#betweenMs = random.below(3) === 0 ? 40 + random.below(300) : 200 + random.below(2500);
    // Each seed leaves some kinds out, so that the others meet more often.
    const kept = KINDS.filter(() => random.below(3) > 0);
    this.#kinds = kept.length === 0 ? KINDS : kept;
  }

  start(): void {
    this.#running = true;
    this.#cluster.kube.faultsPerMille = this.#random.below(2) === 0 ? 0 : this.#random.below(40);
    // An API that is slow makes every compare-and-swap a long time in flight.
    if (this.#random.below(3) === 0) this.#cluster.kube.delayMs = 20 + this.#random.below(500);
    this.#next();
  }

  /** No more faults; what is cut is mended, what is down comes up. */
  heal(): void {
    this.#running = false;
    this.#cluster.network.heal();
    this.#cluster.kube.heal();
    for (const one of this.#cluster.brokers) {
      one.process.resume();
      if (!one.process.alive || one.down) this.#whenGone(one.id);
    }
    if (!this.#cluster.operatorRuns) this.#cluster.startOperator();
  }

  #next(): void {
    this.#clock.after(this.#random.next() * 2 * this.#betweenMs, () => {
      if (!this.#running) return;
      this.#strike(this.#kind());
      this.#next();
    });
  }

  #kind(): Kind {
    const total = this.#kinds.reduce((sum, [, weight]) => sum + weight, 0);
    let at = this.#random.below(total);
    for (const [kind, weight] of this.#kinds) {
      at -= weight;
      if (at < 0) return kind;
    }
    return "kill";
  }

  #strike(kind: Kind): void {
    const { network, kube, brokers } = this.#cluster;
    const random = this.#random;
    const id = random.below(brokers.length);
    const { process, host } = this.#cluster.at(id);
    this.count++;
    switch (kind) {
      case "kill":
        this.#cluster.kill(id);
        this.#later(random.next() * 2500, () => {
          this.#cluster.start(id);
        });
        return;
      case "crash":
        this.#cluster.crash(id);
        this.#later(200 + random.next() * 4000, () => {
          this.#cluster.start(id);
        });
        return;
      case "all":
        for (const one of brokers) {
          if (random.below(2) === 0) this.#cluster.kill(one.id);
          else this.#cluster.crash(one.id);
          this.#later(random.next() * 2000, () => {
            this.#cluster.start(one.id);
          });
        }
        return;
      case "pause": {
        const ms = random.below(3) === 0 ? random.next() * 200 : random.next() * 5000;
        this.#history.add(`pause ${host} for ${ms.toFixed(0)} ms`);
        process.pause();
        this.#later(ms, () => {
          this.#history.add(`resume ${host}`);
          process.resume();
        });
        return;
      }
      case "cut": {
        const other = brokers[(id + 1 + random.below(brokers.length - 1)) % brokers.length];
        if (other === undefined) return;
        const oneWay = random.below(2) === 0;
        this.#history.add(`cut ${host} ${oneWay ? "to" : "and"} ${other.host}`);
        network.cut(host, other.host);
        if (!oneWay) network.cut(other.host, host);
        this.#later(random.next() * 4000, () => {
          this.#history.add("mend the network");
          network.heal();
        });
        return;
      }
      case "isolate": {
        const alsoClients = random.below(2) === 0;
        const alsoApi = random.below(2) === 0;
        const ms = random.next() * 5000;
        this.#history.add(
          `isolate ${host}${alsoClients ? " from clients too" : ""}${alsoApi ? " and the API" : ""}`,
        );
        const others = brokers.filter((one) => one.id !== id).map((one) => one.host);
        const clients = alsoClients ? CLIENT_HOSTS : [];
        for (const other of [...others, ...clients]) {
          network.cut(host, other);
          network.cut(other, host);
        }
        if (alsoApi) kube.cut(host, ms);
        this.#later(ms, () => {
          this.#history.add("mend the network");
          network.heal();
        });
        return;
      }
      case "apiCut": {
        const ms = random.next() * 5000;
        this.#history.add(`cut ${host} from the API for ${ms.toFixed(0)} ms`);
        kube.cut(host, ms);
        return;
      }
      case "apiOutage": {
        const ms = random.next() * 5000;
        this.#history.add(`no API for ${ms.toFixed(0)} ms`);
        kube.cut("*", ms);
        return;
      }
      case "drain":
        this.#cluster.drain(id);
        this.#later(1000 + random.next() * 3000, () => {
          this.#whenGone(id);
        });
        return;
      case "loseVolume":
        // One volume fewer than the minimum in sync may be lost: with a minimum of two, one at a time.
        if (this.#cluster.shape.topics.some(({ minInSyncReplicas }) => minInSyncReplicas < 2))
          return;
        if (!this.#cluster.isWhole() || brokers.some(({ volumeLost }) => volumeLost)) return;
        this.#cluster.loseVolume(id);
        this.#later(100 + random.next() * 3000, () => {
          this.#cluster.start(id);
        });
        return;
      case "operator":
        if (!this.#cluster.operatorRuns) return;
        this.#history.add("kill the operator");
        this.#cluster.killOperator();
        this.#later(random.next() * 3000, () => {
          if (!this.#cluster.operatorRuns) this.#cluster.startOperator();
        });
        return;
    }
  }

  /** Starts a broker once its process has ended; one that still drains is left to it for a while. */
  #whenGone(id: number, patience = 40): void {
    const one = this.#cluster.at(id);
    if (one.process.alive && one.broker !== undefined) {
      if (!one.down) return;
      if (patience === 0) this.#cluster.kill(id);
      else {
        this.#clock.after(250, () => {
          this.#whenGone(id, patience - 1);
        });
        return;
      }
    }
    this.#cluster.start(id);
  }

  #later(ms: number, action: () => void): void {
    this.#clock.after(ms, () => {
      if (this.#running) action();
    });
  }
}

const CLIENT_HOSTS = ["producer-0", "producer-1", "producer-2", "reader-0"];
