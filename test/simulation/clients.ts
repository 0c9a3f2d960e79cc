import { ErrorCode, errorName, isRetriable } from "../../broker/protocol/error-codes.ts";
import { sleep } from "../../lib/clock.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Random } from "../../lib/random.ts";
import { BrokerError, type KafkaClient } from "../support/kafka-client.ts";
import type { Model } from "./model.ts";

export interface ClientWorld {
  readonly client: KafkaClient;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly model: Model;
  /** Topics and their numbers of partitions. */
  readonly topics: readonly { readonly name: string; readonly partitions: number }[];
  readonly name: string;
  readonly log: (message: string) => void;
}

/** An idempotent producer's id, and its epoch: a later one supersedes it. */
export interface ProducerId {
  readonly id: number;
  readonly epoch: number;
}

const PRODUCE_TIMEOUT_MS = 1500;
const RETRY_MS = 60;
/** After about so many batches a producer begins a new epoch. */
const EPOCH_EVERY = 12;

/** So much later at most does a superseded producer send what it still has. */
const ZOMBIE_MS = 400;

/** One in so many batches without an answer is given up, as after a client's delivery timeout. */
const GIVE_UP_EVERY = 3;

/** What an idempotent producer takes for a success: the batch is there. */
const ALREADY_THERE: ReadonlySet<number> = new Set([ErrorCode.DUPLICATE_SEQUENCE_NUMBER]);

/**
 * An idempotent producer as clients are: one batch at a time, sent again until it is acknowledged, wherever the leader
 * is by then.
 */
export class SimProducer {
  readonly #world: ClientWorld;
  readonly #sequences = new Map<string, number>();
  #producer: ProducerId | undefined;
  readonly #zombies: Promise<void>[] = [];
  #count = 0;
  #stopping = false;
  /** Resolves when the last batch has been acknowledged. */
  readonly done: Promise<void>;
  acked = 0;

  constructor(world: ClientWorld, pauseMs: number) {
    this.#world = world;
    this.done = this.#loop(pauseMs);
  }

  stop(): void {
    this.#stopping = true;
  }

  async #loop(pauseMs: number): Promise<void> {
    const { scheduler, random, topics, client } = this.#world;
    while (!this.#stopping) {
      if (this.#producer === undefined) {
        try {
          await client.refresh(topics.map(({ name }) => name));
          this.#producer = await client.initProducer();
        } catch {
          await sleep(scheduler, RETRY_MS);
          continue;
        }
      }
      const topic = topics[random.below(topics.length)];
      if (topic === undefined) return;
      const partition = random.below(topic.partitions);
      if (random.below(EPOCH_EVERY) === 0) {
        const superseded = this.#producer;
        if (random.below(2) === 0) this.#zombies.push(this.#zombie(superseded));
        this.#beginEpoch(superseded);
      }
      for (;;) {
        const producer = this.#producer;
        if (await this.#send(topic.name, partition, producer)) break;
        // What may still be on its way must not come into the log behind what is sent from here on.
        this.#beginEpoch(producer);
        if (this.#stopping) break;
      }
      if (pauseMs > 0) await sleep(scheduler, random.next() * pauseMs);
    }
    await Promise.all(this.#zombies);
  }

  /**
   * The process of before that does not know yet that another has taken its place: it sends one batch more in its epoch.
   * That is refused where the new one has written; where it has not, it may come in.
   */
  async #zombie({ id, epoch }: ProducerId): Promise<void> {
    const { client, scheduler, random, topics, model, name } = this.#world;
    const topic = topics[random.below(topics.length)];
    if (topic === undefined) return;
    const partition = random.below(topic.partitions);
    const key = `${topic.name}-${partition}`;
    const baseSequence = this.#sequences.get(key) ?? 0;
    const values = [`${name}.${this.#count++}`];
    const timestamp = scheduler.wallNow();
    await sleep(scheduler, random.next() * ZOMBIE_MS);
    model.sent(topic.name, partition, values);
    const batch = { values, producerId: id, producerEpoch: epoch, baseSequence, timestamp };
    try {
      const offset = await client.produce(topic.name, partition, batch, PRODUCE_TIMEOUT_MS);
      model.acked(topic.name, partition, values, offset, scheduler.now());
    } catch (error) {
      const code = error instanceof BrokerError ? error.code : undefined;
      if (code === undefined || code === ErrorCode.INVALID_PRODUCER_EPOCH || isRetriable(code)) {
        return;
      }
      const what = `${name} of epoch ${String(epoch)} was refused with ${errorName(code)}`;
      model.onViolation("L4", `${key}: ${what}`);
    }
  }

  /** As clients do by themselves (KIP-360); what is sent in the old epoch afterwards is refused. */
  #beginEpoch({ id, epoch }: ProducerId): void {
    this.#producer = { id, epoch: epoch + 1 };
    this.#sequences.clear();
  }

