import { realScheduler, sleep } from "../../lib/clock.ts";
import type { KafkaClient } from "../support/kafka-client.ts";

const PAUSE_MS = 100;

/**
 * Reads every partition of a topic on and on, and remembers what it was given at which offset: that may never be taken
 * back, nor be another record later.
 */
export class SteadyReader {
  readonly #client: KafkaClient;
  readonly #topic: string;
  /** By partition: the record's number by offset. */
  readonly seen: readonly Map<number, number>[];
  readonly #next: number[];
  #running = true;
  #done: Promise<void> = Promise.resolve();

  constructor(client: KafkaClient, topic: string, partitions: number) {
    this.#client = client;
    this.#topic = topic;
    this.seen = Array.from({ length: partitions }, () => new Map<number, number>());
    this.#next = this.seen.map(() => 0);
  }

  start(): void {
    this.#done = Promise.all(this.seen.map((_, partition) => this.#follow(partition))).then(
      () => undefined,
    );
  }

  async stop(): Promise<void> {
    this.abandon();
    await this.#done;
  }

  /** Reads no more, and waits for nothing. */
  abandon(): void {
    this.#running = false;
  }

  async #follow(partition: number): Promise<void> {
    while (this.#running) {
      const from = this.#next[partition] ?? 0;
      try {
        const { records } = await this.#client.fetch(this.#topic, partition, from, PAUSE_MS);
        for (const { offset, value } of records) {
          this.seen[partition]?.set(offset, numberOf(value));
          this.#next[partition] = offset + 1;
        }
        if (records.length === 0) await sleep(realScheduler, PAUSE_MS);
      } catch {
        await sleep(realScheduler, PAUSE_MS);
        await this.#client.refresh([this.#topic]).catch(() => undefined);
      }
    }
  }
}

/** A record's number, with which its value begins. */
export function numberOf(value: string): number {
  return Number(value.split(" ", 1)[0]);
}
