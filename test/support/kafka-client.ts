import type { Network } from "../../broker/network/frame-channel.ts";
import { RpcClient } from "../../broker/network/rpc-client.ts";
import { ErrorCode, errorName } from "../../broker/protocol/error-codes.ts";
import { fetchRequest, fetchResponse } from "../../broker/protocol/messages/fetch.ts";
import {
  initProducerIdRequest,
  initProducerIdResponse,
} from "../../broker/protocol/messages/init-producer-id.ts";
import { metadataRequest, metadataResponse } from "../../broker/protocol/messages/metadata.ts";
import { produceRequest, produceResponse } from "../../broker/protocol/messages/produce.ts";
import {
  batchSizeAt,
  buildBatch,
  iterateBatches,
  readRecords,
} from "../../broker/protocol/record-batch.ts";
import type { MessageDefinition } from "../../broker/protocol/schema.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Millis } from "../../lib/units.ts";

export interface ClientOptions {
  readonly network: Network;
  readonly scheduler: Scheduler;
  readonly clientId: string;
  readonly bootstrap: readonly { readonly host: string; readonly port: number }[];
  readonly requestTimeoutMs: Millis;
  /** Each record has a key, which no other one has: its value. */
  readonly keyed?: boolean;
  /** Called with the host when an append or a read is sent; what it returns is called if that succeeds. */
  readonly onLeaderRequest?: (host: string) => () => void;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

/** As metadata said last. */
interface Leader {
  readonly topicId: string;
  readonly leaderId: number;
  readonly leaderEpoch: number;
}

/** The answer was an error code. */
export class BrokerError extends Error {
  override readonly name = "BrokerError";
  readonly code: number;
  constructor(code: number) {
    super(errorName(code));
    this.code = code;
  }
}

/** A record as a reader gets it. */
export interface ReadRecord {
  readonly offset: number;
  readonly value: string;
  /** The codec of the batch that it came in. */
  readonly codec: number;
}

/**
 * A small Kafka client on any `Network`, for tests: finds leaders, sends requests, and knows no retry; what to do about
 * an error is its user's affair. Versions are those of a present-day client.
 */
export class KafkaClient {
  readonly #options: ClientOptions;
  readonly #connections = new Map<string, Promise<RpcClient>>();
  #brokers = new Map<number, Address>();
  readonly #leaders = new Map<string, Leader>();
  #next = 0;
  /** Who did not answer the last time: asked only when nobody else is left. */
  readonly #silent = new Set<string>();

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  close(): void {
    for (const connection of this.#connections.values()) {
      connection.then(
        (client) => {
          client.close();
        },
        () => undefined,
      );
    }
    this.#connections.clear();
  }

