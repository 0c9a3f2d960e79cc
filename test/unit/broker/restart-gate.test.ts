import assert from "node:assert/strict";
import { startAdminServer } from "../../../broker/admin/server.ts";
import type { RecordedPartition } from "../../../broker/metadata/partition-records.ts";
import { restartGate, type RestartGate } from "../../../broker/restart-gate.ts";
import type { PartitionPlacement } from "../../../cluster/partition-slice.ts";
import { topics } from "../../../cluster/resources.ts";
import { MetricsRegistry } from "../../../lib/metrics.ts";
import { startInProcessCluster } from "../../support/in-process-cluster.ts";
import { eventually } from "../../support/local-cluster.ts";
import { recordedSlices } from "../../support/recorded-slices.ts";

const BASE_PORT = 21_560;

function record(
  topic: string,
  placement: PartitionPlacement | readonly number[],
  isr?: readonly number[],
): RecordedPartition {
  const own: PartitionPlacement = "replicas" in placement ? placement : { replicas: placement };
  const inSync = isr ?? own.replicas;
  return {
    topic,
    topicId: topic,
    partition: 0,
    key: `${topic}.0`,
    slice: topic,
    shard: "c-leaders-0000",
    placement: own,
    state: { leader: inSync[0] ?? -1, leaderEpoch: 0, isr: inSync, elr: [], partitionEpoch: 0 },
  };
}

/** What broker 0 says, in one line. */
function told(
  partitions: readonly RecordedPartition[],
  rest: { readonly ready?: boolean; readonly inTouch?: boolean; readonly minimum?: number } = {},
): string {
  const { behind, neededFor, interrupted } = restartGate({
    self: 0,
    ready: rest.ready ?? true,
    inTouch: rest.inTouch ?? true,
    partitions,
    minInSyncReplicas: () => rest.minimum ?? 2,
  });
  const names = interrupted.map(({ topic, partitions: count }) => `${topic} ${count}`);
  return [
    behind.length === 0 ? "caught up" : "behind",
    neededFor.length === 0 ? "may stop" : "needed",
    ...names,
  ].join(", ");
}

describe("a broker's side of the restart gate", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ["all in sync", told([record("t", [0, 1, 2])]), "caught up, may stop"],
    ["nothing of its own", told([record("t", [1, 2, 3], [1])]), "caught up, may stop"],
    ["another one out of sync", told([record("t", [0, 1, 2], [0, 1])]), "caught up, needed"],
    ["itself out of sync", told([record("t", [0, 1, 2], [1, 2])]), "behind, may stop"],
    ["itself and another out of sync", told([record("t", [0, 1, 2], [1])]), "behind, needed"],
    [
      "a minimum that allows for two lost",
      told([record("t", [0, 1, 2], [0, 1])], { minimum: 1 }),
      "caught up, may stop",
    ],
    [
      "a replica that is being brought to it",
      told([record("t", { replicas: [1, 2, 0], adding: [0] }, [1, 2])]),
      "caught up, may stop",
    ],
    [
      "a replica that is to leave it while its successor is not in sync",
      told([record("t", { replicas: [0, 1, 2, 3], adding: [3], removing: [0] }, [0, 1, 2])]),
      "caught up, may stop",
    ],
    ["the only replica", told([record("t", [0])], { minimum: 1 }), "caught up, may stop, t 1"],
    [
      "too few replicas for the minimum, one out of sync",
      told([record("t", [0, 1], [0])]),
      "caught up, needed, t 1",
    ],
    ["not registered", told([], { ready: false }), "behind, needed"],
    ["out of touch", told([], { inTouch: false }), "behind, needed"],
  ];
  for (const [what, found, expected] of cases) {
    it(`says with ${what}: ${expected}`, () => {
      assert.equal(found, expected);
    });
  }

  it("is asked by HTTP", async () => {
    let gate: RestartGate = { behind: [], neededFor: [], interrupted: [] };
    const server = await startAdminServer({
      host: "127.0.0.1",
      port: 0,
      ready: () => true,
      restartGate: () => gate,
      metrics: new MetricsRegistry(),
    });
    const ask = async (path: string): Promise<string> => {
      const response = await fetch(`http://127.0.0.1:${server.port}${path}`);
      return `${response.status} ${await response.text()}`;
    };
    try {
      assert.equal(await ask("/caught-up"), "200 ok\n");
      assert.equal(await ask("/safe-to-stop"), "200 ok\n");
      gate = { ...gate, interrupted: [{ topic: "single", partitions: 4 }] };
      assert.match(await ask("/safe-to-stop"), /^200 ok\n4 partitions of single cannot/);
      gate = {
        ...gate,
        behind: Array.from({ length: 25 }, (_, at) => `t-${at}`),
        neededFor: ["orders-3 would have 1 in-sync replicas and needs 2"],
      };
      assert.match(await ask("/caught-up"), /^503 t-0\n[^]*t-19\nand 5 more\n$/);
      assert.equal(await ask("/safe-to-stop"), `503 ${gate.neededFor[0] ?? ""}\n`);
    } finally {
      await server.close();
    }
  });

  it("changes as brokers stop and come back", async () => {
    const cluster = await startInProcessCluster({ brokers: 3, basePort: BASE_PORT });
    const becomes = (id: number, behind: number, neededFor: number): Promise<unknown> =>
      eventually(() => {
        const gate = cluster.brokers[id]?.restartGate;
        const is = gate?.behind.length === behind && gate.neededFor.length === neededFor;
        return Promise.resolve(is || undefined);
      }, `broker ${id}: ${behind} replicas behind, needed for ${neededFor} partitions`);
    try {
      await cluster.kube.create(topics, "default", {
        apiVersion: "forebay.dev/v1alpha1",
        kind: "Topic",
        metadata: { name: "orders", namespace: "default" },
        spec: { cluster: "test", partitions: 4, minInSyncReplicas: 2 },
      });
      await eventually(async () => {
        const [slice] = await recordedSlices(cluster.kube, "default");
        return slice?.states.every((state) => state?.isr.length === 3) || undefined;
      }, "all in sync");
      await becomes(0, 0, 0);
      await cluster.brokers[2]?.drain();
      await becomes(2, 1, 1);
      await becomes(0, 0, 4);
      await cluster.start(2);
      await becomes(2, 0, 0);
      await becomes(0, 0, 0);
    } finally {
      await cluster.stop();
    }
  });
});
