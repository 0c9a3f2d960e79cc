import { addOffsetsToTxnRequest, addOffsetsToTxnResponse } from "./messages/add-offsets-to-txn.ts";
import {
  addPartitionsToTxnRequest,
  addPartitionsToTxnResponse,
} from "./messages/add-partitions-to-txn.ts";
import {
  alterClientQuotasRequest,
  alterClientQuotasResponse,
} from "./messages/alter-client-quotas.ts";
import { alterConfigsRequest, alterConfigsResponse } from "./messages/alter-configs.ts";
import {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from "./messages/alter-partition-reassignments.ts";
import { apiVersionsRequest, apiVersionsResponse } from "./messages/api-versions.ts";
import { brokerHeartbeatRequest, brokerHeartbeatResponse } from "./messages/broker-heartbeat.ts";
import {
  consumerGroupDescribeRequest,
  consumerGroupDescribeResponse,
} from "./messages/consumer-group-describe.ts";
import {
  consumerGroupHeartbeatRequest,
  consumerGroupHeartbeatResponse,
} from "./messages/consumer-group-heartbeat.ts";
import { createAclsRequest, createAclsResponse } from "./messages/create-acls.ts";
import { createPartitionsRequest, createPartitionsResponse } from "./messages/create-partitions.ts";
import { createTopicsRequest, createTopicsResponse } from "./messages/create-topics.ts";
import { deleteAclsRequest, deleteAclsResponse } from "./messages/delete-acls.ts";
import { deleteGroupsRequest, deleteGroupsResponse } from "./messages/delete-groups.ts";
import { deleteRecordsRequest, deleteRecordsResponse } from "./messages/delete-records.ts";
import { deleteTopicsRequest, deleteTopicsResponse } from "./messages/delete-topics.ts";
import { describeAclsRequest, describeAclsResponse } from "./messages/describe-acls.ts";
import {
  describeClientQuotasRequest,
  describeClientQuotasResponse,
} from "./messages/describe-client-quotas.ts";
import { describeClusterRequest, describeClusterResponse } from "./messages/describe-cluster.ts";
import { describeConfigsRequest, describeConfigsResponse } from "./messages/describe-configs.ts";
import { describeGroupsRequest, describeGroupsResponse } from "./messages/describe-groups.ts";
import { describeLogDirsRequest, describeLogDirsResponse } from "./messages/describe-log-dirs.ts";
import {
  describeProducersRequest,
  describeProducersResponse,
} from "./messages/describe-producers.ts";
import {
  describeTopicPartitionsRequest,
  describeTopicPartitionsResponse,
} from "./messages/describe-topic-partitions.ts";
import { electLeadersRequest, electLeadersResponse } from "./messages/elect-leaders.ts";
import { endTxnRequest, endTxnResponse } from "./messages/end-txn.ts";
import { fetchRequest, fetchResponse } from "./messages/fetch.ts";
import { findCoordinatorRequest, findCoordinatorResponse } from "./messages/find-coordinator.ts";
import { heartbeatRequest, heartbeatResponse } from "./messages/heartbeat.ts";
import {
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
} from "./messages/incremental-alter-configs.ts";
import { initProducerIdRequest, initProducerIdResponse } from "./messages/init-producer-id.ts";
import { joinGroupRequest, joinGroupResponse } from "./messages/join-group.ts";
import { leaveGroupRequest, leaveGroupResponse } from "./messages/leave-group.ts";
import {
  listConfigResourcesRequest,
  listConfigResourcesResponse,
} from "./messages/list-config-resources.ts";
import { listGroupsRequest, listGroupsResponse } from "./messages/list-groups.ts";
import { listOffsetsRequest, listOffsetsResponse } from "./messages/list-offsets.ts";
import {
  listPartitionReassignmentsRequest,
  listPartitionReassignmentsResponse,
} from "./messages/list-partition-reassignments.ts";
import { metadataRequest, metadataResponse } from "./messages/metadata.ts";
import { offsetCommitRequest, offsetCommitResponse } from "./messages/offset-commit.ts";
import { offsetDeleteRequest, offsetDeleteResponse } from "./messages/offset-delete.ts";
import { offsetFetchRequest, offsetFetchResponse } from "./messages/offset-fetch.ts";
import {
  offsetForLeaderEpochRequest,
  offsetForLeaderEpochResponse,
} from "./messages/offset-for-leader-epoch.ts";
import { produceRequest, produceResponse } from "./messages/produce.ts";
import { saslAuthenticateRequest, saslAuthenticateResponse } from "./messages/sasl-authenticate.ts";
import { saslHandshakeRequest, saslHandshakeResponse } from "./messages/sasl-handshake.ts";
import { syncGroupRequest, syncGroupResponse } from "./messages/sync-group.ts";
import { txnOffsetCommitRequest, txnOffsetCommitResponse } from "./messages/txn-offset-commit.ts";
import { writeTxnMarkersRequest, writeTxnMarkersResponse } from "./messages/write-txn-markers.ts";
import type { MessageDefinition } from "./schema.ts";

/** One API of the protocol with the versions that are offered. */
export interface ApiDefinition {
  readonly key: number;
  readonly name: string;
  /** The range that ApiVersions answers. */
  readonly minVersion: number;
  readonly maxVersion: number;
  /**
   * The lowest version that is really decoded. Produce offers 0 and refuses 0 to 2, as Kafka does: older librdkafka
   * compresses with gzip and snappy only when it sees a minimum of 0 (KAFKA-18659).
   */
  readonly firstAccepted: number;
  readonly request: MessageDefinition<unknown, never>;
  readonly response: MessageDefinition<unknown, never>;
  /** `internal`: spoken between brokers only, refused on client listeners. */
  readonly listener: "client" | "internal";
}

function api(
  request: MessageDefinition<unknown, never>,
  response: MessageDefinition<unknown, never>,
  minVersion: number,
  maxVersion: number,
  options: { readonly firstAccepted?: number; readonly listener?: "internal" } = {},
): ApiDefinition {
  return {
    key: request.head.apiKey,
    name: request.head.name.replace(/Request$/, ""),
    minVersion,
    maxVersion,
    firstAccepted: options.firstAccepted ?? minVersion,
    request,
    response,
    listener: options.listener ?? "client",
  };
}

/** Every API whose messages are known, at Apache Kafka 4.4's own ranges; served are those that have a handler. */
export const apis: readonly ApiDefinition[] = [
  api(produceRequest, produceResponse, 0, 13, { firstAccepted: 3 }),
  api(fetchRequest, fetchResponse, 4, 18),
  api(listOffsetsRequest, listOffsetsResponse, 1, 11),
  api(metadataRequest, metadataResponse, 0, 13),
  api(offsetCommitRequest, offsetCommitResponse, 2, 10),
  api(offsetFetchRequest, offsetFetchResponse, 1, 10),
  api(findCoordinatorRequest, findCoordinatorResponse, 0, 6),
  api(joinGroupRequest, joinGroupResponse, 0, 9),
  api(heartbeatRequest, heartbeatResponse, 0, 4),
  api(leaveGroupRequest, leaveGroupResponse, 0, 5),
  api(syncGroupRequest, syncGroupResponse, 0, 5),
  api(describeGroupsRequest, describeGroupsResponse, 0, 6),
  api(listGroupsRequest, listGroupsResponse, 0, 5),
  api(saslHandshakeRequest, saslHandshakeResponse, 0, 1),
  api(apiVersionsRequest, apiVersionsResponse, 0, 5),
  api(createTopicsRequest, createTopicsResponse, 2, 7),
  api(deleteTopicsRequest, deleteTopicsResponse, 1, 6),
  api(deleteRecordsRequest, deleteRecordsResponse, 0, 2),
  api(initProducerIdRequest, initProducerIdResponse, 0, 5),
  api(offsetForLeaderEpochRequest, offsetForLeaderEpochResponse, 2, 4),
  api(addPartitionsToTxnRequest, addPartitionsToTxnResponse, 0, 5),
  api(addOffsetsToTxnRequest, addOffsetsToTxnResponse, 0, 4),
  api(endTxnRequest, endTxnResponse, 0, 5),
  api(writeTxnMarkersRequest, writeTxnMarkersResponse, 1, 2, { listener: "internal" }),
  api(txnOffsetCommitRequest, txnOffsetCommitResponse, 0, 6),
  api(describeAclsRequest, describeAclsResponse, 1, 3),
  api(createAclsRequest, createAclsResponse, 1, 3),
  api(deleteAclsRequest, deleteAclsResponse, 1, 3),
  api(describeConfigsRequest, describeConfigsResponse, 1, 4),
  api(alterConfigsRequest, alterConfigsResponse, 0, 2),
  api(describeLogDirsRequest, describeLogDirsResponse, 1, 5),
  api(saslAuthenticateRequest, saslAuthenticateResponse, 0, 2),
  api(createPartitionsRequest, createPartitionsResponse, 0, 3),
  api(deleteGroupsRequest, deleteGroupsResponse, 0, 3),
  api(electLeadersRequest, electLeadersResponse, 0, 2),
  api(incrementalAlterConfigsRequest, incrementalAlterConfigsResponse, 0, 1),
  api(alterPartitionReassignmentsRequest, alterPartitionReassignmentsResponse, 0, 1),
  api(listPartitionReassignmentsRequest, listPartitionReassignmentsResponse, 0, 0),
  api(offsetDeleteRequest, offsetDeleteResponse, 0, 0),
  api(describeClientQuotasRequest, describeClientQuotasResponse, 0, 1),
  api(alterClientQuotasRequest, alterClientQuotasResponse, 0, 1),
  api(describeClusterRequest, describeClusterResponse, 0, 2),
  api(describeProducersRequest, describeProducersResponse, 0, 0),
  api(brokerHeartbeatRequest, brokerHeartbeatResponse, 0, 2, { listener: "internal" }),
  api(consumerGroupHeartbeatRequest, consumerGroupHeartbeatResponse, 0, 1),
  api(consumerGroupDescribeRequest, consumerGroupDescribeResponse, 0, 1),
  api(listConfigResourcesRequest, listConfigResourcesResponse, 0, 1),
  api(describeTopicPartitionsRequest, describeTopicPartitionsResponse, 0, 0),
];

const byKey = new Map(apis.map((one) => [one.key, one]));

export function apiByKey(key: number): ApiDefinition | undefined {
  return byKey.get(key);
}

/** Whether a request of that key and version has the header of KIP-482; false for what is not known. */
export function flexibleRequest(key: number, version: number): boolean {
  const known = byKey.get(key);
  return known !== undefined && version <= known.maxVersion && known.request.isFlexible(version);
}
