import assert from "node:assert/strict";
import { realScheduler, sleep } from "../../lib/clock.ts";
import { type Random, seededRandom } from "../../lib/random.ts";
import { SECOND } from "../../lib/units.ts";
import { podObjects, services, type PodObject } from "../../operator/resources/workloads.ts";
import { type Mood, MOODS } from "../faults/api-proxy.ts";
import type { Operations } from "../support/operations.ts";
import { harnessFor, kubernetesFor, type TestKubernetes } from "./support/cluster.ts";
import { FailingApi } from "./support/failing-api.ts";
import type { Load } from "./support/load.ts";
import {
  endLoadedCluster,
  startLoadedCluster,
  type LoadedClusterOptions,
} from "./support/loaded-cluster.ts";
import { restartsOf, startedAgain } from "./support/pods.ts";

/** How long the API fails, and in which order; 300 for the figures. */
const { API_OUTAGE_SECONDS = "45", API_OUTAGE_SEED = "11" } = process.env;
const OUTAGE_MS = Number(API_OUTAGE_SECONDS) * SECOND;
const OPTIONS: LoadedClusterOptions = {
  namespace: "forebay-outage",
  operatorNamespace: "forebay-outage-system",
  cluster: "main",
  brokers: 3,
  partitions: 6,
  recordsPerSecond: 200,
};
/** Brokers are not to notice that the API is away. */
const GAP_LIMIT_MS = 2000;
/** Nor that one of them is lost, for longer than this, while every second call of the others fails. */
const LOST_GAP_LIMIT_MS = 10_000;
/** A watch that has stalled just before is taken for dead after 90 s, unless it fails to show what the operator writes. */
const STALLED_LIMIT_MS = 180_000;
/** How long the API fails in every way at once. */
const DISTURBED_MS = 12_000;
/** Leaderships that return to the preferred replicas once it is calm are not the API's doing. */
const TRAIL_MS = 5000;
/** Of one mood. Operators end when they have not renewed their Lease for 10 s, which is not what this is about. */
const SHORTEST_MS = 2000;
const LONGEST_MS = 8000;

describe("an API that fails, on Kubernetes", function () {
  this.timeout(240_000 + STALLED_LIMIT_MS + OUTAGE_MS);
  let kubernetes: TestKubernetes;
  let api: FailingApi | undefined;
  let load: Load;
  let operations: Operations;

  before(async function () {
    kubernetes = await kubernetesFor(this);
    const harness = harnessFor(this, kubernetes, "pods cannot be led to a proxy here");
    api = await FailingApi.start(harness, Number(API_OUTAGE_SEED));
    ({ load, operations } = await startLoadedCluster(kubernetes, OPTIONS));
  });

  after(async () => {
    await api?.stop();
    // Undefined also when it could not be started.
    if (kubernetes !== undefined) await endLoadedCluster(kubernetes, OPTIONS);
  });

  it(`demotes nobody and restarts nothing in ${API_OUTAGE_SECONDS} s, and all is well when it is back`, async () => {
    assert.ok(api !== undefined);
    await operations.settled();
    await sleep(realScheduler, TRAIL_MS);
    const leaders = await operations.leaders();
    const pods = await lives();
    const before = await load.gap();
    const spoilt = await fail(api, seededRandom(Number(API_OUTAGE_SEED)));
    const { gapMs, slowestMs, acked } = await load.gap();
    const began = performance.now();
    await operations.settled();
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(
      `    requests spoilt: ${JSON.stringify(spoilt)}`,
      `\n    ${acked - before.acked} records acknowledged, longest gap ${gapMs.toFixed(0)} ms, a batch waited ${slowestMs.toFixed(0)} ms at most; settled after ${seconds} s`,
    );
    assert.deepEqual(await operations.leaders(), leaders);
    assert.deepEqual(await lives(), pods);
    assert.ok(gapMs < GAP_LIMIT_MS, `no record was acknowledged for ${gapMs.toFixed(0)} ms`);
    assert.ok(Object.keys(spoilt).length > 5, "most moods have met a request");
  });

  it("delays what is to be done for a lost broker and for new wishes, and all of it is done", async function () {
    const harness = harnessFor(this, kubernetes, "nodes cannot be reached from here");
    assert.ok(api !== undefined);
    const { kube } = kubernetes;
    const [victim] = await operations.podsReady();
    assert.ok(victim !== undefined);
    const bootstrap = `${OPTIONS.cluster}-bootstrap`;
    await load.gap();
    await api.mood("everything");
    await harness.killContainer(victim);
    await kube.delete(services, OPTIONS.namespace, bootstrap);
    await operations.makeTopic("late", { partitions: 3 });
    await sleep(realScheduler, DISTURBED_MS);
    const spoilt = await api.mood("well");
    const began = performance.now();
    await startedAgain(operations, victim);
    await operations.settled(STALLED_LIMIT_MS);
    await kube.get(services, OPTIONS.namespace, bootstrap);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    const { gapMs, slowestMs } = await load.gap();
    console.log(
      `    requests spoilt: ${JSON.stringify(spoilt)}`,
      `\n    longest gap ${gapMs.toFixed(0)} ms, a batch waited ${slowestMs.toFixed(0)} ms at most; settled after ${seconds} s`,
    );
    assert.ok(gapMs < LOST_GAP_LIMIT_MS, `no record was acknowledged for ${gapMs.toFixed(0)} ms`);
  });

  it("is needed for none of what was acknowledged", async () => {
    const { acknowledged, stored, lost, duplicated, outOfOrder } = await load.verdict();
    console.log(`    ${acknowledged} records acknowledged, ${stored} stored`);
    assert.ok(acknowledged > 1000);
    assert.deepEqual({ lost, duplicated, outOfOrder }, { lost: 0, duplicated: 0, outOfOrder: 0 });
  });

  /** All pods of brokers and operators: how often they began, and since when they are ready. */
  async function lives(): Promise<readonly string[]> {
    const { kube } = kubernetes;
    const operators = await kube.list(podObjects, OPTIONS.operatorNamespace);
    return [...operators.items, ...(await operations.pods())].map(life).sort();
  }
});

/** One mood after the other, each as often as any other. @returns requests that were spoilt, by mood */
async function fail(api: FailingApi, random: Random): Promise<Readonly<Record<string, number>>> {
  const end = realScheduler.now() + OUTAGE_MS;
  let left: Mood[] = [];
  while (realScheduler.now() < end) {
    if (left.length === 0) left = MOODS.filter((one) => one !== "well");
    const [mood = "well"] = left.splice(random.below(left.length), 1);
    const ms = SHORTEST_MS + random.below(LONGEST_MS - SHORTEST_MS);
    console.log(`    ${mood} for ${ms} ms`);
    await api.mood(mood);
    // Lists are asked for when watches end.
    if (mood === "staleLists" || random.below(2) === 0) await api.breakWatches();
    await sleep(realScheduler, Math.min(ms, end - realScheduler.now()));
  }
  return api.mood("well");
}

function life(pod: PodObject): string {
  const { name, uid = "" } = pod.metadata;
  const ready = (pod.status?.conditions ?? []).find(({ type }) => type === "Ready");
  const { status = "", lastTransitionTime = "" } = (ready ?? {}) as {
    readonly status?: string;
    readonly lastTransitionTime?: string;
  };
  return `${name} ${uid} restarted ${restartsOf(pod)} times, ready ${status} since ${lastTransitionTime}`;
}
