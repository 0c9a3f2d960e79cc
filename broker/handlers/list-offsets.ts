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

/** First version that knows OFFSET_NOT_AVAILABLE; older ones are told of the election (KIP-207). */
const OFFSET_NOT_AVAILABLE = 5;

/**
 * The offset of a timestamp, or of an end of the log (KIP-79). While a new leader does not know how far was committed,
 * what depends on it is refused with OFFSET_NOT_AVAILABLE: it would be a step back (KIP-207).
 */
export const handleListOffsets: Handler<ListOffsetsRequest, Response> = async (
  context,
  request,
  version,
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
            return { partitionIndex, errorCode: known(codeOf(error), version) };
          }
        }),
      ),
    })),
  );
  return { topics };
};

function known(errorCode: number, version: number): number {
  return errorCode === ErrorCode.OFFSET_NOT_AVAILABLE && version < OFFSET_NOT_AVAILABLE
    ? ErrorCode.LEADER_NOT_AVAILABLE
    : errorCode;
}

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
      requireCommitted(partition);
      return { offset: latest, timestamp: -1, leaderEpoch };
    case EARLIEST:
    case EARLIEST_LOCAL:
      return { offset: log.logStartOffset, timestamp: -1, leaderEpoch };
    case LATEST_TIERED:
    case EARLIEST_PENDING_UPLOAD:
      return undefined;
    case MAX_TIMESTAMP: {
      return committed(partition, latest, await log.offsetOfMaxTimestamp());
    }
    default: {
      if (timestamp < 0) throw new ProtocolError(ErrorCode.UNSUPPORTED_VERSION);
      return committed(partition, latest, await log.offsetForTimestamp(timestamp));
    }
  }
}

/** What was found, if a reader may see it. */
function committed(
  partition: HostedPartition,
  latest: number,
  found: Found | undefined,
): Found | undefined {
  if (found !== undefined && found.offset < latest) return found;
  requireCommitted(partition);
  return undefined;
}

function requireCommitted(partition: HostedPartition): void {
  if (partition.highWatermarkLags) throw new ProtocolError(ErrorCode.OFFSET_NOT_AVAILABLE);
}
