import type { BrokerId } from "../../../cluster/broker.ts";
import type { KubeApi } from "../../../kube/api.ts";
import type { Scheduler } from "../../../lib/clock.ts";
import type { Logger } from "../../../lib/logger.ts";
import type { Random } from "../../../lib/random.ts";
import type { BrokerConfig } from "../../config.ts";
import { ProtocolError } from "../../errors.ts";
import { OFFSETS_TOPIC } from "../../internal-topics.ts";
import type { BrokerImage, MetadataView } from "../../metadata/view.ts";
import { uuidTextAt } from "../../protocol/uuid-text.ts";
import { ErrorCode } from "../../protocol/error-codes.ts";
import type { HostedPartition, LeadershipListener, Replicas } from "../../replication/types.ts";
import type { TopicAdmin } from "../../topic-admin.ts";
import { CoordinatorRuntime } from "../coordinator-runtime.ts";
import { answer } from "../outcome.ts";
import { ProducerIds } from "../transaction/producer-ids.ts";
import {
  joinRefused,
  syncRefused,
  type HeartbeatEvent,
  type JoinAnswer,
  type JoinEvent,
  type LeaveAnswer,
  type MemberIdentity,
  type SyncAnswer,
  type SyncEvent,
} from "./classic-messages.ts";
import { groupConfig, type GroupConfig } from "./group-config.ts";
import type { CommittedOffset, GroupRecord, GroupState } from "./group-metadata.ts";
import { metadataFor } from "./group-member.ts";
import { groupRecordFormat } from "./group-record-format.ts";
import { GroupShard, type CommitEvent } from "./group-shard.ts";

export interface GroupCoordinatorOptions {
  readonly brokerId: BrokerId;
  readonly clusterName: string;
  readonly namespace: string;
  readonly config: BrokerConfig;
  readonly kube: KubeApi;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly logger: Logger;
  readonly metadata: MetadataView;
  readonly replicas: Replicas;
  readonly topicAdmin: Pick<TopicAdmin, "ensureInternalTopic">;
}

export interface DescribedGroup {
  readonly groupId: string;
  readonly state: GroupState;
  readonly protocolType: string;
  readonly protocol: string;
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly clientId: string;
    readonly clientHost: string;
    readonly metadata: Uint8Array;
    readonly assignment: Uint8Array;
  }[];
}

export interface ListedGroup {
  readonly groupId: string;
  readonly protocolType: string;
  readonly state: GroupState;
}

/** A committed offset as a fetch sees it; `undefined` in place of one: nothing is committed. */
export interface FetchedOffset {
  readonly topic: string;
  readonly partition: number;
  readonly value: CommittedOffset | undefined;
  /** An open transaction has committed for the partition, and the fetch requires stable offsets (KIP-447). */
  readonly unstable: boolean;
}

type Requested<T> = Omit<T, "from">;

/**
 * The consumer groups whose partition of `__consumer_offsets` this broker leads. Methods answer once the answer is
 * committed; they reject with ProtocolError for what concerns the coordinator itself: NOT_COORDINATOR,
 * COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, INVALID_GROUP_ID. Refusals by the group are in the answers.
 */
export class GroupCoordinator implements LeadershipListener {
  readonly config: GroupConfig;
  readonly producerIds: ProducerIds;
  readonly #options: GroupCoordinatorOptions;
  readonly #runtime: CoordinatorRuntime<GroupShard, GroupRecord>;
  readonly #unsubscribe: () => void;

