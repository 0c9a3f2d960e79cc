import type { BrokerId } from "../../cluster/broker.ts";
import { appended } from "../../lib/small-list.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type { fetchResponse } from "../protocol/messages/fetch.ts";
import { type InputOf, ZERO_UUID } from "../protocol/schema.ts";
import type { FetchPartition, FetchScope } from "../fetch-session.ts";
import type { EpochEnd, LogRead } from "../log/types.ts";
import type { HostedPartition } from "../replication/types.ts";
import { codeOf, LeaderHints } from "./common.ts";
import type { RequestContext } from "./handler.ts";

export type FetchAnswer = InputOf<typeof fetchResponse>;
type TopicAnswer = NonNullable<FetchAnswer["responses"]>[number];
type PartitionAnswer = NonNullable<TopicAnswer["partitions"]>[number];

/** The schema lets records be null; librdkafka takes the whole answer for malformed when they are, as Kafka's never are. */
const NO_RECORDS = new Uint8Array(0);
/** First version that tells the leader to one who asked another broker (KIP-951). */
const LEADER_HINTS = 16;

/** What a long poll waits to change. */
export interface ReadMark {
  /** Where reading ends. */
  readonly end: number;
  readonly leaderEpoch: number;
  readonly isLeader: boolean;
  /** High watermark that a follower is to be told of at once, else -1. */
  readonly told: number;
}

/** What one partition has for a fetch now. */
export interface Found {
  readonly asked: FetchPartition;
  readonly partition?: HostedPartition;
  readonly read?: LogRead;
  /** As it was when the read began. */
  readonly seen?: ReadMark;
  /** A replica nearer to the consumer: it is to read there (KIP-392). */
  readonly preferred?: BrokerId;
  readonly diverging?: EpochEnd;
  readonly error?: unknown;
}

export function releaseAll(found: readonly Found[]): void {
  for (const { read } of found) read?.release();
}

/** What was found in the response's shape; an incremental session is told only what is new to it (KIP-227). */
export function fetchAnswer(
  context: RequestContext,
  {
    committed,
    replicaId,
    scope,
    found,
    version,
  }: {
    /** The reader asks for what is committed by transactions only. */
    readonly committed: boolean;
    readonly replicaId: number;
    readonly scope: FetchScope;
    readonly found: readonly Found[];
    readonly version: number;
  },
): FetchAnswer {
  const hints = new LeaderHints(context);
  const topics = new TopicAnswers();
  for (const one of found) {
    const answered =
      one.error === undefined
        ? foundAnswer(one, committed, scope)
        : refusedAnswer(one, replicaId, version >= LEADER_HINTS ? hints : undefined);
    if (answered === undefined) continue;
    if ((one.read?.bytes ?? 0) > 0) scope.served(one.asked);
    topics.add(one.asked, answered);
  }
  return {
    errorCode: ErrorCode.NONE,
    sessionId: scope.sessionId,
    responses: topics.all,
    nodeEndpoints: hints.endpoints,
  };
}

interface OneTopic {
  readonly topic: string;
  readonly topicId: string;
  partitions: PartitionAnswer[];
}

/** Answers of partitions, by topic. Most fetches are of one topic, whose partitions need not be looked up. */
class TopicAnswers {
  all: OneTopic[] = [];
  #last: OneTopic | undefined;
  #byKey: Map<string, OneTopic> | undefined;

  add({ topic, topicId }: FetchPartition, answer: PartitionAnswer): void {
    if (this.#last?.topicId !== topicId || this.#last.topic !== topic)
      this.#last = this.#find(topic, topicId);
    this.#last.partitions = appended(this.#last.partitions, answer);
  }

  #find(topic: string, topicId: string): OneTopic {
    const known = this.#byKey?.get(keyOf(topic, topicId));
    if (known !== undefined) return known;
    const fresh: OneTopic = { topic, topicId, partitions: [] };
    this.all = appended(this.all, fresh);
    if (this.all.length > 1) {
      this.#byKey ??= new Map(this.all.map((one) => [keyOf(one.topic, one.topicId), one]));
      this.#byKey.set(keyOf(topic, topicId), fresh);
    }
    return fresh;
  }
}

function keyOf(topic: string, topicId: string): string {
  return topicId === ZERO_UUID ? topic : topicId;
}

function refusedAnswer(
  { asked, partition, error }: Found,
  replicaId: number,
  hints: LeaderHints | undefined,
): PartitionAnswer {
  const errorCode = codeOf(error);
  asked.told = undefined;
  const known =
    replicaId >= 0 && errorCode === ErrorCode.OFFSET_OUT_OF_RANGE ? partition : undefined;
  const elsewhere =
    errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER || errorCode === ErrorCode.FENCED_LEADER_EPOCH;
  return {
    partitionIndex: asked.partition,
    errorCode,
    highWatermark: known?.highWatermark ?? -1,
    logStartOffset: known?.log.logStartOffset ?? -1,
    records: NO_RECORDS,
    ...(elsewhere && hints !== undefined
      ? { currentLeader: hints.for(asked.topic, asked.topicId, asked.partition) }
      : {}),
  };
}

function foundAnswer(
  { asked, partition, read, diverging, preferred }: Found,
  committed: boolean,
  scope: FetchScope,
): PartitionAnswer | undefined {
  const highWatermark = partition?.highWatermark ?? -1;
  const logStartOffset = partition?.log.logStartOffset ?? -1;
  const same =
    asked.told?.highWatermark === highWatermark && asked.told.logStartOffset === logStartOffset;
  const nothing = diverging === undefined && preferred === undefined && (read?.bytes ?? 0) === 0;
  if (scope.incremental && same && nothing) return undefined;
  if (!same) asked.told = { highWatermark, logStartOffset };
  const answer: PartitionAnswer = {
    partitionIndex: asked.partition,
    errorCode: ErrorCode.NONE,
    highWatermark,
    lastStableOffset: partition?.lastStableOffset ?? -1,
    logStartOffset,
    abortedTransactions: committed ? [] : null,
    records: read === undefined ? NO_RECORDS : read.parts,
  };
  if (diverging !== undefined) {
    const { leaderEpoch, endOffset } = diverging;
    return { ...answer, divergingEpoch: { epoch: leaderEpoch, endOffset } };
  }
  return preferred === undefined ? answer : { ...answer, preferredReadReplica: preferred };
}

/** There is something for the follower, or was no room or memory to read it. */
export function hasNews(one: Found): boolean {
  const { asked, partition, error, diverging, read } = one;
  return (
    error !== undefined ||
    diverging !== undefined ||
    (read?.bytes ?? 0) > 0 ||
    asked.told?.highWatermark !== partition?.highWatermark ||
    asked.told?.logStartOffset !== partition?.log.logStartOffset ||
    isCut(one)
  );
}

/** There are records, and none of them was read. */
export function isCut({ asked, seen, read }: Found): boolean {
  return seen !== undefined && read?.bytes === 0 && seen.end > asked.fetchOffset;
}
