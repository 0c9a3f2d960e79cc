import { ErrorCode, errorName, isRetriable } from "../../broker/protocol/error-codes.ts";
import { sleep } from "../../lib/clock.ts";
import { BrokerError } from "../support/kafka-client.ts";
import type { ClientWorld } from "./clients.ts";

interface Batch {
  /** Its place among all batches of the partition. */
  readonly index: number;
  readonly values: readonly string[];
  readonly baseSequence: number;
  readonly timestamp: number;
  attempts: number;
}

/**
 * So far may the newest batch sent be ahead of the oldest without an answer: a broker remembers as many batches of a
 * producer, and takes what is older than those for out of order.
 */
const WINDOW = 5;
/** Batches of one partition that wait; the load stops meanwhile. */
const WAITING = 8;
const CALM_PAUSE_MS = 40;
const PRODUCE_TIMEOUT_MS = 1500;
const RETRY_MS = 60;

/**
 * An idempotent producer with several requests of a partition on their way at once, by the rules of Kafka's own: a batch
 * that failed goes again before all younger ones, one that came too early (out of order) after those before it, and
 * none to another broker while an answer of the former leader is due.
 */
export class PipelinedProducer {
  readonly #world: ClientWorld;
  readonly #lanes: Lane[] = [];
  #pauseMs: number;
  #stopping = false;
  /** Resolves when the last batch has been acknowledged. */
  readonly done: Promise<void>;

  constructor(world: ClientWorld, pauseMs: number) {
    this.#world = world;
    this.#pauseMs = pauseMs;
    this.done = this.#run();
  }

  get acked(): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.acked, 0);
  }

  /** Goes on at no more than a rate that leaves brokers room to copy what one of them has missed. */
  calm(): void {
    this.#pauseMs = Math.max(this.#pauseMs, CALM_PAUSE_MS);
  }

  stop(): void {
    this.#stopping = true;
  }

  async #run(): Promise<void> {
    const { client, scheduler, random, topics } = this.#world;
    let producer: { readonly id: number; readonly epoch: number } | undefined;
    while (producer === undefined && !this.#stopping) {
      try {
        await client.refresh(topics.map(({ name }) => name));
        producer = await client.initProducer();
      } catch {
        await sleep(scheduler, RETRY_MS);
      }
    }
    if (producer === undefined) return;
    for (const { name, partitions } of topics) {
      for (let partition = 0; partition < partitions; partition++) {
        this.#lanes.push(new Lane(this.#world, producer, name, partition));
      }
    }
    while (!this.#stopping) {
      this.#lanes[random.below(this.#lanes.length)]?.offer();
      await sleep(scheduler, random.next() * this.#pauseMs);
    }
    while (this.#lanes.some((lane) => !lane.idle)) await sleep(scheduler, 20);
  }
}

/** The batches of one partition. */
class Lane {
  readonly #world: ClientWorld;
  readonly #producer: { readonly id: number; readonly epoch: number };
  readonly #topic: string;
  readonly #partition: number;
  /** Not on their way, by sequence. */
  #waiting: Batch[] = [];
  /** On their way, by sequence. */
  #inFlight: Batch[] = [];
  /** Where those on their way went. */
  #leader: number | undefined;
  #nextSequence = 0;
  #nextIndex = 0;
  #count = 0;
  #pausing = false;
  #failed = false;
  acked = 0;

  constructor(
    world: ClientWorld,
    producer: { readonly id: number; readonly epoch: number },
    topic: string,
    partition: number,
  ) {
    this.#world = world;
    this.#producer = producer;
    this.#topic = topic;
    this.#partition = partition;
  }

  get idle(): boolean {
    return this.#failed || (this.#waiting.length === 0 && this.#inFlight.length === 0);
  }

