import assert from "node:assert/strict";
import { realScheduler, sleep } from "../../lib/clock.ts";
import { SECOND } from "../../lib/units.ts";
import { eventually } from "../support/local-cluster.ts";
import type { Operations } from "../support/operations.ts";
import { apiWrites, writesBetween } from "./support/api-writes.ts";
import { kubernetesFor, type TestKubernetes } from "./support/cluster.ts";
import type { Load } from "./support/load.ts";
import {
  endLoadedCluster,
  startLoadedCluster,
  type LoadedClusterOptions,
} from "./support/loaded-cluster.ts";

/** How long nobody may write; 300 for the figures. */
const { REST_SECONDS = "20" } = process.env;
const OPTIONS: LoadedClusterOptions = {
  namespace: "forebay-healing",
  operatorNamespace: "forebay-healing-system",
  cluster: "main",
  brokers: 3,
  partitions: 6,
  recordsPerSecond: 200,
};
/** Longer than any gap that was measured by a wide margin. */
const GAP_LIMIT_MS = 10_000;
const LIMIT_MS = 120_000;
/** Statuses that follow from what happened before are written within this time. */
const TRAIL_MS = 5000;

describe("rest and healing on Kubernetes", function () {
  this.timeout(300_000 + Number(REST_SECONDS) * SECOND);
  let kubernetes: TestKubernetes;
  let load: Load;
  let operations: Operations;

  before(async function () {
    kubernetes = await kubernetesFor(this);
    ({ load, operations } = await startLoadedCluster(kubernetes, OPTIONS));
  });

  after(async () => {
    // Undefined also when it could not be started.
    if (kubernetes !== undefined) await endLoadedCluster(kubernetes, OPTIONS);
  });

  async function tell(name: string, act: () => Promise<unknown>): Promise<void> {
    const { seconds, gapMs } = await operations.timed(act);
    console.log(`    ${name}: ${seconds.toFixed(1)} s, longest gap ${gapMs.toFixed(0)} ms`);
    assert.ok(gapMs < GAP_LIMIT_MS, `no record was acknowledged for ${gapMs.toFixed(0)} ms`);
  }

  it("nobody writes anything of ours while nothing happens", async () => {
    await operations.settled();
    await sleep(realScheduler, TRAIL_MS);
    const before = await apiWrites(kubernetes);
    await sleep(realScheduler, Number(REST_SECONDS) * SECOND);
    const writes = [...writesBetween(before, await apiWrites(kubernetes))];
    console.log(`    ${REST_SECONDS} s at rest`);
    assert.deepEqual(
      writes.filter(([, count]) => count > 0),
      [],
    );
  });

  it("an image that is not there stops one broker, and heals when it is taken back", async () => {
    const before = await operations.pods();
    await tell("an image that is not there, and back", async () => {
      await operations.changeCluster({ image: "localhost/forebay:none" });
      await eventually(
        async () => {
          const cluster = await operations.cluster();
          const told = cluster.status?.conditions?.find(({ type }) => type === "Reconciling");
          return /ErrImage|ImagePull/.test(told?.message ?? "") || undefined;
        },
        "the reason in the status",
        LIMIT_MS,
      );
      await operations.changeCluster({ image: undefined });
      await operations.settled();
    });
    const kept = (await operations.pods()).filter((pod) =>
      before.some(({ metadata }) => metadata.uid === pod.metadata.uid),
    );
    assert.equal(kept.length, OPTIONS.brokers - 1, "the others were left as they were");
  });

  it("nothing acknowledged was lost, doubled or reordered in all that", async () => {
    const { acknowledged, stored, lost, duplicated, outOfOrder } = await load.verdict();
    console.log(`    ${acknowledged} records acknowledged, ${stored} stored`);
    assert.ok(acknowledged > 1000);
    assert.deepEqual({ lost, duplicated, outOfOrder }, { lost: 0, duplicated: 0, outOfOrder: 0 });
  });
});
