import { ErrorCode } from "../protocol/error-codes.ts";
import type { ListOffsetsRequest, listOffsetsResponse } from "../protocol/messages/list-offsets.ts";
import { type InputOf, ZERO_UUID } from "../protocol/schema.ts";
import { ProtocolError } from "../errors.ts";
import type { HostedPartition } from "../replication/types.ts";
import { checkLeaderEpoch, codeOf, partitionOf } from "./common.ts";
import type { Handler } from "./handler.ts";

type Response = InputOf<typeof listOffsetsResponse>;

const READ_COMMITTED = 1;
/** Timestamps with a meaning of their own. */
const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;
const EARLIEST_LOCAL = -4;
const LATEST_TIERED = -5;
const EARLIEST_PENDING_UPLOAD = -6;

interface Found {
  readonly offset: number;
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

export const handleListOffsets: Handler<ListOffsetsRequest, Response> = async (
  context,
  request,
) => {
  const topics = await Promise.all(
    request.topics.map(async ({ name, partitions }) => ({
      name,
      partitions: await Promise.all(
        partitions.map(async ({ partitionIndex, currentLeaderEpoch, timestamp }) => {
          try {
            const partition = partitionOf(context, name, ZERO_UUID, partitionIndex);
            partition.requireLeader();
            checkLeaderEpoch(currentLeaderEpoch, partition);
            const found = await find(partition, timestamp, request.isolationLevel);
            return {
              partitionIndex,
              errorCode: ErrorCode.NONE,
              timestamp: found?.timestamp ?? -1,
              offset: found?.offset ?? -1,
              leaderEpoch: found?.leaderEpoch ?? -1,
            };
          } catch (error) {
            return { partitionIndex, errorCode: codeOf(error) };
          }
        }),
      ),
    })),
  );
  return { topics };
};

async function find(
  partition: HostedPartition,
  timestamp: number,
  isolationLevel: number,
): Promise<Found | undefined> {
  const { log } = partition;
  const latest =
    isolationLevel === READ_COMMITTED ? partition.lastStableOffset : partition.highWatermark;
  const leaderEpoch = partition.leaderEpoch;
  switch (timestamp) {
    case LATEST:
      return { offset: latest, timestamp: -1, leaderEpoch };
    case EARLIEST:
    case EARLIEST_LOCAL:
      return { offset: log.logStartOffset, timestamp: -1, leaderEpoch };
    case LATEST_TIERED:
    case EARLIEST_PENDING_UPLOAD:
      return undefined;
    case MAX_TIMESTAMP: {
      const found = await log.offsetOfMaxTimestamp();
      return found !== undefined && found.offset < latest ? found : undefined;
    }
    default: {
      if (timestamp < 0) throw new ProtocolError(ErrorCode.UNSUPPORTED_VERSION);
      const found = await log.offsetForTimestamp(timestamp);
      return found !== undefined && found.offset < latest ? found : undefined;
    }
  }
}
