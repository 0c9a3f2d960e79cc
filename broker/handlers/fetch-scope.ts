import type { FetchScope } from "../fetch-session.ts";
import type { FetchRequest } from "../protocol/messages/fetch.ts";
import type { Millis } from "../../lib/units.ts";
import type { RequestContext } from "./handler.ts";

/** What moves without a sign is found at the latest then, and a follower at rest is known not to lag. */
const ALL_AFTER_MAX_MS: Millis = 1000;
const LOOKS_PER_LAG = 4;
/** First version that names topics by id (KIP-516). */
const TOPIC_IDS = 13;

/**
 * A fetch request with what its session adds (KIP-227). The session of a follower ends with its connection, since the
 * follower begins another one with the next, and is told what moves in its partitions meanwhile.
 */
export function fetchScope(
  { services, connection }: RequestContext,
  request: FetchRequest,
  replicaId: number,
  version: number,
): FetchScope {
  const { fetchSessions, replicas, environment, config } = services;
  const topicIds = version >= TOPIC_IDS;
  const isFollowed = replicaId >= 0 && topicIds && connection !== undefined;
  const scope = fetchSessions.resolve(request, {
    privileged: replicaId >= 0,
    topicIds,
    now: environment.scheduler.now(),
    follows: isFollowed
      ? () => ({
          watch: (topicId, partition, listener) =>
            replicas.onProgress(topicId, partition, listener),
          allAfterMs: Math.min(ALL_AFTER_MAX_MS, config.replicaLagTimeMaxMs / LOOKS_PER_LAG),
        })
      : undefined,
  });
  const { moves, sessionId, incremental } = scope;
  if (!incremental && moves !== undefined && connection !== undefined) {
    moves.onEnd(
      connection.whenClosed(() => {
        fetchSessions.close(sessionId);
      }),
    );
  }
  return scope;
}
