import assert from "node:assert/strict";
import type { BrokerId, BrokerObject } from "../../../../cluster/broker.ts";
import {
  NO_LEADER,
  type PartitionPlacement,
  type PartitionSlice,
  type PartitionState,
} from "../../../../cluster/partition-slice.ts";
import type { ListenerSpec, ListenerStatus } from "../../../../cluster/listeners.ts";
import { API_VERSION } from "../../../../cluster/resources.ts";
import type { Topic } from "../../../../cluster/topic.ts";
import { BrokerConfig } from "../../../../broker/config.ts";
import { ProtocolError } from "../../../../broker/errors.ts";
import { FetchSessionCache } from "../../../../broker/fetch-session.ts";
import {
  type Handler,
  HeldAnswer,
  type RequestConnection,
  type RequestContext,
} from "../../../../broker/handlers/handler.ts";
import { LeaderEpochCache } from "../../../../broker/log/leader-epoch-cache.ts";
import type { AppendResult, LogRead, PartitionLog } from "../../../../broker/log/types.ts";
import { MetadataImage } from "../../../../broker/metadata/image.ts";
import type { AnswerMemory } from "../../../../broker/network/answer-memory.ts";
import { ErrorCode, errorName } from "../../../../broker/protocol/error-codes.ts";
import type { MessageDefinition } from "../../../../broker/protocol/schema.ts";
import { ClientQuotas } from "../../../../broker/quotas/client-quotas.ts";
import { QuotaTable } from "../../../../broker/quotas/quota-table.ts";
import type { ReadableReplica } from "../../../../broker/replication/read-replica.ts";
import type { BrokerServices } from "../../../../broker/services.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";
import { shardOf, statesOf } from "../../../support/recorded-slices.ts";
import { shardName } from "../../../../cluster/names.ts";

export const TOPIC_ID = "00112233-4455-6677-8899-aabbccddeeff";

/** The act throws this error code. */
export function refusedWith(code: number, act: () => unknown): void {
  assert.throws(act, (error: unknown) => {
    assert.ok(error instanceof ProtocolError);
    assert.equal(errorName(error.errorCode), errorName(code));
    return true;
  });
}

/** A log of one record a batch, `batchBytes` each. Reads wait for `gate` when it is set. */
export class FakeLog {
  logStartOffset = 0;
  logEndOffset = 0;
  stableOffset = 0;
  sizeBytes = 0;
  batchBytes = 10;
  readonly epochs = new LeaderEpochCache();
  producers: ReturnType<PartitionLog["activeProducers"]> = [];
  gate: Promise<void> | undefined;
  /** Reads that were not given back. */
  held = 0;
  reads = 0;

  get latestEpoch(): number {
    return this.epochs.latest;
  }
  endOfEpoch(epoch: number): { leaderEpoch: number; endOffset: number } {
    return this.epochs.endOf(epoch, this.logEndOffset);
  }
  activeProducers(): ReturnType<PartitionLog["activeProducers"]> {
    return this.producers;
  }
  offsetForTimestamp(timestamp: number): ReturnType<PartitionLog["offsetForTimestamp"]> {
    const found = { offset: timestamp, timestamp, leaderEpoch: this.epochs.epochAt(timestamp) };
    return Promise.resolve(timestamp < this.logEndOffset ? found : undefined);
  }
  offsetOfMaxTimestamp(): ReturnType<PartitionLog["offsetOfMaxTimestamp"]> {
    return this.offsetForTimestamp(this.logEndOffset - 1);
  }
  inMemory(): boolean {
    return this.gate === undefined;
  }
  read(
    offset: number,
    maxBytes: number,
    upTo: number,
    minOneBatch: boolean,
  ): LogRead | Promise<LogRead> {
    this.reads++;
    if (offset < this.logStartOffset || offset > this.logEndOffset) {
      throw new ProtocolError(ErrorCode.OFFSET_OUT_OF_RANGE);
    }
    const there = Math.max(0, Math.min(upTo, this.logEndOffset) - offset);
    const fit = Math.max(minOneBatch ? 1 : 0, Math.floor(maxBytes / this.batchBytes));
    const bytes = Math.min(there, fit) * this.batchBytes;
    const result = (): LogRead => {
      this.held++;
      let released = false;
      return {
        parts: bytes === 0 ? [] : [new Uint8Array(bytes)],
        bytes,
        release: () => {
          assert.ok(!released, "released once");
          released = true;
          this.held--;
        },
      };
    };
    return this.gate === undefined ? result() : this.gate.then(result);
  }
}

