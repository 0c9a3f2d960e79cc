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
  readonly name: string;
  readonly topicId: string;
  readonly index: number;
  readonly partition?: HostedPartition;
  readonly result?: AppendResult;
  readonly error?: unknown;
}

/** Everything is appended within the call, while the frame is valid and in the order of requests; what is waited for is the commit. */
export const handleProduce: HoldingHandler<ProduceRequest, Response> = (context, request) => {
  const { acks } = request;
  if (acks !== 0 && acks !== 1 && acks !== -1) {
    return answer(context, request, () => ({
      error: new ProtocolError(ErrorCode.INVALID_REQUIRED_ACKS),
    }));
  }
  const appended: Appended[] = [];
  let bytes = 0;
  for (const topic of request.topicData) {
    for (const { index, records } of topic.partitionData) {
      const place = { name: topic.name, topicId: topic.topicId, index };
      bytes += records?.length ?? 0;
      try {
        if (INTERNAL_TOPICS.has(topic.name))
          throw new ProtocolError(ErrorCode.INVALID_TOPIC_EXCEPTION);
        const partition = partitionOf(context, topic.name, topic.topicId, index);
        if (INTERNAL_TOPICS.has(partition.topic))
          throw new ProtocolError(ErrorCode.INVALID_TOPIC_EXCEPTION);
        if (records === null) throw new ProtocolError(ErrorCode.INVALID_RECORD, "no records");
        appended.push({ ...place, partition, result: partition.append(records, acks, "client") });
      } catch (error) {
        if (codeOf(error) === ErrorCode.CORRUPT_MESSAGE) reportDamage(context, place, error);
        appended.push({ ...place, error });
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
  const settled = appended.map((one) => settle(context, one, acks, request.timeoutMs));
  return Promise.all(settled).then((done) => {
    const byPlace = new Map(done.map((one) => [`${one.topicId}/${one.name}/${one.index}`, one]));
    const told = answer(
      context,
      request,
      (name, topicId, index) => byPlace.get(`${topicId}/${name}/${index}`) ?? {},
    );
    return { ...told, throttleTimeMs };
  });
};

/** The client is told as well, and may try again; that bytes are damaged on the way here is for the operator to know. */
function reportDamage(
  { services, clientHost, clientId }: RequestContext,
  { name, topicId, index }: Pick<Appended, "name" | "topicId" | "index">,
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

async function settle(
  { services }: RequestContext,
  one: Appended,
  acks: number,
  timeoutMs: number,
): Promise<Appended> {
  if (one.partition === undefined || one.result === undefined) return one;
  try {
    if (acks === -1) await one.partition.committed(one.result.lastOffset, timeoutMs);
    else if (one.partition.log.stableOffset <= one.result.lastOffset)
      await services.replicas.flush();
    return one;
  } catch (error) {
    codeOf(error);
    return { ...one, error };
  }
}

function answer(
  context: RequestContext,
  request: ProduceRequest,
  outcome: (name: string, topicId: string, index: number) => Partial<Appended>,
): Response {
  const hints = new LeaderHints(context);
  const responses = request.topicData.map(({ name, topicId, partitionData }) => ({
    name,
    topicId,
    partitionResponses: partitionData.map(({ index }): PartitionAnswer => {
      const { partition, result, error } = outcome(name, topicId, index);
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
