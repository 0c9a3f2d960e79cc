import { apiByKey } from "../protocol/api-versions.ts";
import { present } from "../../lib/assert.ts";
import type { ServedApi } from "../network/dispatch.ts";
import { handleAlterClientQuotas } from "./alter-client-quotas.ts";
import { handleAlterConfigs, handleIncrementalAlterConfigs } from "./alter-configs.ts";
import { handleAlterPartitionReassignments } from "./alter-partition-reassignments.ts";
import { handleApiVersions } from "./api-versions.ts";
import { handleBrokerHeartbeat } from "./broker-heartbeat.ts";
import { handleCreatePartitions } from "./create-partitions.ts";
import { handleCreateTopics } from "./create-topics.ts";
import { handleDeleteGroups } from "./delete-groups.ts";
import { handleDeleteRecords } from "./delete-records.ts";
import { handleDeleteTopics } from "./delete-topics.ts";
import { handleDescribeClientQuotas } from "./describe-client-quotas.ts";
import { handleDescribeCluster } from "./describe-cluster.ts";
import { handleDescribeConfigs } from "./describe-configs.ts";
import { handleDescribeGroups } from "./describe-groups.ts";
import { handleDescribeLogDirs } from "./describe-log-dirs.ts";
import { handleDescribeProducers } from "./describe-producers.ts";
import { handleDescribeTopicPartitions } from "./describe-topic-partitions.ts";
import { handleElectLeaders } from "./elect-leaders.ts";
import { handleFetch } from "./fetch.ts";
import { handleFindCoordinator } from "./find-coordinator.ts";
import type { Handler } from "./handler.ts";
import { handleHeartbeat } from "./heartbeat.ts";
import { handleInitProducerId } from "./init-producer-id.ts";
import { handleJoinGroup } from "./join-group.ts";
import { handleLeaveGroup } from "./leave-group.ts";
import { handleListConfigResources } from "./list-config-resources.ts";
import { handleListGroups } from "./list-groups.ts";
import { handleListOffsets } from "./list-offsets.ts";
import { handleListPartitionReassignments } from "./list-partition-reassignments.ts";
import { handleMetadata } from "./metadata.ts";
import { handleOffsetCommit } from "./offset-commit.ts";
import { handleOffsetDelete } from "./offset-delete.ts";
import { handleOffsetFetch } from "./offset-fetch.ts";
import { handleOffsetForLeaderEpoch } from "./offset-for-leader-epoch.ts";
import { handleProduce } from "./produce.ts";
import { handleSyncGroup } from "./sync-group.ts";

type AnyHandler = Handler<never, unknown>;

/** Every API that is served, by key: a new one is a line here, a file beside, and a file in protocol/messages. */
const handlers: ReadonlyMap<number, AnyHandler> = new Map<number, AnyHandler>([
  [0, handleProduce],
  [1, handleFetch],
  [2, handleListOffsets],
  [3, handleMetadata],
  [8, handleOffsetCommit],
  [9, handleOffsetFetch],
  [10, handleFindCoordinator],
  [11, handleJoinGroup],
  [12, handleHeartbeat],
  [13, handleLeaveGroup],
  [14, handleSyncGroup],
  [15, handleDescribeGroups],
  [16, handleListGroups],
  [18, handleApiVersions((key) => handlers.has(key))],
  [19, handleCreateTopics],
  [20, handleDeleteTopics],
  [21, handleDeleteRecords],
  [22, handleInitProducerId],
  [23, handleOffsetForLeaderEpoch],
  [32, handleDescribeConfigs],
  [33, handleAlterConfigs],
  [35, handleDescribeLogDirs],
  [37, handleCreatePartitions],
  [42, handleDeleteGroups],
  [43, handleElectLeaders],
  [44, handleIncrementalAlterConfigs],
  [45, handleAlterPartitionReassignments],
  [46, handleListPartitionReassignments],
  [47, handleOffsetDelete],
  [48, handleDescribeClientQuotas],
  [49, handleAlterClientQuotas],
  [60, handleDescribeCluster],
  [61, handleDescribeProducers],
  [63, handleBrokerHeartbeat],
  [74, handleListConfigResources],
  [75, handleDescribeTopicPartitions],
]);

export const servedApis: ReadonlyMap<number, ServedApi> = new Map(
  [...handlers].map(([key, handler]) => [
    key,
    { api: present(apiByKey(key), "a served API has messages"), handler },
  ]),
);
