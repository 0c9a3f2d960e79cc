import { seededRandom, type Random } from "../../lib/random.ts";
import { DamagedError } from "../../broker/log/damage.ts";
import type { PartitionLog } from "../../broker/log/types.ts";
import type { Logger } from "../../lib/logger.ts";
import { KafkaClient } from "../support/kafka-client.ts";
import { watchContact } from "./checkers/contact.ts";
import { LeaderChecker } from "./checkers/leaders.ts";
import {
  checkAcknowledged,
  checkProducers,
  checkReplicas,
  type LogContent,
  type LogEntry,
  readLog,
} from "./checkers/logs.ts";
import { type ClientWorld, SimProducer, SimReader } from "./clients.ts";
import { SimClock } from "./clock.ts";
import { SimCluster } from "./cluster.ts";
import { FaultPlan } from "./faults.ts";
import { History } from "./history.ts";
import { Model } from "./model.ts";
import { observe } from "./observation.ts";
import { PipelinedProducer } from "./pipelined-producer.ts";
import { SimProcess } from "./process.ts";
import { type ClusterShape, shapeOf } from "./shape.ts";

export interface SimOptions {
  readonly seed: number;
  /** Keep the lines of the history: for a person. */
  readonly verbose?: boolean;
  readonly logger?: Logger;
}

export interface Violation {
  readonly invariant: string;
  readonly message: string;
  readonly atMs: number;
}

export interface SimResult {
  readonly seed: number;
  readonly violations: readonly Violation[];
  /** Two runs of one seed have the same. */
  readonly digest: string;
  readonly steps: number;
  readonly acked: number;
  readonly read: number;
  readonly faults: number;
  readonly history: readonly string[];
}

/** Everything must have a leader at first within this time, and be whole again after the last fault. */
const START_LIMIT_MS = 20_000;
const HEAL_LIMIT_MS = 30_000;
const LOOK_EVERY_MS = 25;
const MAX_VIOLATIONS = 20;

/** One history: its topology, its load and its faults come from the seed and from nothing else. */
export async function simulate(options: SimOptions): Promise<SimResult> {
  const simulation = new Simulation(options);
  const onRejection = (error: unknown): void => {
    simulation.unhandled(error);
  };
  process.on("unhandledRejection", onRejection);
  try {
    return await simulation.run();
  } finally {
    process.off("unhandledRejection", onRejection);
  }
}

class Simulation {
  readonly #options: SimOptions;
  readonly #clock = new SimClock();
  readonly #random: Random;
  readonly #history: History;
  readonly #model = new Model();
  readonly #violations: Violation[] = [];
  readonly #cluster: SimCluster;
  readonly #leaders: LeaderChecker;
  readonly #faults: FaultPlan;
  readonly #producers: (SimProducer | PipelinedProducer)[] = [];
  readonly #readers: SimReader[] = [];
  readonly #clients: KafkaClient[] = [];
  readonly #shape: ClusterShape;

