import { handleFetch } from "../../../../broker/handlers/fetch.ts";
import {
  type FetchRequest,
  fetchRequest,
  type FetchResponse,
  fetchResponse,
} from "../../../../broker/protocol/messages/fetch.ts";
import { ask, type FakeHosted, HandlerWorld, TOPIC_ID } from "./fakes.ts";

/** What a test asks for; the rest is as consumers ask. */
export interface Asked {
  readonly partitions: readonly { readonly partition: number; readonly offset?: number }[];
  readonly maxWaitMs?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
  readonly sessionId?: number;
  readonly sessionEpoch?: number;
  readonly leaderEpoch?: number;
  readonly rackId?: string;
  readonly replicaId?: number;
}

/** Of requests that do not say another one. */
export const VERSION = 17;

/** Of the topic `a`. */
export function requestOf(asked: Asked): Parameters<typeof fetchRequest.encode>[0] {
  const {
    maxWaitMs = 500,
    minBytes = 1,
    maxBytes = 1 << 20,
    sessionId = 0,
    sessionEpoch = -1,
  } = asked;
  return {
    maxWaitMs,
    minBytes,
    maxBytes,
    sessionId,
    sessionEpoch,
    rackId: asked.rackId ?? "",
    replicaState: { replicaId: asked.replicaId ?? -1, replicaEpoch: 1 },
    topics: [
      {
        topic: "a",
        topicId: TOPIC_ID,
        partitions: asked.partitions.map(({ partition, offset = 0 }) => ({
          partition,
          fetchOffset: offset,
          currentLeaderEpoch: asked.leaderEpoch ?? -1,
          partitionMaxBytes: 1 << 20,
        })),
      },
    ],
  };
}

/** A request as the handler gets it. */
export function decoded(asked: Asked): FetchRequest {
  return fetchRequest.decode(fetchRequest.encode(requestOf(asked), VERSION), 0, VERSION);
}

/** Asks a client's listener, or for a replica the brokers' own. */
export function fetch(
  world: HandlerWorld,
  asked: Asked,
  version = VERSION,
): Promise<FetchResponse> {
  const listener = (asked.replicaId ?? -1) < 0 ? "plaintext" : "internal";
  return ask(world, handleFetch, fetchRequest, fetchResponse, version, requestOf(asked), listener);
}

/** Partition and bytes of records, in the order of the answer. */
export function bytesOf(answer: FetchResponse): [number, number][] {
  return answer.responses.flatMap(({ partitions }) =>
    partitions.map(({ partitionIndex, records }): [number, number] => [
      partitionIndex,
      records?.length ?? 0,
    ]),
  );
}

/** Broker 0, which leads so many partitions of `a`, and broker 1 in rack b. */
export function worldOf(partitions: number): { world: HandlerWorld; hosted: FakeHosted[] } {
  const world = new HandlerWorld();
  world.broker(0);
  world.broker(1, "b");
  world.topic(
    "a",
    Array.from({ length: partitions }, () => ({})),
  );
  const hosted = Array.from({ length: partitions }, (_, at) => world.host("a", at));
  return { world, hosted };
}