  /** Asks one broker after the other who leads what. @throws Error when the one asked does not answer */
  async refresh(topics: readonly string[]): Promise<void> {
    const all = [...this.#brokers.values(), ...this.#options.bootstrap];
    const answering = all.filter((address) => !this.#silent.has(keyOf(address)));
    const known = answering.length === 0 ? all : answering;
    const address = known[this.#next++ % known.length];
    if (address === undefined) throw new Error("no bootstrap address");
    const answer = await this.#ask(address, metadataRequest, metadataResponse, 12, {
      topics: topics.map((name) => ({ topicId: NO_TOPIC_ID, name })),
      allowAutoTopicCreation: false,
      includeTopicAuthorizedOperations: false,
      includeClusterAuthorizedOperations: false,
    });
    this.#brokers = new Map(
      answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]),
    );
    for (const topic of answer.topics) {
      const { topicId } = topic;
      for (const { partitionIndex, leaderId, leaderEpoch } of topic.partitions) {
        const key = `${topic.name ?? ""}-${partitionIndex}`;
        const known = this.#leaders.get(key);
        // The broker that was asked knows less than the one before (KIP-320).
        if (known?.topicId === topicId && leaderEpoch < known.leaderEpoch) continue;
        this.#leaders.set(key, { topicId, leaderId, leaderEpoch });
      }
    }
  }

  /** @returns the id and epoch of an idempotent producer (KIP-98) @throws BrokerError */
  async initProducer(): Promise<{ readonly id: number; readonly epoch: number }> {
    const answer = await this.#ask(
      this.#anyBroker(),
      initProducerIdRequest,
      initProducerIdResponse,
      4,
      { transactionalId: null, transactionTimeoutMs: 60_000, producerId: -1, producerEpoch: -1 },
    );
    if (answer.errorCode !== ErrorCode.NONE) throw new BrokerError(answer.errorCode);
    return { id: answer.producerId, epoch: answer.producerEpoch };
  }

  /** One batch, acks=all. @returns its base offset @throws BrokerError, or an Error without an answer */
  async produce(
    topic: string,
    partition: number,
    batch: {
      readonly values: readonly string[];
      readonly producerId: number;
      readonly producerEpoch: number;
      readonly baseSequence: number;
      readonly timestamp: number;
    },
    timeoutMs: Millis,
  ): Promise<number> {
    const records = buildBatch({
      producerId: batch.producerId,
      producerEpoch: batch.producerEpoch,
      baseSequence: batch.baseSequence,
      records: batch.values.map((value) => ({
        ...(this.#options.keyed === true ? { key: Buffer.from(value) } : {}),
        value: Buffer.from(value),
        timestamp: batch.timestamp,
      })),
    });
    const leader = this.#leader(topic, partition);
    const served = this.#options.onLeaderRequest?.(leader.host);
    const answer = await this.#ask(leader, produceRequest, produceResponse, 9, {
      transactionalId: null,
      acks: -1,
      timeoutMs,
      topicData: [
        { name: topic, topicId: NO_TOPIC_ID, partitionData: [{ index: partition, records }] },
      ],
    });
    const result = answer.responses[0]?.partitionResponses[0];
    if (result === undefined) throw new Error("no answer for the partition");
    if (result.errorCode !== ErrorCode.NONE) throw new BrokerError(result.errorCode);
    served?.();
    return result.baseOffset;
  }

  /** Committed records from `offset` on, as many as one answer holds. @throws BrokerError, or an Error without an answer */
  async fetch(
    topic: string,
    partition: number,
    offset: number,
    maxWaitMs: Millis,
  ): Promise<{ readonly records: readonly ReadRecord[]; readonly highWatermark: number }> {
    const leader = this.#leader(topic, partition);
    const served = this.#options.onLeaderRequest?.(leader.host);
    return this.#ask(
      leader,
      fetchRequest,
      fetchResponse,
      12,
      {
        clusterId: null,
        replicaId: -1,
        replicaState: { replicaId: -1, replicaEpoch: -1 },
        maxWaitMs,
        minBytes: 1,
        maxBytes: 1 << 20,
        isolationLevel: 0,
        sessionId: 0,
        sessionEpoch: -1,
        topics: [
          {
            topic,
            topicId: NO_TOPIC_ID,
            partitions: [
              {
                partition,
                // Without it a leader that does not know yet that it was deposed says that the log ends where its own does.
                currentLeaderEpoch: this.#leaders.get(`${topic}-${partition}`)?.leaderEpoch ?? -1,
                fetchOffset: offset,
                lastFetchedEpoch: -1,
                logStartOffset: -1,
                partitionMaxBytes: 1 << 16,
                replicaDirectoryId: NO_TOPIC_ID,
              },
            ],
          },
        ],
        forgottenTopicsData: [],
        rackId: "",
      },
      // The frame's bytes are gone after this turn: records are read at once.
      (answer) => {
        if (answer.errorCode !== ErrorCode.NONE) throw new BrokerError(answer.errorCode);
        const result = answer.responses[0]?.partitions[0];
        if (result === undefined) throw new Error("no answer for the partition");
        if (result.errorCode !== ErrorCode.NONE) throw new BrokerError(result.errorCode);
        const records: ReadRecord[] = [];
        const bytes = wholeBatches(recordBytes(result.records));
        for (const header of iterateBatches(bytes)) {
          for (const record of readRecords(bytes, header)) {
            if (record.offset < offset) continue;
            const value = Buffer.from(record.value ?? new Uint8Array(0)).toString();
            records.push({ offset: record.offset, value, codec: header.codec });
          }
        }
        served?.();
        return { records, highWatermark: result.highWatermark };
      },
    );
  }

  /** Id of the leader as last heard of, or undefined. */
  leaderOf(topic: string, partition: number): number | undefined {
    return this.#leaders.get(`${topic}-${partition}`)?.leaderId;
  }

  #leader(topic: string, partition: number): Address {
    const leader = this.#leaders.get(`${topic}-${partition}`)?.leaderId ?? -1;
    const address = this.#brokers.get(leader);
    if (address === undefined) throw new BrokerError(ErrorCode.LEADER_NOT_AVAILABLE);
    return address;
  }

  #anyBroker(): Address {
    const all = [...this.#brokers.values(), ...this.#options.bootstrap];
    const address = all[this.#next++ % all.length];
    if (address === undefined) throw new Error("no broker");
    return address;
  }

  async #ask<Req, Res, T = Res>(
    address: Address,
    request: MessageDefinition<Req>,
    response: MessageDefinition<Res>,
    version: number,
    value: Parameters<MessageDefinition<Req>["encode"]>[0],
    read: (answer: Res) => T = (answer) => answer as unknown as T,
  ): Promise<T> {
    const key = keyOf(address);
    const connection = this.#connection(key, address);
    const client = await connection.catch((error: unknown) => {
      this.#silent.add(key);
      throw error;
    });
    if (client.closed) {
      if (this.#connections.get(key) === connection) this.#connections.delete(key);
      throw new Error("connection lost");
    }
    return new Promise<T>((resolve, reject) => {
      client.send(
        request,
        response,
        version,
        value,
        this.#options.requestTimeoutMs,
        (answer) => {
          this.#silent.delete(key);
          try {
            resolve(read(answer));
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)));
          }
        },
        (error) => {
          if (this.#connections.get(key) === connection) this.#connections.delete(key);
          this.#silent.add(key);
          reject(error);
        },
      );
    });
  }

  #connection(key: string, { host, port }: Address): Promise<RpcClient> {
    const present = this.#connections.get(key);
    if (present !== undefined) return present;
    const { network, scheduler, clientId, requestTimeoutMs } = this.#options;
    const connecting = RpcClient.connect({
      network,
      scheduler,
      host,
      port,
      clientId,
      timeout: requestTimeoutMs,
      onClose: () => {
        if (this.#connections.get(key) === connecting) this.#connections.delete(key);
      },
    });
    this.#connections.set(key, connecting);
    connecting.catch(() => {
      if (this.#connections.get(key) === connecting) this.#connections.delete(key);
    });
    return connecting;
  }
}

const NO_TOPIC_ID = "00000000-0000-0000-0000-000000000000";

function recordBytes(records: unknown): Uint8Array {
  if (records === null || records === undefined) return new Uint8Array(0);
  if (records instanceof Uint8Array) return records;
  throw new Error("records of an unknown form");
}

function keyOf({ host, port }: Address): string {
  return `${host}:${port}`;
}

/** Without the last batch if it is cut short, as Apache Kafka cuts it at the size that was asked for. */
function wholeBatches(bytes: Uint8Array): Uint8Array {
  let end = 0;
  for (;;) {
    const size = batchSizeAt(bytes, end);
    if (size === undefined || end + size > bytes.length) return bytes.subarray(0, end);
    end += size;
  }
}
