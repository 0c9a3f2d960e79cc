import { fetchRequest, fetchResponse } from "../../broker/protocol/messages/fetch.ts";
import { produceRequest, produceResponse } from "../../broker/protocol/messages/produce.ts";
import { buildBatch, iterateBatches, readRecords } from "../../broker/protocol/record-batch.ts";
import { realScheduler, sleep } from "../../lib/clock.ts";
import { RawConnection } from "../../test/support/raw-connection.ts";

const NO_ID = "00000000-0000-0000-0000-000000000000";
const EVERY_MS = 20;
const COLD_EVERY_MS = 100;
const COLD_BYTES = 64 * 1024;

/** Milliseconds of each request, by what it was. */
export interface Latencies {
  readonly acks: number[];
  readonly reads: number[];
  readonly coldReads: number[];
}

/**
 * A client that wants little: a record every 20 ms with acks=all, read back at the tail, and every 100 ms some old records
 * of another topic. What it was told is kept and compared.
 */
export class GoodClient {
  readonly #port: number;
  readonly #topic: string;
  readonly #cold: { readonly topic: string; readonly partitions: number; readonly records: number };
  #stopped = false;
  /** No record comes any more. */
  #written = false;
  /** All that had come by then was read. */
  #readToEnd = false;
  #running: Promise<void>[] = [];
  #latencies: Latencies = { acks: [], reads: [], coldReads: [] };
  /** Values that were acknowledged, and all that were read, in order. */
  readonly acknowledged: string[] = [];
  readonly read: string[] = [];
  /** Requests that got no answer, or an error. */
  failures = 0;

  constructor(
    port: number,
    topic: string,
    cold: { readonly topic: string; readonly partitions: number; readonly records: number },
  ) {
    this.#port = port;
    this.#topic = topic;
    this.#cold = cold;
  }

  start(): void {
    const producing = this.#produce().then(() => {
      this.#written = true;
    });
    this.#running = [producing, this.#consume(), this.#readCold()];
  }

  /** What was measured since the last time. */
  take(): Latencies {
    const taken = this.#latencies;
    this.#latencies = { acks: [], reads: [], coldReads: [] };
    return taken;
  }

  /** Ends; what was acknowledged is read before. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  /** Does a thing again and again on a connection that is made anew when it breaks. */
  async #again(
    everyMs: number,
    act: (connection: RawConnection) => Promise<void>,
    ended = () => this.#stopped,
  ): Promise<void> {
    let connection: RawConnection | undefined;
    while (!ended()) {
      const began = realScheduler.now();
      try {
        connection ??= await RawConnection.open(this.#port);
        await act(connection);
      } catch {
        this.failures++;
        connection?.destroy();
        connection = undefined;
      }
      await sleep(realScheduler, Math.max(0, began + everyMs - realScheduler.now()));
    }
    connection?.destroy();
  }

  #produce(): Promise<void> {
    let next = 0;
    return this.#again(EVERY_MS, async (connection) => {
      const value = `${next++}`.padEnd(100, ".");
      const records = buildBatch({
        records: [{ value: Buffer.from(value), timestamp: Date.now() }],
      });
      const began = realScheduler.now();
      const { responses } = await connection.ask(produceRequest, produceResponse, 9, {
        transactionalId: null,
        acks: -1,
        timeoutMs: 60_000,
        topicData: [{ name: this.#topic, topicId: NO_ID, partitionData: [{ index: 0, records }] }],
      });
      this.#latencies.acks.push(realScheduler.now() - began);
      if (responses[0]?.partitionResponses[0]?.errorCode === 0) this.acknowledged.push(value);
      else this.failures++;
    });
  }

  #consume(): Promise<void> {
    let offset = 0;
    const act = async (connection: RawConnection): Promise<void> => {
      const began = realScheduler.now();
      const written = this.#written;
      const { records, empty } = await this.#fetch(
        connection,
        this.#topic,
        0,
        offset,
        1 << 20,
        100,
      );
      // One that waited for records tells of the producer, not of the fetch.
      if (!empty) this.#latencies.reads.push(realScheduler.now() - began);
      for (const { value } of records) this.read.push(Buffer.from(value ?? "").toString());
      offset = Math.max(offset, (records.at(-1)?.offset ?? -1) + 1);
      this.#readToEnd = written && empty;
    };
    return this.#again(0, act, () => this.#readToEnd);
  }

  #readCold(): Promise<void> {
    const { topic, partitions, records: count } = this.#cold;
    let turn = 0;
    return this.#again(COLD_EVERY_MS, async (connection) => {
      const offset = (turn * 7919) % count;
      const partition = turn++ % partitions;
      const began = realScheduler.now();
      for (;;) {
        const { empty } = await this.#fetch(connection, topic, partition, offset, COLD_BYTES, 500);
        if (!empty) break;
      }
      this.#latencies.coldReads.push(realScheduler.now() - began);
    });
  }

  async #fetch(
    connection: RawConnection,
    topic: string,
    partition: number,
    fetchOffset: number,
    bytes: number,
    maxWaitMs: number,
  ): Promise<{ records: ReturnType<typeof readRecords>; empty: boolean }> {
    const { responses } = await connection.ask(fetchRequest, fetchResponse, 11, {
      replicaId: -1,
      maxWaitMs,
      minBytes: 1,
      maxBytes: bytes,
      isolationLevel: 0,
      topics: [{ topic, partitions: [{ partition, fetchOffset, partitionMaxBytes: bytes }] }],
      forgottenTopicsData: [],
      rackId: "",
    });
    const answer = responses[0]?.partitions[0];
    if (answer?.errorCode !== 0) throw new Error(`fetch: error ${answer?.errorCode ?? "?"}`);
    const content = answer.records ?? new Uint8Array(0);
    const records = [...iterateBatches(content)]
      .flatMap((header) => readRecords(content, header))
      .filter(({ offset }) => offset >= fetchOffset);
    return { records, empty: content.length === 0 };
  }
}