  constructor(options: SimOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#history = new History(() => this.#clock.now(), options.verbose === true);
    const report = (invariant: string, message: string): void => {
      this.#violate(invariant, message);
    };
    this.#model.onViolation = report;
    this.#clock.onError = (error) => {
      this.unhandled(error);
    };
    this.#shape = shapeOf(this.#random, options.seed);
    this.#cluster = new SimCluster({
      shape: this.#shape,
      clock: this.#clock,
      random: this.#random,
      history: this.#history,
      report,
      ...(options.logger === undefined ? {} : { logger: options.logger }),
    });
    this.#leaders = new LeaderChecker(report);
    observe({ cluster: this.#cluster, model: this.#model, clock: this.#clock, report });
    this.#faults = new FaultPlan(this.#cluster, this.#clock, this.#random, this.#history);
  }

  /** An error that nobody has caught: ours, wherever it came from. */
  unhandled(error: unknown): void {
    if (error instanceof Error && error.name === "Halted") return;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#violate("unhandled", text);
  }

  async run(): Promise<SimResult> {
    const { brokers, topics } = this.#shape;
    this.#history.add(
      `seed ${this.#options.seed}: ${brokers} brokers, ${topics
        .map((one) => `${one.name} ${one.partitions}x${one.replicas}/${one.minInSyncReplicas}`)
        .join(", ")}${this.#shape.compacted ? ", compacted" : ""}`,
    );
    this.#cluster.create();
    this.#look();
    if (!(await this.#until(() => this.#cluster.isWhole(), START_LIMIT_MS))) {
      this.#violate("liveness", `not begun: ${this.#cluster.describe()}`);
      return this.#result();
    }
    this.#startClients();
    const faultsMs = 6000 + this.#random.below(8000);
    this.#faults.start();
    await this.#clock.run(faultsMs, () => this.#failed);
    this.#faults.heal();
    this.#history.add("heal");
    await this.#settle();
    return this.#result();
  }

  /** After the last fault all must become whole, clients get on, and every replica be the same. */
  async #settle(): Promise<void> {
    if (this.#failed) return;
    // A replica that copies more slowly than the others are written to never comes in: nobody promises that it does. Those
    // who send one batch after the other wait for the slowest anyway.
    for (const producer of this.#producers) {
      if (producer instanceof PipelinedProducer) producer.calm();
    }
    const acked = this.#producers.map((producer) => producer.acked);
    const wholeAgain = (): boolean =>
      this.#cluster.isWhole() && this.#producers.every((one, at) => one.acked > (acked[at] ?? 0));
    // A call that is never answered is a fault for as long as somebody waits for it.
    const faultsEndMs = this.#cluster.kube.unansweredMs;
    if (!(await this.#until(wholeAgain, faultsEndMs + HEAL_LIMIT_MS))) {
      if (!this.#failed) this.#violate("liveness", `not healed: ${this.#cluster.describe()}`);
      return;
    }
    for (const client of [...this.#producers, ...this.#readers]) client.stop();
    let stopped = false;
    Promise.all([...this.#producers, ...this.#readers].map(({ done }) => done)).then(
      () => (stopped = true),
      (error: unknown) => {
        this.unhandled(error);
      },
    );
    if (!(await this.#until(() => stopped, HEAL_LIMIT_MS))) {
      if (!this.#failed) this.#violate("liveness", "clients do not end");
      return;
    }
    for (const client of this.#clients) client.close();
    if (!(await this.#until(() => this.#replicasAreLevel(), HEAL_LIMIT_MS))) {
      if (!this.#failed) this.#violate("liveness", `replicas differ: ${this.#ends()}`);
      return;
    }
    await this.#compare();
  }

  #replicasAreLevel(): boolean {
    return (
      this.#cluster.isWhole() && this.#eachPartition((_where, ends) => new Set(ends).size <= 1)
    );
  }

  #eachPartition(holds: (where: string, ends: readonly number[]) => boolean): boolean {
    return this.#cluster.slices().every(({ spec }) =>
      spec.partitions.every(({ replicas }, index) => {
        const partition = spec.firstPartition + index;
        const ends = replicas.map(
          (id) =>
            this.#cluster.at(id).broker?.replicas?.byTopicId(spec.topicId, partition)?.log
              .logEndOffset ?? -1,
        );
        return holds(`${spec.topic}-${partition}`, ends);
      }),
    );
  }

  #ends(): string {
    const texts: string[] = [];
    this.#eachPartition((where, ends) => {
      texts.push(`${where} ${ends.join("/")}`);
      return true;
    });
    return texts.join("; ");
  }

  /** The logs of all replicas, with each other and with what clients know. */
  async #compare(): Promise<void> {
    const report = (invariant: string, message: string): void => {
      this.#violate(invariant, message);
    };
    for (const { spec } of this.#cluster.slices()) {
      for (const [index, { replicas }] of spec.partitions.entries()) {
        const partition = spec.firstPartition + index;
        const where = `${spec.topic}-${partition}`;
        const logs = new Map<number, readonly LogEntry[]>();
        for (const id of replicas) {
          const log = this.#cluster
            .at(id)
            .broker?.replicas?.byTopicId(spec.topicId, partition)?.log;
          if (log === undefined) continue;
          const content = await this.#readRepaired(log);
          if (content === undefined) {
            report("liveness", `${where} on ${id} cannot be read`);
            continue;
          }
          logs.set(id, content.entries);
          checkProducers(`${where} on ${id}`, content.batches, report);
        }
        checkReplicas(where, logs, report);
        if (!this.#shape.topics.some(({ name }) => name === spec.topic)) continue;
        const leader = logs.values().next().value ?? [];
        checkAcknowledged(this.#model.partition(spec.topic, partition), leader, report);
      }
    }
  }

  /** A log's content: what is damaged is found by this, and must be repaired within the time for healing (L5). */
  async #readRepaired(log: PartitionLog): Promise<LogContent | undefined> {
    const deadline = this.#clock.now() + HEAL_LIMIT_MS;
    for (;;) {
      let damaged = false;
      const content = await this.#await(
        readLog(log).catch((error: unknown): LogContent => {
          if (!(error instanceof DamagedError) || this.#clock.now() >= deadline) throw error;
          damaged = true;
          return { entries: [], batches: [] };
        }),
      );
      if (!damaged) return content;
      await this.#clock.run(200);
    }
  }

  #startClients(): void {
    const random = this.#random;
    const { brokers } = this.#cluster;
    const world = (name: string): ClientWorld => {
      const process = new SimProcess(name, 0, this.#clock, 0);
      const client = new KafkaClient({
        network: this.#cluster.network.of(process),
        scheduler: process.scheduler,
        clientId: name,
        bootstrap: rotated(this.#cluster.bootstrap, random.below(brokers.length)),
        requestTimeoutMs: 2000,
        keyed: this.#shape.compacted,
        onLeaderRequest: (host) =>
          watchContact(this.#cluster, host, this.#clock, (message) => {
            this.#violate("R7", message);
          }),
      });
      this.#clients.push(client);
      return {
        client,
        scheduler: process.scheduler,
        random: seededRandom(random.below(2 ** 31)),
        model: this.#model,
        topics: this.#shape.topics,
        name,
        log: (message) => {
          this.#history.add(message);
        },
      };
    };
    const producers = 1 + random.below(3);
    for (let at = 0; at < producers; at++) {
      const pauseMs = random.below(4) === 0 ? 5 : 20 + random.below(120);
      const made = world(`producer-${at}`);
      this.#producers.push(
        random.below(2) === 0
          ? new SimProducer(made, pauseMs)
          : new PipelinedProducer(made, pauseMs),
      );
    }
    this.#readers.push(new SimReader(world("reader-0")));
  }

  /** Looks at the live brokers again and again. */
  #look(): void {
    for (const { broker, process, host } of this.#cluster.brokers) {
      if (broker !== undefined && process.alive) {
        this.#leaders.look(broker, `${host}(${process.incarnation})`);
      }
    }
    this.#clock.after(LOOK_EVERY_MS, () => {
      this.#look();
    });
  }

  get #failed(): boolean {
    return this.#violations.length > 0;
  }

  async #until(holds: () => boolean, limitMs: number): Promise<boolean> {
    const deadline = this.#clock.now() + limitMs;
    while (!holds()) {
      if (this.#failed || this.#clock.now() >= deadline) return false;
      await this.#clock.run(50, () => this.#failed);
    }
    return true;
  }

  async #await<T>(promise: Promise<T>): Promise<T | undefined> {
    let settled = false;
    let value: T | undefined;
    promise.then(
      (result) => {
        value = result;
        settled = true;
      },
      (error: unknown) => {
        this.unhandled(error);
        settled = true;
      },
    );
    for (let waited = 0; waited < 10_000 && !settled; waited += 5) await this.#clock.run(5);
    return value;
  }

  #violate(invariant: string, message: string): void {
    if (this.#violations.length >= MAX_VIOLATIONS) return;
    this.#violations.push({ invariant, message, atMs: this.#clock.now() });
    this.#history.add(`VIOLATION ${invariant}: ${message}`);
  }

  #result(): SimResult {
    this.#cluster.end();
    return {
      seed: this.#options.seed,
      violations: this.#violations,
      digest: `${this.#history.digest()}-${this.#clock.fingerprint.toString(16)}`,
      steps: this.#clock.steps,
      acked: this.#model.ackedCount,
      read: this.#model.readCount,
      faults: this.#faults.count,
      history: this.#history.lines,
    };
  }
}

function rotated<T>(list: readonly T[], by: number): T[] {
  return [...list.slice(by), ...list.slice(0, by)];
}
