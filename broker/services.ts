import type { BrokerId } from "../cluster/broker.ts";
import type { BrokerConfig } from "./config.ts";
import type { BrokerEnvironment } from "./environment.ts";
import type { GroupCoordinator } from "./coordinator/group/group-coordinator.ts";
import type { LogManager } from "./log/types.ts";
import type { MetadataView } from "./metadata/view.ts";
import type { Controller } from "./controller/controller.ts";
import type { ElectionRequests } from "./controller/election-requests.ts";
import type { FetchSessionCache } from "./fetch-session.ts";
import type { ClientQuotas } from "./quotas/client-quotas.ts";
import type { QuotaAdmin } from "./quotas/quota-admin.ts";
import type { QuotaTable } from "./quotas/quota-table.ts";
import type { Replicas } from "./replication/types.ts";
import type { TopicAdmin } from "./topic-admin.ts";

/** What the handlers of the Kafka protocol are given. */
export interface BrokerServices {
  readonly brokerId: BrokerId;
  readonly namespace: string;
  readonly config: BrokerConfig;
  readonly environment: BrokerEnvironment;
  readonly metadata: MetadataView;
  readonly replicas: Replicas;
  /** What the logs lie on. */
  readonly volume: Pick<LogManager, "usage">;
  readonly quotas: ClientQuotas;
  readonly quotaTable: QuotaTable;
  readonly quotaAdmin: QuotaAdmin;
  readonly topicAdmin: TopicAdmin;
  readonly groups: GroupCoordinator;
  readonly controller: Controller;
  readonly elections: ElectionRequests;
  readonly fetchSessions: FetchSessionCache;
}
