import { byAge, entityKey, type ClientQuota } from "../../cluster/client-quota.ts";
import { kstatus, withConditions } from "../../cluster/conditions.ts";
import type { User } from "../../cluster/user.ts";
import type { EpochMillis } from "../../lib/units.ts";

type Verdict = Parameters<typeof kstatus>[0];
type ClientStatus = NonNullable<(User | ClientQuota)["status"]>;

/**
 * Status of a User (pure). Stalled in any case: who waits for a User to be Ready must not be told that somebody is kept out.
 * @param known whether there is its cluster
 */
export function userStatus(user: User, known: boolean, wallNow: EpochMillis): ClientStatus {
  const message =
    "brokers neither authenticate clients nor check ACLs yet, so this User has no effect; for limits make a ClientQuota";
  return statusOf(
    user,
    known
      ? { is: "stalled", reason: "NotSupported", message }
      : clusterNotFound("User", user.spec.cluster),
    wallNow,
  );
}

/**
 * Status of a ClientQuota (pure).
 * @param all those of its namespace, itself too
 * @param known whether there is its cluster
 */
export function clientQuotaStatus(
  quota: ClientQuota,
  all: Iterable<ClientQuota>,
  known: boolean,
  wallNow: EpochMillis,
): ClientStatus {
  return statusOf(quota, quotaVerdict(quota, all, known), wallNow);
}

function quotaVerdict(quota: ClientQuota, all: Iterable<ClientQuota>, known: boolean): Verdict {
  const { cluster, entity, limits = {} } = quota.spec;
  if (!known) return clusterNotFound("ClientQuota", cluster);
  const key = entityKey(entity);
  const [first] = [...all]
    .filter(({ spec }) => spec.cluster === cluster && entityKey(spec.entity) === key)
    .sort(byAge);
  if (first !== undefined && first.metadata.uid !== quota.metadata.uid) {
    return {
      is: "stalled",
      reason: "Superseded",
      message: `the ClientQuota "${first.metadata.name}", which is older, is for the same entity and counts; change that one, or delete one of the two`,
    };
  }
  return Object.keys(limits).length === 0
    ? { is: "ready", reason: "Unlimited", message: "it sets no limit" }
    : { is: "ready", reason: "InForce", message: "each broker of the cluster keeps to it" };
}

function clusterNotFound(kind: string, cluster: string): Verdict {
  return {
    is: "stalled",
    reason: "ClusterNotFound",
    message: `there is no BrokerCluster "${cluster}" in this namespace; create it, or make this ${kind} anew with another spec.cluster`,
  };
}

function statusOf(
  { metadata, status }: User | ClientQuota,
  verdict: Verdict,
  wallNow: EpochMillis,
): ClientStatus {
  const { generation } = metadata;
  return {
    ...status,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: withConditions(status?.conditions, kstatus(verdict), generation, wallNow),
  };
}
