import assert from "node:assert/strict";
import { leases } from "../../cluster/resources.ts";
import { realScheduler, sleep } from "../../lib/clock.ts";
import type { PodObject } from "../../operator/resources/workloads.ts";
import { eventually } from "../support/local-cluster.ts";
import type { Operations } from "../support/operations.ts";
import { apiWrites, writesBetween } from "./support/api-writes.ts";
import { harnessFor, kubernetesFor, skip, type TestKubernetes } from "./support/cluster.ts";
import { summary, type FailoverRun } from "./support/failover-figures.ts";
import type { Load } from "./support/load.ts";
import {
  endLoadedCluster,
  startLoadedCluster,
  type LoadedClusterOptions,
} from "./support/loaded-cluster.ts";
import { lonelyBroker, nodeOf, restartsOf, startedAgain } from "./support/pods.ts";

/** The figures are of 20 (FAILOVER_RUNS); by itself one, so that it keeps working. */
const RUNS = Number(process.env["FAILOVER_RUNS"] ?? 1);
/** Words of the stories to tell (FAILOVER_STORIES); all by itself. */
const STORIES = (process.env["FAILOVER_STORIES"] ?? "container pod controller node").split(" ");
const OPTIONS: LoadedClusterOptions = {
  namespace: "forebay-failover",
  operatorNamespace: "forebay-failover-system",
  cluster: "main",
  brokers: 3,
  partitions: 6,
  recordsPerSecond: 200,
};
const { namespace: NAMESPACE, cluster: CLUSTER } = OPTIONS;
const LIMIT_MS = 60_000;
/** Longer than any gap that was measured by a wide margin. */
const GAP_LIMIT_MS = 10_000;
/** How long a node stays cut off after its broker is out. */
const CUT_MS = 2_000;

/** The others are told when they are asked for. */
function chosen(test: Mocha.Context, story: string): void {
  if (!STORIES.includes(story)) skip(test, "FAILOVER_STORIES names others");
}

describe("failover on Kubernetes", function () {
  this.timeout(60_000 + RUNS * LIMIT_MS);
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

  it("of a broker whose container is killed", async function () {
    chosen(this, "container");
    const harness = harnessFor(this, kubernetes, "nodes cannot be reached from here");
    await tell("container killed", async (run) => {
      const victim = await leader(run, "not the controller");
      return {
        victim,
        act: async () => {
          await harness.killContainer(victim);
          await startedAgain(operations, victim);
        },
      };
    });
  });

  it("of a broker whose pod is deleted by force", async function () {
    chosen(this, "pod");
    await tell("pod deleted by force", async (run) => {
      const victim = await leader(run, "any");
      return {
        victim,
        act: async () => {
          const now = ["--grace-period=0", "--force"];
          await kubernetes.kubectl("-n", NAMESPACE, "delete", "pod", victim.metadata.name, ...now);
          await startedAgain(operations, victim);
        },
      };
    });
  });

  it("of the controller whose container is killed", async function () {
    chosen(this, "controller");
    const harness = harnessFor(this, kubernetes, "nodes cannot be reached from here");
    await tell("controller's container killed", async () => {
      const victim = await podNamed(`${CLUSTER}-${await controller()}`);
      return {
        victim,
        act: async () => {
          await harness.killContainer(victim);
          await startedAgain(operations, victim);
        },
      };
    });
  });

  it("of a broker whose node is cut off from the network", async function () {
    chosen(this, "node");
    const harness = harnessFor(this, kubernetes, "nodes cannot be reached from here");
    await tell("node cut off", async (run) => {
      const victim = await lonelyBroker(kubernetes, operations, NAMESPACE, run);
      return {
        victim,
        act: async () => {
          await harness.change(nodeOf(victim), "cut");
          try {
            await outOfSync(idOf(victim));
            await sleep(realScheduler, CUT_MS);
          } finally {
            await harness.change(nodeOf(victim), "heal");
          }
        },
      };
    });
  });

  it("loses, doubles and reorders no acknowledged record in all that", async () => {
    const { acknowledged, stored, lost, duplicated, outOfOrder } = await load.verdict();
    console.log(`    ${acknowledged} records acknowledged, ${stored} stored`);
    assert.ok(acknowledged > 1000);
    assert.deepEqual({ lost, duplicated, outOfOrder }, { lost: 0, duplicated: 0, outOfOrder: 0 });
  });

  /** Something happens to a broker RUNS times, each time after all is whole again. */
  async function tell(
    name: string,
    prepare: (
      run: number,
    ) => Promise<{ readonly victim: PodObject; readonly act: () => Promise<void> }>,
  ): Promise<void> {
    const runs: FailoverRun[] = [];
    for (let run = 0; run < RUNS; run++) {
      await operations.settled();
      const { victim, act } = await prepare(run);
      const ofController = (await controller()) === idOf(victim);
      const before = await apiWrites(kubernetes);
      await load.gap();
      const began = performance.now();
      await act();
      await operations.settled();
      const seconds = (performance.now() - began) / 1000;
      const { gapMs, slowestMs } = await load.gap();
      const writes = writesBetween(before, await apiWrites(kubernetes));
      runs.push({ gapMs, slowestMs, seconds, ofController, writes });
      assert.ok(gapMs < GAP_LIMIT_MS, `no record was acknowledged for ${gapMs.toFixed(0)} ms`);
      if (run + 1 < RUNS) await renew(victim.metadata.name);
    }
    for (const line of summary(name, runs)) console.log(`    ${line}`);
  }

  /** A container that was started again waits longer each time that it ends; that of another pod does not. */
  async function renew(name: string): Promise<void> {
    const pod = await podNamed(name);
    if (restartsOf(pod) === 0) return;
    await kubernetes.kubectl("-n", NAMESPACE, "delete", "pod", name);
    await startedAgain(operations, pod);
  }

  async function controller(): Promise<number> {
    const lease = await kubernetes.kube.get(leases, NAMESPACE, `${CLUSTER}-controller`);
    return Number(/^\d+/.exec(lease.spec?.holderIdentity ?? "")?.[0]);
  }

  async function podNamed(name: string): Promise<PodObject> {
    const pod = (await operations.podsReady()).find(({ metadata }) => metadata.name === name);
    assert.ok(pod !== undefined, name);
    return pod;
  }

  /** One that leads, another one each time. */
  async function leader(run: number, which: "any" | "not the controller"): Promise<PodObject> {
    return eventually(
      async () => {
        const slices = await operations.slices("orders");
        const spared = which === "any" ? undefined : await controller();
        const leaders = slices
          .flatMap(({ states }) => states)
          .map((one) => one?.leader)
          .filter((id) => id !== undefined && id !== spared);
        const ids = [...new Set(leaders)].sort();
        const id = ids[run % ids.length];
        return id === undefined ? undefined : podNamed(`${CLUSTER}-${id}`);
      },
      "a leader",
      LIMIT_MS,
    );
  }

  async function outOfSync(id: number): Promise<void> {
    await eventually(
      async () =>
        (await operations.slices()).every(({ states }) =>
          states.every((state) => state?.isr.includes(id) === false),
        )
          ? true
          : undefined,
      "the broker out of all in-sync replicas",
      LIMIT_MS,
    );
  }
});

function idOf({ metadata }: PodObject): number {
  return Number(metadata.name.split("-").at(-1));
}