  constructor(options: GroupCoordinatorOptions) {
    this.#options = options;
    const { metadata, scheduler, logger, kube, namespace, clusterName } = options;
    this.config = groupConfig(() => metadata.brokerConfig);
    this.producerIds = new ProducerIds({ kube, namespace, clusterName, scheduler, logger });
    this.#runtime = new CoordinatorRuntime({
      topic: OFFSETS_TOPIC,
      create: () => new GroupShard(this.config),
      format: groupRecordFormat,
      scheduler,
      logger,
      commitTimeoutMs: this.config.commitTimeoutMs,
    });
    // Its offsets get tombstones.
    this.#unsubscribe = metadata.onTopicGone((name, topicId) => {
      this.#runtime.broadcast((shard) => shard.topicDeleted(name, topicId));
    });
  }

  onBecameLeader(partition: HostedPartition): void {
    this.#runtime.onBecameLeader(partition);
  }

  onLostLeadership(topic: string, partition: number, leaderEpoch: number): void {
    this.#runtime.onLostLeadership(topic, partition, leaderEpoch);
  }

  stop(): void {
    this.#unsubscribe();
    this.#runtime.close();
  }

  /**
   * The broker that coordinates a group. Creates `__consumer_offsets` if there is none. Throws ProtocolError
   * INVALID_GROUP_ID, COORDINATOR_NOT_AVAILABLE while the topic or its leader is missing.
   */
  async findCoordinator(groupId: string): Promise<BrokerImage> {
    if (groupId === "") throw new ProtocolError(ErrorCode.INVALID_GROUP_ID);
    const { metadata, topicAdmin, logger } = this.#options;
    if (metadata.topics.get(OFFSETS_TOPIC) === undefined) {
      try {
        await topicAdmin.ensureInternalTopic(OFFSETS_TOPIC);
      } catch (error) {
        logger.warn("the offsets topic could not be created", { error });
        throw new ProtocolError(ErrorCode.COORDINATOR_NOT_AVAILABLE);
      }
    }
    const topic = metadata.topics.get(OFFSETS_TOPIC);
    if (topic === undefined || topic.partitions.length === 0) {
      throw new ProtocolError(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    }
    const partition = topic.partitions[partitionOf(groupId, topic.partitions.length)];
    const broker = partition === undefined ? undefined : metadata.brokers.get(partition.leader);
    if (broker === undefined || broker.fenced)
      throw new ProtocolError(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    return broker;
  }

  async join(
    groupId: string,
    request: Omit<JoinEvent, "from" | "newMemberId">,
  ): Promise<JoinAnswer> {
    const { sessionTimeoutMs, memberId } = request;
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.config;
    const partition = this.#partition(groupId);
    if (sessionTimeoutMs < minSessionTimeoutMs || sessionTimeoutMs > maxSessionTimeoutMs) {
      return joinRefused(ErrorCode.INVALID_SESSION_TIMEOUT, memberId);
    }
    const newMemberId = `${request.groupInstanceId ?? request.clientId}-${uuidTextAt(this.#options.random.uuid(), 0)}`;
    return this.#runtime.submit<JoinAnswer>(partition, (shard, at, from) =>
      shard.join(groupId, { ...request, newMemberId, from }, at),
    );
  }

  async sync(groupId: string, request: Requested<SyncEvent>): Promise<SyncAnswer> {
    const partition = this.#partition(groupId);
    try {
      return await this.#runtime.submit<SyncAnswer>(partition, (shard, at, from) =>
        shard.sync(groupId, { ...request, from }, at),
      );
    } catch (error) {
      // A coordinator that loads does not know the generation: the member joins again (as Kafka answers).
      if (
        error instanceof ProtocolError &&
        error.errorCode === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
      ) {
        return syncRefused(ErrorCode.REBALANCE_IN_PROGRESS);
      }
      throw error;
    }
  }

  async heartbeat(groupId: string, request: Requested<HeartbeatEvent>): Promise<number> {
    const partition = this.#partition(groupId);
    try {
      const { errorCode } = await this.#runtime.submit<{ readonly errorCode: number }>(
        partition,
        (shard, at, from) => shard.heartbeat(groupId, { ...request, from }, at),
      );
      return errorCode;
    } catch (error) {
      // Nothing to do for the member while its group is loaded: its session begins after that.
      if (
        error instanceof ProtocolError &&
        error.errorCode === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
      ) {
        return ErrorCode.NONE;
      }
      throw error;
    }
  }

  async leave(groupId: string, members: readonly MemberIdentity[]): Promise<LeaveAnswer> {
    return this.#runtime.submit<LeaveAnswer>(this.#partition(groupId), (shard, at, from) =>
      shard.leave(groupId, { members, from }, at),
    );
  }

  /** @returns the error code that holds for all offsets of the request. */
  async commitOffsets(request: Requested<CommitEvent>): Promise<number> {
    const { errorCode } = await this.#runtime.submit<{ readonly errorCode: number }>(
      this.#partition(request.groupId),
      (shard, at, from) => shard.commit({ ...request, from }, at),
    );
    return errorCode;
  }

  /** Committed offsets of the partitions asked for, in order, or of all with `undefined`. */
  async fetchOffsets(
    groupId: string,
    partitions: readonly { readonly topic: string; readonly partition: number }[] | undefined,
    requireStable: boolean,
  ): Promise<readonly FetchedOffset[]> {
    return this.#runtime.submit<readonly FetchedOffset[]>(
      this.#partition(groupId),
      (shard, _at, from) => {
        const offsets = shard.groups.get(groupId)?.offsets;
        const wanted =
          partitions ??
          [...(offsets?.topics ?? [])].flatMap((topic) =>
            [...(offsets?.ofTopic(topic).keys() ?? [])].map((partition) => ({ topic, partition })),
          );
        const fetched = wanted.map(({ topic, partition }) => ({
          topic,
          partition,
          value: this.#ofPresentTopic(topic, offsets?.get(topic, partition)),
          unstable: requireStable && (offsets?.isUnstable(topic, partition) ?? false),
        }));
        return answer(
          from,
          partitions === undefined ? fetched.filter((each) => each.value !== undefined) : fetched,
        );
      },
    );
  }

  async deleteOffsets(
    groupId: string,
    partitions: readonly { readonly topic: string; readonly partition: number }[],
  ): Promise<{ readonly errorCode: number; readonly partitions: readonly number[] }> {
    return this.#runtime.submit<{
      readonly errorCode: number;
      readonly partitions: readonly number[];
    }>(this.#partition(groupId), (shard, _at, from) =>
      shard.deleteOffsets(groupId, partitions, from),
    );
  }

  async deleteGroup(groupId: string): Promise<number> {
    const { errorCode } = await this.#runtime.submit<{ readonly errorCode: number }>(
      this.#partition(groupId),
      (shard, _at, from) => shard.deleteGroup(groupId, from),
    );
    return errorCode;
  }

  /** @returns undefined when there is no such group. */
  async describe(groupId: string): Promise<DescribedGroup | undefined> {
    return this.#runtime.submit<DescribedGroup | undefined>(
      this.#partition(groupId),
      (shard, _at, from) => answer(from, describe(shard, groupId)),
    );
  }

  /** All groups coordinated here. Throws COORDINATOR_LOAD_IN_PROGRESS while one of the shards is loading. */
  async list(): Promise<readonly ListedGroup[]> {
    const lists = await Promise.all(
      this.#runtime.partitions.map((partition) =>
        this.#runtime.submit<readonly ListedGroup[]>(partition, (shard, _at, from) =>
          answer(
            from,
            [...shard.groups.values()].map(({ group }) => ({
              groupId: group.groupId,
              protocolType: group.protocolType ?? "",
              state: group.state,
            })),
          ),
        ),
      ),
    );
    return lists.flat();
  }

  #partition(groupId: string): number {
    if (groupId === "") throw new ProtocolError(ErrorCode.INVALID_GROUP_ID);
    const count = this.#options.metadata.topics.get(OFFSETS_TOPIC)?.partitions.length ?? 0;
    if (count === 0) throw new ProtocolError(ErrorCode.NOT_COORDINATOR);
    return partitionOf(groupId, count);
  }

  /** An offset of a topic that was deleted and created again is none of the new topic. */
  #ofPresentTopic(topic: string, value: CommittedOffset | undefined): CommittedOffset | undefined {
    if (value?.topicId === undefined) return value;
    const present = this.#options.metadata.topics.get(topic);
    return present !== undefined && present.topicId !== value.topicId ? undefined : value;
  }
}

function describe(shard: GroupShard, groupId: string): DescribedGroup | undefined {
  const entry = shard.groups.get(groupId);
  if (entry === undefined) return undefined;
  const { group } = entry;
  const stable = group.state === "Stable";
  return {
    groupId,
    state: group.state,
    protocolType: group.protocolType ?? "",
    protocol: stable ? (group.protocol ?? "") : "",
    members: [...group.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      metadata: stable ? metadataFor(member, group.protocol ?? "") : new Uint8Array(0),
      assignment: stable ? member.assignment : new Uint8Array(0),
    })),
  };
}

/** Kafka's choice of the partition of an internal topic: Java's String.hashCode, made positive as Utils.abs does. */
export function partitionOf(key: string, partitions: number): number {
  let hash = 0;
  for (let i = 0; i < key.length; i++) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) | 0;
  return (hash === -2147483648 ? 0 : Math.abs(hash)) % partitions;
}
