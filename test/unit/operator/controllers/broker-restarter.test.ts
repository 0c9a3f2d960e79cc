import assert from "node:assert/strict";
import type { BrokerCluster } from "../../../../cluster/broker-cluster.ts";
import { brokerClusters, topics } from "../../../../cluster/resources.ts";
import { pods } from "../../../../local/workloads.ts";
import { statefulSets } from "../../../../operator/resources/workloads.ts";
import { ClusterWorld, NAMESPACE } from "../../../support/cluster-world.ts";

describe("BrokerCluster controller rolling restart", () => {
  let world: ClusterWorld;
  afterEach(() => {
    world.stop();
  });

  it("restarts all brokers one by one, the controller's last, when the configuration changes", async () => {
    world = new ClusterWorld();
    await world.ready({ brokers: 3 });
    await world.controller(2);
    await world.topic("t", [
      [0, 1, 2],
      [1, 2, 0],
      [2, 0, 1],
    ]);
    world.fakes.leastReady = 3;
    await world.change({ config: { "num.partitions": "4" } });
    await world.scheduler.advance(30);
    assert.equal(await world.conditions(), "Reconciling RollingRestart");
    await world.scheduler.advance(10_000);
    assert.deepEqual(world.fakes.restarts, [1, 0, 2]);
    assert.equal(world.fakes.leastReady, 2);
    assert.equal(await world.conditions(), "Ready BrokersReady");
  });

  it("waits for replicas to be back in sync", async () => {
    world = new ClusterWorld();
    await world.ready({ brokers: 3 });
    await world.topic("t", [[0, 1, 2]], { minInSyncReplicas: 1 });
    world.fakes.lagging.add(2);
    await world.change({}, { "forebay.dev/restart": "now" });
    await world.scheduler.advance(60_000);
    assert.deepEqual(world.fakes.restarts, [2]);
    assert.equal(await world.conditions(), "Reconciling RollingRestart");
    assert.equal(
      await world.message("Reconciling"),
      "brokers 0, 1 are still to be restarted; 1 replicas on restarted brokers are not in sync, for example that of t-0 on broker 2",
    );
    world.fakes.lagging.clear();
    await world.inSync("t", [[0, 1, 2]]);
    await world.scheduler.advance(10_000);
    assert.deepEqual(world.fakes.restarts, [2, 1, 0]);
    assert.equal(await world.conditions(), "Ready BrokersReady");
  });

  it("leaves brokers that a partition cannot do without until it can", async () => {
    world = new ClusterWorld();
    await world.ready({ brokers: 4 });
    await world.topic("t", [[0, 1, 2]]);
    await world.inSync("t", [[0, 1]]);
    world.fakes.lagging.add(2);
    await world.change({ image: "forebay:2" });
    await world.scheduler.advance(10_000);
    assert.deepEqual(world.fakes.restarts, [3, 2]);
    await world.inSync("t", [[0, 1, 2]]);
    await world.scheduler.advance(10_000);
    assert.deepEqual(world.fakes.restarts, [3, 2, 1, 0]);
  });

  it("names topics with one replica before it restarts their brokers all the same", async () => {
    const before: Promise<BrokerCluster>[] = [];
    world = new ClusterWorld({
      fault: ({ verb, resource }) => {
        // Read before the pod is deleted.
        if (verb === "delete" && resource.plural === "pods") {
          before.push(world.kube.get(brokerClusters, NAMESPACE, "c"));
        }
        return undefined;
      },
    });
    await world.ready({ brokers: 2 });
    await world.topic("single", [[1], [0]], { replicas: 1 });
    await world.change({ config: { "num.partitions": "4" } });
    const first = await world.do(before[0] ?? Promise.reject(new Error("nothing was deleted")));
    const named = first.status?.conditions?.find(({ type }) => type === "RestartInterrupts");
    assert.match(named?.message ?? "", /^2 partitions .*: single \(2\); /);
    await world.scheduler.advance(10_000);
    assert.deepEqual(world.fakes.restarts, [1, 0]);
    assert.equal(await world.conditions(), "Ready BrokersReady, RestartInterrupts TooFewReplicas");
    assert((await world.events()).some((event) => event.startsWith("RestartInterrupts: ")));
  });

  it("names topics that would not survive it also while none is under way", async () => {
    world = new ClusterWorld();
    await world.ready({ brokers: 3 });
    await world.topic("single", [[1], [0]], { replicas: 1 });
    await world.topic("triple", [[0, 1, 2]]);
    await world.scheduler.advance(5_000);
    const message = await world.message("RestartInterrupts");
    assert.match(message ?? "", /^2 partitions .*: single \(2\); give them a replica more$/);
    assert.equal(await world.conditions(), "Ready BrokersReady, RestartInterrupts TooFewReplicas");
    world.writes.length = 0;
    await world.scheduler.advance(60_000);
    assert.deepEqual(world.writes, []);
    await world.do(world.kube.delete(topics, NAMESPACE, "single"));
    await world.scheduler.advance(5_000);
    assert.equal(await world.message("RestartInterrupts"), undefined);
  });

  it("heals when an image that cannot be run is corrected", async () => {
    world = new ClusterWorld({ runs: ({ spec }) => spec.containers[0]?.image !== "bad" });
    await world.ready({ brokers: 3 });
    await world.topic("t", [[0, 1, 2]]);
    await world.change({ image: "bad" });
    await world.scheduler.advance(60_000);
    assert.deepEqual(world.fakes.restarts, [2], "the others stay as long as it is not ready");
    assert.match((await world.message("Reconciling")) ?? "", /c-2: ImagePullBackOff/);
    await world.change({ image: "good" });
    await world.scheduler.advance(60_000);
    assert.deepEqual(world.fakes.restarts, [2, 2, 1, 0]);
    assert.equal(await world.conditions(), "Ready BrokersReady");
  });

  it("heals a new cluster none of whose brokers could run", async () => {
    world = new ClusterWorld({ runs: ({ spec }) => spec.containers[0]?.image !== "bad" });
    await world.create({ brokers: 3, image: "bad" });
    await world.scheduler.advance(10_000);
    assert.equal(await world.conditions(), "Reconciling BrokersNotReady");
    await world.change({ image: "good" });
    await world.scheduler.advance(10_000);
    assert.equal(await world.conditions(), "Ready BrokersReady");
  });

  it("restarts nothing when the operator is another version, until it is told to", async () => {
    world = new ClusterWorld({ image: "forebay:1" });
    await world.ready({ brokers: 3 });
    world.startOperator("forebay:2");
    await world.scheduler.advance(60_000);
    assert.deepEqual(world.fakes.restarts, []);
    assert.equal(await world.conditions(), "Ready BrokersReady, UpgradeAvailable OperatorChanged");
    assert.match(
      (await world.message("UpgradeAvailable")) ?? "",
      /image forebay:2 where forebay:1 runs/,
    );
    await world.change({ brokers: 4 });
    await world.scheduler.advance(10_000);
    assert.deepEqual(world.fakes.restarts, [], "another number of brokers is no reason either");
    await world.change({}, { "forebay.dev/restart": "1" });
    await world.scheduler.advance(60_000);
    assert.deepEqual(world.fakes.restarts, [3, 2, 1, 0]);
    assert.equal(await world.conditions(), "Ready BrokersReady");
    const images = (await world.pods()).map(({ spec }) => spec.containers[0]?.image);
    assert.deepEqual(images, ["forebay:2", "forebay:2", "forebay:2", "forebay:2"]);
  });

  it("undoes a change of the pods by somebody else without leaving the kept template", async () => {
    world = new ClusterWorld({ image: "forebay:1" });
    await world.ready({ brokers: 1 });
    world.startOperator("forebay:2");
    await world.scheduler.advance(1000);
    const before = await world.set();
    const { template } = before.spec;
    await world.do(
      world.kube.replace(statefulSets, NAMESPACE, {
        ...before,
        spec: {
          ...before.spec,
          template: { ...template, spec: { ...template.spec, terminationGracePeriodSeconds: 1 } },
        },
      }),
    );
    await world.scheduler.advance(5000);
    assert.deepEqual((await world.set()).spec.template, template);
  });

  it("does not restart a pod that is another one than was looked at", async () => {
    let swap = true;
    world = new ClusterWorld({
      fault: ({ verb, resource }) => {
        if (!swap || verb !== "delete" || resource.plural !== "pods") return undefined;
        swap = false;
        return { delayMs: 2000 };
      },
    });
    await world.ready({ brokers: 1 });
    await world.change({ image: "forebay:2" });
    await world.scheduler.advance(100);
    await world.do(world.kube.delete(pods, NAMESPACE, "c-0"));
    await world.scheduler.advance(20_000);
    assert.deepEqual(world.fakes.restarts, [0], "the pod that came meanwhile is left alone");
  });
});
