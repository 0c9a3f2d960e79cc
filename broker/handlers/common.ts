import type { BrokerEndpoint, BrokerId } from "../../cluster/broker.ts";
import { ProtocolError } from "../errors.ts";
import type { MetadataView, TopicImage } from "../metadata/view.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import { ZERO_UUID } from "../protocol/schema.ts";
import type { ClientQuotas } from "../quotas/client-quotas.ts";
import type { QuotaClient } from "../quotas/quota-table.ts";
import type { HostedPartition } from "../replication/types.ts";
import type { RequestContext } from "./handler.ts";

const ANONYMOUS = "ANONYMOUS";

/** The code of a refusal; anything else that was thrown is ours and goes on up. */
export function codeOf(error: unknown): number {
  if (error instanceof ProtocolError) return error.errorCode;
  throw error;
}

/** The refusal's sentence, null where it says no more than its code. */
export function messageOf(error: unknown): string | null {
  return error instanceof ProtocolError ? error.message : null;
}

/** Who asks, as quotas tell it from others; nobody has a name before authentication. */
export function quotaClientOf({ clientId }: RequestContext): QuotaClient {
  return { user: ANONYMOUS, clientId: clientId ?? "" };
}

/** The quotas that hold for a request: none for what brokers say to each other, or while there are none. */
export function quotasFor({ services, listener }: RequestContext): ClientQuotas | undefined {
  return listener !== "internal" && services.quotas.active ? services.quotas : undefined;
}

/** Where a broker is reached by those who came in by `listener`. */
export function endpointOf(
  metadata: MetadataView,
  id: BrokerId,
  listener: string,
): BrokerEndpoint | undefined {
  return metadata.brokers.get(id)?.endpoints.find((one) => one.name === listener);
}

/** The topic that a request names by name or, in newer versions, by id. */
export function topicOf(
  metadata: MetadataView,
  name: string | null,
  topicId: string,
): TopicImage | undefined {
  return topicId === ZERO_UUID ? metadata.topics.get(name ?? "") : metadata.topicsById.get(topicId);
}

/**
 * The hosted partition. Throws UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION, or NOT_LEADER_OR_FOLLOWER when another
 * broker has it (or this one does not have it yet).
 */
export function partitionOf(
  { services }: RequestContext,
  name: string,
  topicId: string,
  partition: number,
): HostedPartition {
  const topic = topicOf(services.metadata, name, topicId);
  if (topic === undefined) {
    throw new ProtocolError(
      topicId === ZERO_UUID ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.UNKNOWN_TOPIC_ID,
    );
  }
  const hosted = services.replicas.byTopicId(topic.topicId, partition);
  if (hosted !== undefined) return hosted;
  throw new ProtocolError(
    partition >= 0 && partition < topic.partitions.length
      ? ErrorCode.NOT_LEADER_OR_FOLLOWER
      : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  );
}

/** Throws FENCED_LEADER_EPOCH or UNKNOWN_LEADER_EPOCH when the client's idea of the epoch is not this one (KIP-320). */
export function checkLeaderEpoch(clientEpoch: number, partition: HostedPartition): void {
  if (clientEpoch < 0 || clientEpoch === partition.leaderEpoch) return;
  throw new ProtocolError(
    clientEpoch < partition.leaderEpoch
      ? ErrorCode.FENCED_LEADER_EPOCH
      : ErrorCode.UNKNOWN_LEADER_EPOCH,
  );
}

interface NodeEndpoint {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

/** The leader to be told to a client that asked the wrong broker (KIP-951), and the endpoints it needs. */
export class LeaderHints {
  readonly #context: RequestContext;
  /** Made for the first: most answers have none. */
  #nodes: Map<BrokerId, NodeEndpoint> | undefined;

  constructor(context: RequestContext) {
    this.#context = context;
  }

  get endpoints(): NodeEndpoint[] {
    return this.#nodes === undefined ? [] : [...this.#nodes.values()];
  }

  for(name: string, topicId: string, partition: number): { leaderId: number; leaderEpoch: number } {
    const { metadata } = this.#context.services;
    const image = topicOf(metadata, name, topicId)?.partitions[partition];
    if (image === undefined || image.leader < 0) return { leaderId: -1, leaderEpoch: -1 };
    const endpoint = endpointOf(metadata, image.leader, this.#context.listener);
    if (endpoint !== undefined) {
      this.#nodes ??= new Map();
      this.#nodes.set(image.leader, {
        nodeId: image.leader,
        host: endpoint.host,
        port: endpoint.port,
        rack: metadata.brokers.get(image.leader)?.rack ?? null,
      });
    }
    return { leaderId: image.leader, leaderEpoch: image.leaderEpoch };
  }
}
