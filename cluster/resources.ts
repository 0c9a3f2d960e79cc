import type { Resource } from "../kube/api.ts";
import type { Lease } from "../kube/objects.ts";
import type { BrokerCluster } from "./broker-cluster.ts";
import type { BrokerObject } from "./broker.ts";
import type { ClientQuota } from "./client-quota.ts";
import type { LeadershipShard } from "./leadership-shard.ts";
import type { PartitionSlice } from "./partition-slice.ts";
import type { Topic } from "./topic.ts";
import type { User } from "./user.ts";

export const GROUP = "forebay.dev";
export const VERSION = "v1alpha1";
export const API_VERSION = `${GROUP}/${VERSION}`;

export const brokerClusters: Resource<BrokerCluster> = {
  group: GROUP,
  version: VERSION,
  plural: "brokerclusters",
  kind: "BrokerCluster",
};
export const topics: Resource<Topic> = {
  group: GROUP,
  version: VERSION,
  plural: "topics",
  kind: "Topic",
};
export const partitionSlices: Resource<PartitionSlice> = {
  group: GROUP,
  version: VERSION,
  plural: "partitionslices",
  kind: "PartitionSlice",
};
export const leadershipShards: Resource<LeadershipShard> = {
  group: GROUP,
  version: VERSION,
  plural: "leadershipshards",
  kind: "LeadershipShard",
};
export const brokers: Resource<BrokerObject> = {
  group: GROUP,
  version: VERSION,
  plural: "brokers",
  kind: "Broker",
};
export const clientQuotas: Resource<ClientQuota> = {
  group: GROUP,
  version: VERSION,
  plural: "clientquotas",
  kind: "ClientQuota",
};
export const users: Resource<User> = {
  group: GROUP,
  version: VERSION,
  plural: "users",
  kind: "User",
};
export const leases: Resource<Lease> = {
  group: "coordination.k8s.io",
  version: "v1",
  plural: "leases",
  kind: "Lease",
};

/** Labels on every object of a cluster; `forebay.dev/topic` holds the Topic object's name (not the Kafka name). */
export const CLUSTER_LABEL = "forebay.dev/cluster";
export const TOPIC_LABEL = "forebay.dev/topic";
export const BROKER_ID_LABEL = "forebay.dev/broker-id";
