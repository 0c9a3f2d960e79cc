import { produceRequest } from "../../broker/protocol/messages/produce.ts";
import { fetchRequest } from "../../broker/protocol/messages/fetch.ts";
import { realScheduler, sleep } from "../../lib/clock.ts";
import { buildBatch } from "../../broker/protocol/record-batch.ts";
import {
  bareHeader,
  framed,
  RawConnection,
  requestFrame,
} from "../../test/support/raw-connection.ts";

const NO_ID = "00000000-0000-0000-0000-000000000000";
const GIB = 1024 ** 3;
const RECORDS = 100;
const IN_FLIGHT = 8;
const STALL_MS = 8000;

export interface AbuseOptions {
  readonly port: number;
  readonly topic: string;
  readonly partitions: number;
  /** How many connections. */
  readonly count: number;
}

/** What an abuse did until it was stopped. */
export interface AbuseOutcome {
  /** Records acknowledged, by partition. */
  readonly acknowledged?: readonly number[];
  /** Connections that were made, and of those closed by the broker. */
  readonly opened?: number;
  readonly closed?: number;
  /** Answers that came, and their MiB. */
  readonly answers?: number;
  readonly receivedMib?: number;
}

export interface Abuse {
  stop(): Promise<AbuseOutcome>;
}

export const ABUSES = { producers, stalledConsumers, connections, hugeFetches } as const;
export type AbuseName = keyof typeof ABUSES;

/** A batch of 64 KiB, with the checksum of its bytes. */
function batch(): Uint8Array {
  return buildBatch({
    records: Array.from({ length: RECORDS }, (_, i) => ({
      value: Buffer.alloc(640, i),
      timestamp: Date.now(),
    })),
  });
}

/** Producers that always have several requests of 64 KiB on their way, to one partition each. */
async function producers(options: AbuseOptions): Promise<Abuse> {
  const { port, topic, partitions, count } = options;
  const acknowledged = new Array<number>(partitions).fill(0);
  const records = batch();
  const connections = await openAll(port, count);
  let stopped = false;
  const run = async (connection: RawConnection, index: number): Promise<void> => {
    const frame = requestFrame(produceRequest, 9, {
      transactionalId: null,
      acks: -1,
      timeoutMs: 60_000,
      topicData: [{ name: topic, topicId: NO_ID, partitionData: [{ index, records }] }],
    });
    // Partition's error code: behind correlation id, tags, one topic with its name, one partition and its index.
    const errorAt = 4 + 1 + 1 + 1 + topic.length + 1 + 4;
    for (let i = 0; i < IN_FLIGHT; i++) connection.write(frame);
    for (let under = IN_FLIGHT; under > 0;) {
      const answer = Buffer.from(await connection.frame());
      under--;
      if (answer.readInt16BE(errorAt) === 0) {
        acknowledged[index] = (acknowledged[index] ?? 0) + RECORDS;
      }
      if (stopped) continue;
      connection.write(frame);
      under++;
    }
  };
  const running = connections.map((one, i) => run(one, i % partitions).catch(() => undefined));
  return {
    async stop() {
      stopped = true;
      await Promise.all(running);
      for (const connection of connections) connection.destroy();
      return { acknowledged };
    },
  };
}

function fetchFrame(topic: string, partitions: readonly number[], bytes: number): Uint8Array {
  return requestFrame(fetchRequest, 11, {
    replicaId: -1,
    maxWaitMs: 500,
    minBytes: 1,
    maxBytes: bytes,
    isolationLevel: 0,
    topics: [
      {
        topic,
        partitions: partitions.map((partition) => ({
          partition,
          fetchOffset: 0,
          partitionMaxBytes: bytes,
        })),
      },
    ],
    forgottenTopicsData: [],
    rackId: "",
  });
}

function all(partitions: number): number[] {
  return Array.from({ length: partitions }, (_, i) => i);
}

/** Consumers that ask for all there is, stop reading in the middle of the answer, and come again after a while. */
function stalledConsumers(options: AbuseOptions): Promise<Abuse> {
  const { port, topic, partitions, count } = options;
  const frame = fetchFrame(topic, all(partitions), GIB);
  let stopped = false;
  let opened = 0;
  const open = new Set<RawConnection>();
  const run = async (): Promise<void> => {
    while (!isStopped()) {
      const connection = await RawConnection.open(port, { readBytes: 32 * 1024 });
      open.add(connection);
      opened++;
      // One answer may be less than what the two kernels take between them.
      for (let i = 0; i < IN_FLIGHT; i++) connection.write(frame);
      // One that does not read does not hear of being closed either.
      await sleep(realScheduler, STALL_MS);
      connection.destroy();
      open.delete(connection);
    }
  };
  const isStopped = (): boolean => stopped;
  const running = Array.from({ length: count }, () => run().catch(() => undefined));
  return Promise.resolve({
    async stop() {
      stopped = true;
      for (const connection of open) connection.destroy();
      await Promise.all(running);
      return { opened };
    },
  });
}

/** Connections of which each third is silent, has sent half a request of 100 KB, or asks for versions again and again. */
async function connections(options: AbuseOptions): Promise<Abuse> {
  const { port, count } = options;
  const half = framed(bareHeader(0, 9), new Uint8Array(100_000)).subarray(0, 50_000);
  const opened: RawConnection[] = [];
  let closed = 0;
  let failed = 0;
  for (let i = 0; i < count; i += 200) {
    const some = await Promise.allSettled(
      Array.from({ length: Math.min(200, count - i) }, () => RawConnection.open(port)),
    );
    for (const one of some) {
      if (one.status === "rejected") failed++;
      else {
        const connection = one.value;
        opened.push(connection);
        void connection.closed.then(() => closed++);
        if (opened.length % 3 === 1) connection.write(half);
        if (opened.length % 3 === 2) connection.write(framed(bareHeader(18, 0)));
      }
    }
    // The process has no more descriptors, or the machine no more ports.
    if (failed > 0) break;
  }
  return {
    stop() {
      const outcome = { opened: opened.length, closed };
      for (const connection of opened) connection.destroy();
      return Promise.resolve(outcome);
    },
  };
}

/** Consumers that ask for a gigabyte of everything, over and over, and take it. */
async function hugeFetches(options: AbuseOptions): Promise<Abuse> {
  const { port, topic, partitions, count } = options;
  const frame = fetchFrame(topic, all(partitions), GIB);
  const connections = await openAll(port, count);
  let received = 0;
  let answers = 0;
  let closed = 0;
  let stopped = false;
  const run = async (connection: RawConnection): Promise<void> => {
    while (!stopped) {
      connection.write(frame);
      const { length } = await connection.frame();
      received += length;
      answers++;
    }
  };
  const running = connections.map((one) =>
    run(one).catch(() => {
      closed++;
    }),
  );
  return {
    async stop() {
      stopped = true;
      await Promise.all(running);
      for (const connection of connections) connection.destroy();
      return { receivedMib: Math.round(received / 1024 / 1024), answers, opened: count, closed };
    },
  };
}

function openAll(port: number, count: number): Promise<RawConnection[]> {
  return Promise.all(Array.from({ length: count }, () => RawConnection.open(port)));
}