/** A partition on the broker under test, in the role its fields say. */
export class FakeHosted {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly fakeLog = new FakeLog();
  leader: BrokerId = 0;
  leaderEpoch = 0;
  isLeader = true;
  /** Out of touch: R7. */
  outOfTouch = false;
  highWatermark = 0;
  epochStartOffset = 0;
  followers: ReadableReplica[] = [];
  /** Fetches of followers that it was shown. */
  accepted = 0;

  constructor(topic: string, topicId: string, partition: number) {
    this.topic = topic;
    this.topicId = topicId;
    this.partition = partition;
    this.fakeLog.epochs.assign(0, 0);
  }

  get log(): PartitionLog {
    return this.fakeLog as unknown as PartitionLog;
  }
  get lastStableOffset(): number {
    return this.highWatermark;
  }
  get highWatermarkLags(): boolean {
    return this.isLeader && this.highWatermark < this.epochStartOffset;
  }
  requireLeader(): void {
    if (!this.isLeader || this.outOfTouch)
      throw new ProtocolError(ErrorCode.NOT_LEADER_OR_FOLLOWER);
  }
  requireReplica(): void {
    if (this.isLeader || this.leader < 0 || this.outOfTouch) this.requireLeader();
  }
  readableFollowers(): readonly ReadableReplica[] {
    return this.isLeader ? this.followers : [];
  }
  followerFetch(): undefined {
    this.requireLeader();
    this.accepted++;
    return undefined;
  }
  append(records: Uint8Array): AppendResult {
    this.requireLeader();
    const baseOffset = this.fakeLog.logEndOffset;
    this.fakeLog.logEndOffset++;
    this.fakeLog.sizeBytes += records.length;
    return { baseOffset, lastOffset: baseOffset, duplicate: false, logAppendTime: -1 };
  }
  committed(): Promise<void> {
    return Promise.resolve();
  }
}

