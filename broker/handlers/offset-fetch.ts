import type { FetchedOffset } from "../coordinator/group/group-coordinator.ts";
import { orErrorCode } from "../coordinator/refused.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type { OffsetFetchRequest, OffsetFetchResponse } from "../protocol/messages/offset-fetch.ts";
import type { Handler, RequestContext } from "./handler.ts";

type GroupRequest = OffsetFetchRequest["groups"][number];
type GroupAnswer = OffsetFetchResponse["groups"][number];
type PartitionAnswer = GroupAnswer["topics"][number]["partitions"][number];
const NO_TOPIC_ID = "00000000-0000-0000-0000-000000000000";

/** OffsetFetch 1 to 10: all topics with null (2), stable offsets (7, KIP-447), many groups (8, KIP-709), topic ids (10). */
export const handleOffsetFetch: Handler<OffsetFetchRequest, OffsetFetchResponse> = async (
  context,
  request,
  version,
) => {
  const requireStable = version >= 7 && request.requireStable;
  if (version >= 8) {
    const groups = await Promise.all(
      request.groups.map((group) => fetchGroup(context, group, requireStable, version)),
    );
    return { throttleTimeMs: 0, topics: [], errorCode: ErrorCode.NONE, groups };
  }
  const topics = request.topics?.map((topic) => ({ ...topic, topicId: NO_TOPIC_ID })) ?? null;
  const group = { groupId: request.groupId, memberId: null, memberEpoch: -1, topics };
  const answer = await fetchGroup(context, group, requireStable, version);
  // Version 1 has no error of its own for the group: each partition carries it.
  if (version === 1 && answer.errorCode !== ErrorCode.NONE) {
    const refused = (topics ?? []).map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map((index) => nothing(index, answer.errorCode)),
    }));
    return { throttleTimeMs: 0, topics: refused, errorCode: ErrorCode.NONE, groups: [] };
  }
  return { throttleTimeMs: 0, topics: answer.topics, errorCode: answer.errorCode, groups: [] };
};

async function fetchGroup(
  context: RequestContext,
  request: GroupRequest,
  requireStable: boolean,
  version: number,
): Promise<GroupAnswer> {
  const { groups, metadata } = context.services;
  const { groupId } = request;
  const wanted = request.topics?.map(({ name, topicId, partitionIndexes }) => ({
    name: version >= 10 ? metadata.topicsById.get(topicId)?.name : name,
    topicId,
    partitionIndexes,
  }));
  const known = wanted?.flatMap(({ name, partitionIndexes }) =>
    name === undefined ? [] : partitionIndexes.map((partition) => ({ topic: name, partition })),
  );
  const fetched = await orErrorCode(groups.fetchOffsets(groupId, known, requireStable));
  if (!fetched.ok) return { groupId, topics: [], errorCode: fetched.errorCode };
  const topics =
    wanted === undefined
      ? byTopic(fetched.value).flatMap(([name, partitions]) => {
          const topicId = metadata.topics.get(name)?.topicId ?? NO_TOPIC_ID;
          return version >= 10 && topicId === NO_TOPIC_ID ? [] : [{ name, topicId, partitions }];
        })
      : inOrder(wanted, fetched.value);
  return { groupId, topics, errorCode: ErrorCode.NONE };
}

function inOrder(
  wanted: readonly {
    readonly name: string | undefined;
    readonly topicId: string;
    readonly partitionIndexes: readonly number[];
  }[],
  fetched: readonly FetchedOffset[],
): GroupAnswer["topics"] {
  let at = 0;
  return wanted.map(({ name, topicId, partitionIndexes }) => ({
    name: name ?? "",
    topicId,
    partitions: partitionIndexes.map((index) => {
      if (name === undefined) return nothing(index, ErrorCode.UNKNOWN_TOPIC_ID);
      const each = fetched[at];
      at += 1;
      return each === undefined ? nothing(index, ErrorCode.NONE) : partitionAnswer(each);
    }),
  }));
}

function byTopic(fetched: readonly FetchedOffset[]): [string, PartitionAnswer[]][] {
  const topics = new Map<string, PartitionAnswer[]>();
  for (const each of fetched) {
    const partitions = topics.get(each.topic);
    if (partitions === undefined) topics.set(each.topic, [partitionAnswer(each)]);
    else partitions.push(partitionAnswer(each));
  }
  return [...topics];
}

function partitionAnswer({ partition, value, unstable }: FetchedOffset): PartitionAnswer {
  if (unstable) return nothing(partition, ErrorCode.UNSTABLE_OFFSET_COMMIT);
  if (value === undefined) return nothing(partition, ErrorCode.NONE);
  return {
    partitionIndex: partition,
    committedOffset: value.offset,
    committedLeaderEpoch: value.leaderEpoch,
    metadata: value.metadata,
    errorCode: ErrorCode.NONE,
  };
}

function nothing(partitionIndex: number, errorCode: number): PartitionAnswer {
  return { partitionIndex, committedOffset: -1, committedLeaderEpoch: -1, metadata: "", errorCode };
}