  /** Makes a batch, unless too many wait. */
  offer(): void {
    if (this.#waiting.length >= WAITING || this.#failed) return;
    const { random, model, name, scheduler } = this.#world;
    const values = Array.from({ length: 1 + random.below(3) }, () => {
      const text = `${name}.${this.#topic}-${String(this.#partition)}.${String(this.#count++)}`;
      return random.below(8) === 0 ? text.padEnd(200 + random.below(3000), ".") : text;
    });
    model.sent(this.#topic, this.#partition, values);
    const timestamp = scheduler.wallNow();
    const index = this.#nextIndex++;
    this.#waiting.push({ index, values, baseSequence: this.#nextSequence, timestamp, attempts: 0 });
    this.#nextSequence += values.length;
    this.#pump();
  }

  #pump(): void {
    while (!this.#pausing && !this.#failed) {
      const next = this.#waiting[0];
      if (next === undefined) return;
      // A leader that knows nothing of a producer takes any sequence for its first (KIP-360), so one goes ahead alone.
      const window = this.acked === 0 ? 1 : WINDOW;
      const oldest = Math.min(next.index, this.#inFlight[0]?.index ?? next.index);
      if (next.index - oldest >= window || this.#inFlight.length >= window) return;
      const leader = this.#world.client.leaderOf(this.#topic, this.#partition);
      if (this.#inFlight.length > 0 && leader !== this.#leader) return;
      const first = this.#inFlight[0];
      if (next.attempts > 0 && first !== undefined && first.baseSequence < next.baseSequence)
        return;
      this.#waiting.shift();
      this.#leader = leader;
      this.#inFlight.push(next);
      this.#inFlight.sort(bySequence);
      this.#send(next);
    }
  }

  #send(batch: Batch): void {
    const { client } = this.#world;
    const { values, baseSequence, timestamp } = batch;
    client
      .produce(
        this.#topic,
        this.#partition,
        {
          values,
          producerId: this.#producer.id,
          producerEpoch: this.#producer.epoch,
          baseSequence,
          timestamp,
        },
        PRODUCE_TIMEOUT_MS,
      )
      .then(
        (offset) => {
          this.#acked(batch, offset);
        },
        (error: unknown) => {
          this.#refused(batch, error);
        },
      );
  }

  #acked(batch: Batch, offset: number): void {
    const { model, scheduler } = this.#world;
    this.#inFlight = this.#inFlight.filter((one) => one !== batch);
    this.acked += batch.values.length;
    model.acked(this.#topic, this.#partition, batch.values, offset, scheduler.now());
    this.#pump();
  }

  #refused(batch: Batch, error: unknown): void {
    const { model, name, log } = this.#world;
    const code = error instanceof BrokerError ? error.code : undefined;
    if (code === ErrorCode.DUPLICATE_SEQUENCE_NUMBER) {
      this.#acked(batch, -1);
      return;
    }
    this.#inFlight = this.#inFlight.filter((one) => one !== batch);
    const older = (one: Batch): boolean => one.baseSequence < batch.baseSequence;
    const early =
      code === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER &&
      (this.#inFlight.some(older) || this.#waiting.some(older));
    const where = `${this.#topic}-${String(this.#partition)}`;
    if (code !== undefined && !early && !isRetriable(code)) {
      const what = `batch at sequence ${String(batch.baseSequence)}`;
      model.onViolation(
        "L4",
        `${where}: ${name} was refused with ${errorName(code)} for its ${what}`,
      );
      this.#failed = true;
      return;
    }
    if (batch.attempts++ < 2) log(`${name}: ${where} not sent: ${String(error)}`);
    this.#waiting.push(batch);
    this.#waiting.sort(bySequence);
    this.#pause();
  }

  #pause(): void {
    if (this.#pausing) return;
    this.#pausing = true;
    const { client, scheduler, random } = this.#world;
    scheduler.after(RETRY_MS * (0.5 + random.next()), () => {
      client
        .refresh([this.#topic])
        .catch(() => undefined)
        .finally(() => {
          this.#pausing = false;
          this.#pump();
        })
        .catch(() => undefined);
    });
  }
}

function bySequence(a: Batch, b: Batch): number {
  return a.baseSequence - b.baseSequence;
}
