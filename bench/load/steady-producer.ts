import { ErrorCode, errorName, isRetriable } from "../../broker/protocol/error-codes.ts";
import { realScheduler, sleep } from "../../lib/clock.ts";
import type { Millis } from "../../lib/units.ts";
import { BrokerError, type KafkaClient } from "../../test/support/kafka-client.ts";

export interface SteadyLoad {
  readonly client: KafkaClient;
  readonly topic: string;
  readonly partitions: number;
  /** Over all partitions, whatever becomes of earlier ones (open loop). */
  readonly recordsPerSecond: number;
  readonly recordBytes: number;
  /** Told of each attempt that has to be made again: why, and after how long. */
  readonly onRetry?: (partition: number, error: unknown, after: Millis) => void;
}

interface Lane {
  readonly partition: number;
  queue: number[];
  sequence: number;
  busy: boolean;
  /** Why the last attempt has failed. */
  error?: unknown;
}

const TICK_MS: Millis = 2;
const RETRY_MS: Millis = 15;
const MAX_BATCH = 500;
const PRODUCE_TIMEOUT_MS: Millis = 500;
const STOP_LIMIT_MS: Millis = 60_000;

/**
 * An idempotent producer at a steady rate, acks=all: one batch in flight for each partition, sent again until it is
 * acknowledged. Remembers every acknowledged record and the longest time without an acknowledgement.
 */
export class SteadyProducer {
  readonly #load: SteadyLoad;
  readonly #lanes: Lane[];
  readonly acked = new Map<number, Set<number>>();
  #producer = { id: -1, epoch: -1 };
  #next = 0;
  #startedAt = 0;
  #lastAckAt = 0;
  #longestGap = 0;
  #slowest = 0;
  #running = false;
  #abandoned = false;
  #refreshing: Promise<void> | undefined;
  ackedCount = 0;
  retries = 0;

  constructor(load: SteadyLoad) {
    this.#load = load;
    this.#lanes = Array.from({ length: load.partitions }, (_, partition) => ({
      partition,
      queue: [],
      sequence: 0,
      busy: false,
    }));
    for (const { partition } of this.#lanes) this.acked.set(partition, new Set());
  }

  async start(): Promise<void> {
    const { client, topic } = this.#load;
    await client.refresh([topic]);
    this.#producer = await client.initProducer();
    this.#startedAt = performance.now();
    this.#lastAckAt = this.#startedAt;
    this.#running = true;
    this.#tick();
  }

  /**
   * Sends no more; resolves when all that was sent is acknowledged.
   * @throws Error when something is not within the limit: which partitions, and why
   */
  async stop(limitMs: Millis = STOP_LIMIT_MS): Promise<void> {
    this.#running = false;
    const deadline = performance.now() + limitMs;
    for (;;) {
      const waiting = this.#lanes.filter(({ queue, busy }) => busy || queue.length > 0);
      if (waiting.length === 0) return;
      if (performance.now() > deadline) {
        this.abandon();
        const which = waiting.map(({ partition, error }) => `${partition} (${String(error)})`);
        throw new Error(`not acknowledged within ${limitMs} ms: partitions ${which.join(", ")}`);
      }
      await sleep(realScheduler, 5);
    }
  }

  /** Sends no more and waits for nothing: what is on its way is not sent again. */
  abandon(): void {
    this.#running = false;
    this.#abandoned = true;
  }

  /** Longest time without an acknowledgement since the last call, also the one that goes on. */
  takeGap(): Millis {
    const gap = Math.max(this.#longestGap, performance.now() - this.#lastAckAt);
    this.#longestGap = 0;
    return gap;
  }

  /** Longest that a batch waited for its acknowledgement, of those that got one since the last call. */
  takeSlowest(): Millis {
    const slowest = this.#slowest;
    this.#slowest = 0;
    return slowest;
  }

  #tick(): void {
    if (!this.#running) return;
    const due = Math.floor(
      ((performance.now() - this.#startedAt) * this.#load.recordsPerSecond) / 1000,
    );
    while (this.#next < due) {
      const lane = this.#lanes[this.#next % this.#lanes.length];
      lane?.queue.push(this.#next++);
    }
    for (const lane of this.#lanes) void this.#send(lane);
    setTimeout(() => {
      this.#tick();
    }, TICK_MS);
  }

  async #send(lane: Lane): Promise<void> {
    if (lane.busy || lane.queue.length === 0 || this.#abandoned) return;
    lane.busy = true;
    const numbers = lane.queue.splice(0, MAX_BATCH);
    const { client, topic, recordBytes } = this.#load;
    const values = numbers.map((number) => `${number} `.padEnd(recordBytes, "."));
    const timestamp = Date.now();
    const firstSentAt = performance.now();
    for (;;) {
      const sentAt = performance.now();
      try {
        await client.produce(
          topic,
          lane.partition,
          {
            values,
            producerId: this.#producer.id,
            producerEpoch: this.#producer.epoch,
            baseSequence: lane.sequence,
            timestamp,
          },
          PRODUCE_TIMEOUT_MS,
        );
        break;
      } catch (error) {
        const code = error instanceof BrokerError ? error.code : undefined;
        if (code === ErrorCode.DUPLICATE_SEQUENCE_NUMBER) break;
        if (code !== undefined && !isRetriable(code)) {
          throw new Error(`${topic}-${lane.partition}: ${errorName(code)}`, { cause: error });
        }
        if (this.#abandoned) return;
        lane.error = error;
        this.retries++;
        this.#load.onRetry?.(lane.partition, error, performance.now() - sentAt);
        await sleep(realScheduler, RETRY_MS);
        await this.#refresh();
      }
    }
    lane.sequence += numbers.length;
    const now = performance.now();
    this.#longestGap = Math.max(this.#longestGap, now - this.#lastAckAt);
    this.#lastAckAt = now;
    this.#slowest = Math.max(this.#slowest, now - firstSentAt);
    const acked = this.acked.get(lane.partition);
    for (const number of numbers) acked?.add(number);
    this.ackedCount += numbers.length;
    lane.busy = false;
    if (lane.queue.length > 0) void this.#send(lane);
  }

  /** One at a time, whoever asks. */
  #refresh(): Promise<void> {
    this.#refreshing ??= this.#load.client
      .refresh([this.#load.topic])
      .catch(() => undefined)
      .finally(() => {
        this.#refreshing = undefined;
      });
    return this.#refreshing;
  }
}
