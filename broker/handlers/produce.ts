import { ErrorCode } from "../protocol/error-codes.ts";
import { MalformedError } from "../protocol/reader.ts";
import type { ProduceRequest, produceResponse } from "../protocol/messages/produce.ts";
import type { InputOf } from "../protocol/schema.ts";
import { InvalidRecordsError, ProtocolError } from "../errors.ts";
import { INTERNAL_TOPICS } from "../internal-topics.ts";
import type { AppendResult } from "../log/types.ts";
import type { HostedPartition } from "../replication/types.ts";
import { codeOf, LeaderHints, messageOf, partitionOf, quotaClientOf, quotasFor } from "./common.ts";
import type { HoldingHandler, RequestContext } from "./handler.ts";

type Response = InputOf<typeof produceResponse>;
type PartitionAnswer = NonNullable<
  NonNullable<Response["responses"]>[number]["partitionResponses"]
>[number];

/** One partition of a request after its append. */
interface Appended {
  readonly partition?: HostedPartition;
  readonly result?: AppendResult;
  /** Also why it was not committed, once that is known. */
  error?: unknown;
}

/** As a request names a partition. */
interface Place {
  readonly name: string;
  readonly topicId: string;
  readonly index: number;
}

/** Everything is appended within the call, while the frame is valid and in the order of requests; what is waited for is the commit. */
export const handleProduce: HoldingHandler<ProduceRequest, Response> = (context, request) => {
  const { acks } = request;
  if (acks !== 0 && acks !== 1 && acks !== -1) {
    return answer(context, request, () => ({
      error: new ProtocolError(ErrorCode.INVALID_REQUIRED_ACKS),
    }));
  }
  /** In the order of the request, as they are answered: it takes a while of each GiB to look them up by name. */
  const appended: Appended[] = [];
  let bytes = 0;
  for (const topic of request.topicData) {
    for (const { index, records } of topic.partitionData) {
      bytes += records?.length ?? 0;
      try {
        if (INTERNAL_TOPICS.has(topic.name))
          throw new ProtocolError(ErrorCode.INVALID_TOPIC_EXCEPTION);
        const partition = partitionOf(context, topic.name, topic.topicId, index);
        if (INTERNAL_TOPICS.has(partition.topic))
          throw new ProtocolError(ErrorCode.INVALID_TOPIC_EXCEPTION);
        if (records === null) throw new ProtocolError(ErrorCode.INVALID_RECORD, "no records");
        appended.push({ partition, result: partition.append(records, acks, "client") });
      } catch (error) {
        if (codeOf(error) === ErrorCode.CORRUPT_MESSAGE)
          reportDamage(context, { name: topic.name, topicId: topic.topicId, index }, error);
        appended.push({ error });
      }
    }
  }
  const throttleTimeMs =
    quotasFor(context)?.produced(
      quotaClientOf(context),
      bytes,
      context.services.environment.scheduler.now(),
    ) ?? 0;
  if (acks === 0) {
    if (throttleTimeMs > 0) context.connection?.mute(throttleTimeMs);
    // There is no answer to say it in: Kafka closes the connection, so that the client asks for metadata.
    if (appended.some((one) => one.error !== undefined))
      throw new MalformedError("acks=0 produce refused");
    return undefined;
  }
  const settled: Promise<void>[] = [];
  for (const one of appended) {
    if (one.partition === undefined || one.result === undefined) continue;
    settled.push(
      settle(context, one.partition, one.result, acks, request.timeoutMs).catch(
        (error: unknown) => {
          codeOf(error);
          one.error = error;
        },
      ),
    );
  }
  return Promise.all(settled).then(() => ({
    ...answer(context, request, (place) => appended[place] ?? {}),
    throttleTimeMs,
  }));
};

/** The client is told as well, and may try again; that bytes are damaged on the way here is for the operator to know. */
function reportDamage(
  { services, clientHost, clientId }: RequestContext,
  { name, topicId, index }: Place,
  error: unknown,
): void {
  services.environment.logger.warn("record batch refused: damaged", {
    remote: clientHost,
    clientId,
    topic: name === "" ? topicId : name,
    partition: index,
    error: messageOf(error),
  });
}

/** Resolves when it is as safe as the client wants it; rejects when that does not come to be. */
function settle(
  { services }: RequestContext,
  partition: HostedPartition,
  { lastOffset }: AppendResult,
  acks: number,
  timeoutMs: number,
): Promise<void> {
  if (acks === -1) return partition.committed(lastOffset, timeoutMs);
  return partition.log.stableOffset <= lastOffset ? services.replicas.flush() : Promise.resolve();
}

/** @param outcome by the place of a partition in the request */
function answer(
  context: RequestContext,
  request: ProduceRequest,
  outcome: (place: number) => Appended,
): Response {
  let place = 0;
  const hints = new LeaderHints(context);
  const responses = request.topicData.map(({ name, topicId, partitionData }) => ({
    name,
    topicId,
    partitionResponses: partitionData.map(({ index }): PartitionAnswer => {
      const { partition, result, error } = outcome(place++);
      if (error === undefined && result !== undefined) {
        return {
          index,
          errorCode: ErrorCode.NONE,
          baseOffset: result.baseOffset,
          logAppendTimeMs: result.logAppendTime,
          logStartOffset: partition?.log.logStartOffset ?? -1,
        };
      }
      const errorCode = codeOf(error);
      return {
        index,
        errorCode,
        baseOffset: -1,
        errorMessage: messageOf(error),
        recordErrors: recordErrorsOf(error),
        ...(errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER
          ? { currentLeader: hints.for(name, topicId, index) }
          : {}),
      };
    }),
  }));
  return { responses, nodeEndpoints: hints.endpoints };
}

/** Which records of a batch it was refused for (KIP-467). */
function recordErrorsOf(error: unknown): NonNullable<PartitionAnswer["recordErrors"]> {
  if (!(error instanceof InvalidRecordsError)) return [];
  return error.recordErrors.map(({ batchIndex, message }) => ({
    batchIndex,
    batchIndexErrorMessage: message,
  }));
}
