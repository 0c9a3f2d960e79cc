import type { Random } from "../../lib/random.ts";
import type { SimClock } from "./clock.ts";
import type { SimCluster } from "./cluster.ts";
import { FAULT_KINDS, type FaultKind, type FaultWorld } from "./fault-kinds.ts";
import type { History } from "./history.ts";

/**
 * Faults one after the other, some at the same time, as chance has it, until they are healed. What they may do is
 * bounded by what is promised: see each of the kinds.
 */
export class FaultPlan {
  readonly #world: FaultWorld;
  readonly #cluster: SimCluster;
  readonly #clock: SimClock;
  readonly #random: Random;
  readonly #betweenMs: number;
  readonly #kinds: readonly FaultKind[];
  #running = false;
  count = 0;

  constructor(cluster: SimCluster, clock: SimClock, random: Random, history: History) {
    this.#cluster = cluster;
    this.#clock = clock;
    this.#random = random;
    this.#world = {
      cluster,
      clock,
      random,
      log: (line) => {
        history.add(line);
      },
      later: (ms, action) => {
        clock.after(ms, () => {
          if (this.#running) action();
        });
      },
      startWhenGone: (id) => {
        this.#startWhenGone(id);
      },
    };
    this.#betweenMs = random.below(3) === 0 ? 40 + random.below(300) : 200 + random.below(2500);
    // Each seed leaves some kinds out, so that the others meet more often.
    const kept = FAULT_KINDS.filter(() => random.below(5) > 1);
    this.#kinds = kept.length === 0 ? FAULT_KINDS : kept;
  }

  start(): void {
    const { kube, network } = this.#cluster;
    const random = this.#random;
    this.#running = true;
    kube.faultsPerMille = random.below(2) === 0 ? 0 : random.below(40);
    // An API that is slow makes every compare-and-swap a long time in flight.
    if (random.below(3) === 0) kube.delayMs = 20 + random.below(500);
    if (random.below(4) === 0) network.spreadMs = 5 + random.below(80);
    this.#next();
  }

  /** No more faults; what is cut is mended, what is down comes up. */
  heal(): void {
    this.#running = false;
    this.#cluster.network.heal();
    this.#cluster.kube.heal();
    for (const one of this.#cluster.brokers) {
      one.process.resume();
      one.slowDisk = 1;
      one.readErrors = 0;
      one.storage.setCapacity(undefined);
      if (!one.process.alive || one.down) this.#startWhenGone(one.id);
    }
    if (!this.#cluster.operatorRuns) this.#cluster.startOperator();
  }

  #next(): void {
    this.#clock.after(this.#random.next() * 2 * this.#betweenMs, () => {
      if (!this.#running) return;
      this.count++;
      this.#kind().strike(this.#world, this.#target());
      this.#next();
    });
  }

  /** Any broker; now and then the controller, which much depends on. */
  #target(): number {
    const { brokers } = this.#cluster;
    const id = this.#random.below(brokers.length);
    if (this.#random.below(5) > 0) return id;
    return brokers.find(({ broker }) => broker?.isController === true)?.id ?? id;
  }

  #kind(): FaultKind {
    const total = this.#kinds.reduce((sum, { weight }) => sum + weight, 0);
    let at = this.#random.below(total);
    for (const kind of this.#kinds) {
      at -= kind.weight;
      if (at < 0) return kind;
    }
    throw new Error("no fault");
  }

  /** Starts a broker once its process has ended; one that still drains is left to it for a while. */
  #startWhenGone(id: number, patience = 40): void {
    const one = this.#cluster.at(id);
    if (one.process.alive && one.broker !== undefined) {
      if (!one.down) return;
      if (patience === 0) this.#cluster.kill(id);
      else {
        this.#clock.after(250, () => {
          this.#startWhenGone(id, patience - 1);
        });
        return;
      }
    }
    this.#cluster.start(id);
  }
}
