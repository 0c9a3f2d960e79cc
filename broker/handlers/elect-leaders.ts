import { ProtocolError } from "../errors.ts";
import { ElectionType } from "../controller/requested-election.ts";
import { ErrorCode, errorName } from "../protocol/error-codes.ts";
import type {
  ElectLeadersRequest,
  electLeadersResponse,
} from "../protocol/messages/elect-leaders.ts";
import type { InputOf } from "../protocol/schema.ts";
import type { Handler } from "./handler.ts";

type Response = InputOf<typeof electLeadersResponse>;

/** Preferred or unclean elections of the partitions that are named, or of all that need one (KIP-183, KIP-460). */
export const handleElectLeaders: Handler<ElectLeadersRequest, Response> = async (
  { services },
  { electionType, topicPartitions, timeoutMs },
) => {
  const { metadata, elections } = services;
  if (electionType !== ElectionType.PREFERRED && electionType !== ElectionType.UNCLEAN) {
    throw new ProtocolError(ErrorCode.INVALID_REQUEST, `Election type ${electionType}`);
  }
  const all = topicPartitions === null;
  const asked = all
    ? [...metadata.topics.values()].map(({ name, partitions }) => ({
        topic: name,
        partitions: partitions.map(({ partition }) => partition),
      }))
    : topicPartitions;
  const results = await Promise.all(
    asked.map(async ({ topic, partitions }) => ({
      topic,
      partitionResult: await Promise.all(
        [...new Set(partitions)].map(async (partitionId) => {
          const errorCode = await elections.elect(topic, partitionId, electionType, timeoutMs);
          const errorMessage = errorCode === ErrorCode.NONE ? null : errorName(errorCode);
          return { partitionId, errorCode, errorMessage };
        }),
      ),
    })),
  );
  if (!all) return { errorCode: ErrorCode.NONE, replicaElectionResults: results };
  // Nobody named those that are right as they are.
  const needed = results
    .map(({ topic, partitionResult }) => ({
      topic,
      partitionResult: partitionResult.filter(
        ({ errorCode }) => errorCode !== ErrorCode.ELECTION_NOT_NEEDED,
      ),
    }))
    .filter(({ partitionResult }) => partitionResult.length > 0);
  return { errorCode: ErrorCode.NONE, replicaElectionResults: needed };
};