  /** @returns false when it was given up without an answer */
  async #send(topic: string, partition: number, producer: ProducerId): Promise<boolean> {
    const { client, scheduler, random, model, name, log } = this.#world;
    const key = `${topic}-${partition}`;
    const baseSequence = this.#sequences.get(key) ?? 0;
    const values = Array.from({ length: 1 + random.below(3) }, () => {
      const text = `${name}.${this.#count++}`;
      // Some are long, so that writes are torn in the middle and segments roll.
      return random.below(8) === 0 ? text.padEnd(200 + random.below(3000), ".") : text;
    });
    const timestamp = scheduler.wallNow();
    model.sent(topic, partition, values);
    for (let attempt = 0; ; attempt++) {
      let offset: number;
      try {
        offset = await client.produce(
          topic,
          partition,
          {
            values,
            producerId: producer.id,
            producerEpoch: producer.epoch,
            baseSequence,
            timestamp,
          },
          PRODUCE_TIMEOUT_MS,
        );
      } catch (error) {
        const code = error instanceof BrokerError ? error.code : undefined;
        if (code !== undefined && ALREADY_THERE.has(code)) offset = -1;
        else {
          if (code !== undefined && !isRetriable(code)) {
            model.onViolation("L4", `${key}: ${name} was refused with ${errorName(code)}`);
            this.#stopping = true;
            return false;
          }
          if (code === undefined && random.below(GIVE_UP_EVERY) === 0) {
            log(`${name}: ${key} given up: ${String(error)}`);
            return false;
          }
          if (attempt < 3) log(`${name}: ${key} not sent: ${String(error)}`);
          await sleep(scheduler, RETRY_MS * (0.5 + random.next()));
          await client.refresh([topic]).catch(() => undefined);
          continue;
        }
      }
      this.#sequences.set(key, baseSequence + values.length);
      model.acked(topic, partition, values, offset, scheduler.now());
      this.acked += values.length;
      return true;
    }
  }
}

const FETCH_WAIT_MS = 150;

/** Reads every partition from the beginning, on and on; each read must fit all earlier ones. */
export class SimReader {
  readonly #world: ClientWorld;
  #stopping = false;
  readonly done: Promise<void>;

  constructor(world: ClientWorld) {
    this.#world = world;
    const loops: Promise<void>[] = [];
    for (const { name, partitions } of world.topics) {
      for (let partition = 0; partition < partitions; partition++) {
        loops.push(this.#follow(name, partition));
      }
    }
    this.done = Promise.all(loops).then(() => undefined);
  }

  stop(): void {
    this.#stopping = true;
  }

  async #follow(topic: string, partition: number): Promise<void> {
    const { client, scheduler, random, model } = this.#world;
    let offset = 0;
    while (!this.#stopping) {
      try {
        const { records } = await client.fetch(topic, partition, offset, FETCH_WAIT_MS);
        for (const record of records) {
          if (record.offset !== offset) {
            const where = `${topic}-${partition}`;
            model.onViolation("L3", `${where}: after ${offset - 1} came ${record.offset}`);
          }
          model.read(topic, partition, record.offset, record.value);
          offset = record.offset + 1;
        }
        // Now and then all is read again: what was there must be there still.
        if (random.below(200) === 0) offset = 0;
        await sleep(scheduler, 20 + random.next() * 60);
      } catch (error) {
        if (error instanceof BrokerError && error.code === ErrorCode.OFFSET_OUT_OF_RANGE) {
          const where = `${topic}-${partition}`;
          model.onViolation("R5", `${where}: what was read up to ${offset} is gone`);
          return;
        }
        await sleep(scheduler, RETRY_MS * (0.5 + random.next()));
        await client.refresh([topic]).catch(() => undefined);
      }
    }
  }
}
