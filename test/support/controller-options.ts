import type { ControllerOptions } from "../../broker/controller/controller.ts";

/** What a controller is given that its test is not about: broker 0 of a cluster, which hears from nobody else. */
export const CONTROLLER_OPTIONS = {
  namespace: "n",
  self: 0,
  ownEpoch: 1,
  clusterName: "c",
  sessionTimeoutMs: 2000,
  heartbeatIntervalMs: 300,
  leaderSettleMs: 60_000,
  topicRules: () => ({ minInSyncReplicas: 1, unclean: false }),
  onMajority: () => undefined,
  heardAt: () => undefined,
  inTouch: () => true,
  panic: (error: unknown) => {
    throw error;
  },
} satisfies Partial<ControllerOptions>;