export class FakeConnection implements RequestConnection {
  readonly id = 1;
  readonly muted: number[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #nexts = new Set<() => void>();
  get listeners(): number {
    return this.#listeners.size;
  }
  whenClosed(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  whenNext(listener: () => void): () => void {
    this.#nexts.add(listener);
    return () => this.#nexts.delete(listener);
  }
  mute(duration: number): void {
    this.muted.push(duration);
  }
  /** Another request comes. */
  next(): void {
    for (const listener of [...this.#nexts]) listener();
  }
  close(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

/** One broker's surroundings, as its handlers see them: broker 0 of a cluster whose objects a test absorbs. */
export class HandlerWorld {
  readonly scheduler = new VirtualScheduler();
  readonly image = new MetadataImage();
  readonly hosted = new Map<string, FakeHosted>();
  readonly #progress = new Map<string, Set<() => void>>();
  config: BrokerConfig;
  extra: Partial<BrokerServices> = {};
  answers: AnswerMemory | undefined;
  readonly connection = new FakeConnection();
  readonly quotaTable = new QuotaTable();
  readonly quotas = new ClientQuotas(this.quotaTable, 1);
  readonly fetchSessions = new FetchSessionCache(100, seededRandom(1));

  constructor(config: Readonly<Record<string, string>> = {}) {
    this.config = new BrokerConfig(new Map(Object.entries(config)));
  }

  broker(id: BrokerId, rack?: string, state: "running" | "fenced" | "draining" = "running"): void {
    const broker: BrokerObject = {
      apiVersion: API_VERSION,
      kind: "Broker",
      metadata: { name: `test-${id}` },
      spec: { cluster: "test", id },
      status: {
        epoch: 1,
        state,
        ...(rack === undefined ? {} : { rack }),
        endpoints: ["internal", "plaintext"].map((name, at) => ({
          name,
          host: `broker-${id}`,
          port: 9092 + at,
          protocol: "PLAINTEXT",
        })),
      },
    };
    this.image.absorbBroker(broker);
  }

  /** Listeners for clients from outside, and what the operator has found of them. */
  listeners(listeners: readonly ListenerSpec[], found: readonly ListenerStatus[]): void {
    this.image.absorbCluster({
      apiVersion: API_VERSION,
      kind: "BrokerCluster",
      metadata: { name: "test", uid: TOPIC_ID },
      spec: { brokers: 3, listeners },
      status: { listeners: found },
    });
  }

  topic(
    name: string,
    partitions: readonly {
      readonly placement?: PartitionPlacement;
      readonly state?: Partial<PartitionState>;
    }[],
    options: { readonly topicId?: string; readonly spec?: Partial<Topic["spec"]> } = {},
  ): void {
    const { topicId = TOPIC_ID } = options;
    const topic: Topic = {
      apiVersion: API_VERSION,
      kind: "Topic",
      metadata: { name, uid: topicId },
      spec: { cluster: "test", topicName: name, partitions: partitions.length, ...options.spec },
    };
    const slice: PartitionSlice = {
      apiVersion: API_VERSION,
      kind: "PartitionSlice",
      metadata: { name: `${name}-0`, generation: 1 },
      spec: {
        cluster: "test",
        topic: name,
        topicId,
        shard: shardName("test", 0),
        firstPartition: 0,
        partitions: partitions.map(({ placement }) => placement ?? { replicas: [0] }),
      },
    };
    const states = partitions.map(({ placement, state }) => ({
      leader: placement?.replicas[0] ?? 0,
      leaderEpoch: 0,
      isr: placement?.replicas ?? [0],
      elr: [],
      partitionEpoch: 0,
      ...state,
    }));
    // Below 0 for one that nobody has recorded yet.
    const recorded = states.map((state) => (state.partitionEpoch < 0 ? undefined : state));
    this.image.absorbTopic(topic);
    this.image.absorbSlice(slice);
    this.image.absorbShard(shardOf("test", statesOf(topicId, recorded)));
  }

  /** The broker under test has a replica of it. */
  host(topic: string, partition: number): FakeHosted {
    const image = this.image.topics.get(topic);
    assert.ok(image !== undefined);
    const made = new FakeHosted(topic, image.topicId, partition);
    const recorded = image.partitions[partition];
    made.leader = recorded?.leader ?? NO_LEADER;
    made.isLeader = made.leader === 0;
    made.leaderEpoch = recorded?.leaderEpoch ?? -1;
    this.hosted.set(`${image.topicId}/${partition}`, made);
    return made;
  }

  /** Records are appended to a hosted partition, and committed. */
  append(hosted: FakeHosted, records: number): void {
    hosted.fakeLog.logEndOffset += records;
    hosted.fakeLog.stableOffset = hosted.fakeLog.logEndOffset;
    hosted.highWatermark = hosted.fakeLog.logEndOffset;
    this.progress(hosted);
  }

  progress(hosted: FakeHosted): void {
    const listeners = this.#progress.get(`${hosted.topicId}/${hosted.partition}`) ?? [];
    for (const listener of [...listeners]) listener();
  }

  /** Who waits for a partition to move. */
  get waiting(): number {
    return [...this.#progress.values()].reduce((sum, { size }) => sum + size, 0);
  }

  context(listener = "plaintext", clientId: string | null = "client"): RequestContext {
    const services = {
      brokerId: 0,
      namespace: "default",
      config: this.config,
      environment: {
        scheduler: this.scheduler,
        random: seededRandom(1),
        logger: silentLogger,
        panic: (error: unknown) => {
          throw error;
        },
      },
      metadata: this.image,
      fetchSessions: this.fetchSessions,
      quotas: this.quotas,
      quotaTable: this.quotaTable,
      replicas: {
        get: (topic: string, partition: number) =>
          this.hosted.get(`${this.image.topics.get(topic)?.topicId ?? ""}/${partition}`),
        byTopicId: (topicId: string, partition: number) =>
          this.hosted.get(`${topicId}/${partition}`),
        all: () => this.hosted.values(),
        flush: () => Promise.resolve(),
        onProgress: (topicId: string, partition: number, callback: () => void) => {
          const key = `${topicId}/${partition}`;
          const listeners = this.#progress.get(key) ?? new Set();
          this.#progress.set(key, listeners.add(callback));
          return () => listeners.delete(callback);
        },
      },
      ...this.extra,
    } as unknown as BrokerServices;
    return {
      services,
      clientId,
      clientHost: "192.0.2.1:40000",
      listener,
      apiVersion: 0,
      connection: this.connection,
      ...(this.answers === undefined ? {} : { answers: this.answers }),
    };
  }
}

/**
 * Has a handler answer a request that went over the wire, and its answer as it comes over the wire. @returns undefined
 * when there is no answer (acks=0)
 */
export async function ask<Req, ReqIn, Res, ResIn>(
  world: HandlerWorld,
  handler: Handler<Req, unknown>,
  request: MessageDefinition<Req, ReqIn>,
  response: MessageDefinition<Res, ResIn>,
  version: number,
  value: ReqIn,
  listener = "plaintext",
): Promise<Res> {
  const decoded = request.decode(request.encode(value, version), 0, version);
  const answered = handler({ ...world.context(listener), apiVersion: version }, decoded, version);
  const result: unknown =
    answered instanceof Promise ? await world.scheduler.until<unknown>(answered) : answered;
  assert.ok(result !== undefined, "an answer");
  const body = result instanceof HeldAnswer ? (result.value as ResIn) : (result as ResIn);
  const answer = response.decode(response.encode(body, version), 0, version);
  if (result instanceof HeldAnswer) result.release();
  return answer;
}
