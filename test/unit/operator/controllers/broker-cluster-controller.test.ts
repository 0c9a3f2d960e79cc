import assert from "node:assert/strict";
import { brokerClusters } from "../../../../cluster/resources.ts";
import { ForbiddenError, ServerBusyError, UnknownOutcomeError } from "../../../../kube/errors.ts";
import { seededRandom } from "../../../../lib/random.ts";
import {
  configMaps,
  networkPolicies,
  podDisruptionBudgets,
  roleBindings,
  roles,
  serviceAccounts,
  services,
  statefulSets,
} from "../../../../operator/resources/workloads.ts";
import { claims } from "../../../../local/workloads.ts";
import { ClusterWorld, NAMESPACE } from "../../../support/cluster-world.ts";

const ALL = [
  serviceAccounts,
  roles,
  roleBindings,
  configMaps,
  services,
  podDisruptionBudgets,
  networkPolicies,
  statefulSets,
];

describe("BrokerCluster controller", () => {
  let world: ClusterWorld;
  afterEach(() => {
    world.stop();
  });

  it("makes the children of a cluster, owned by it, and says when its brokers are ready", async () => {
    world = new ClusterWorld();
    await world.create({ brokers: 3 });
    await world.scheduler.advance(2000);
    const { metadata, status } = await world.cluster();
    const names: string[] = [];
    for (const resource of ALL) {
      const { items } = await world.do(world.kube.list(resource, NAMESPACE));
      for (const { metadata: child } of items) {
        names.push(`${resource.kind} ${child.name}`);
        const owner = child.ownerReferences?.[0];
        assert.equal(owner?.uid, metadata.uid);
        assert.equal(owner?.controller, true);
        assert.equal(child.labels?.["forebay.dev/cluster"], "c");
      }
    }
    assert.deepEqual(names, [
      "ServiceAccount c-broker",
      "Role c-broker",
      "RoleBinding c-broker",
      "ConfigMap c-config",
      "Service c-bootstrap",
      "Service c-brokers",
      "PodDisruptionBudget c",
      "NetworkPolicy c",
      "StatefulSet c",
    ]);
    assert.equal(await world.conditions(), "Ready BrokersReady");
    assert.equal(status?.observedGeneration, 1);
    assert.equal(status?.bootstrap, "c-bootstrap.default.svc:9092");
    assert.equal(status?.brokers, 3);
    assert.equal(status?.readyBrokers, 3);
    assert.equal(status?.selector, "forebay.dev/cluster=c");
    const events = await world.events();
    assert(events.includes("Created: created StatefulSet c with 3 brokers"), events.join("\n"));
    assert(events.some((event) => event.startsWith("Ready: 3 brokers are ready")));
  });

  it("writes nothing while nothing changes", async () => {
    world = new ClusterWorld();
    await world.ready({ brokers: 3, config: { "num.partitions": "3" } });
    await world.scheduler.advance(600_000);
    assert.deepEqual(world.writes, []);
  });

  it("writes nothing when it is started again", async () => {
    world = new ClusterWorld();
    await world.ready({ brokers: 3, resources: { requests: { cpu: 1 } } });
    world.startOperator("forebay:1");
    await world.scheduler.advance(10_000);
    assert.deepEqual(world.writes, []);
  });

  it("puts back children that were deleted, changed or had their labels taken", async () => {
    world = new ClusterWorld();
    await world.ready({ brokers: 1, config: { "num.partitions": "3" } });
    await world.do(world.kube.delete(services, NAMESPACE, "c-bootstrap"));
    const map = await world.do(world.kube.get(configMaps, NAMESPACE, "c-config"));
    await world.do(
      world.kube.replace(configMaps, NAMESPACE, { ...map, data: { "broker.properties": "x=1" } }),
    );
    const set = await world.do(world.kube.get(statefulSets, NAMESPACE, "c"));
    await world.do(
      world.kube.replace(statefulSets, NAMESPACE, {
        ...set,
        metadata: { ...set.metadata, labels: {} },
        spec: { ...set.spec, replicas: 5 },
      }),
    );
    await world.scheduler.advance(2000);
    await world.do(world.kube.get(services, NAMESPACE, "c-bootstrap"));
    const mended = await world.do(world.kube.get(configMaps, NAMESPACE, "c-config"));
    assert.equal(mended.data?.["broker.properties"], "num.partitions=3\n");
    const after = await world.do(world.kube.get(statefulSets, NAMESPACE, "c"));
    assert.equal(after.spec.replicas, 1);
    assert.equal(after.metadata.labels?.["forebay.dev/cluster"], "c");
    assert(
      (await world.events()).some((event) => event.startsWith("ChildRestored: Service c-boot")),
    );
    assert.deepEqual(
      world.fakes.restarts.filter((id) => id === 0),
      [],
      "broker 0 was left alone",
    );
  });

  it("changes nothing while it is paused, and says so", async () => {
    world = new ClusterWorld();
    await world.ready({ brokers: 1 });
    await world.change({ brokers: 3 }, { "forebay.dev/paused": "true" });
    await world.do(world.kube.delete(services, NAMESPACE, "c-bootstrap"));
    await world.scheduler.advance(60_000);
    assert.deepEqual(world.writes, ["replace brokerclusters c"]);
    assert.equal(await world.conditions(), "Ready BrokersReady, Paused PausedByAnnotation");
    await world.change({}, { "forebay.dev/paused": "false" });
    await world.scheduler.advance(5000);
    assert.equal((await world.set()).spec.replicas, 3);
    assert.equal(await world.conditions(), "Ready BrokersReady");
  });

  it("leaves the last good children when the spec is bad, and heals when it is corrected", async () => {
    world = new ClusterWorld();
    await world.ready({ brokers: 3 });
    const before = await world.set();
    await world.change({ brokers: 2, config: { "min.insync.replicas": "3" } });
    await world.scheduler.advance(60_000);
    assert.equal(await world.conditions(), "Stalled MinInSyncReplicasTooHigh");
    assert.match((await world.message("Stalled")) ?? "", /lower it in spec.config or raise/);
    assert.deepEqual((await world.set()).spec, before.spec);
    assert.equal((await world.cluster()).status?.observedGeneration, 2);
    assert((await world.events()).some((event) => event.startsWith("MinInSyncReplicasTooHigh")));
    await world.change({ config: { "min.insync.replicas": "2" } });
    await world.scheduler.advance(10_000);
    assert.equal((await world.set()).spec.replicas, 2);
    assert.equal(await world.conditions(), "Ready BrokersReady");
  });

  it("does not take over somebody else's object of the same name", async () => {
    world = new ClusterWorld();
    const foreign = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "c-config", namespace: NAMESPACE },
      data: { mine: "yes" },
    };
    await world.do(world.kube.create(configMaps, NAMESPACE, foreign));
    await world.create({ brokers: 1 });
    await world.scheduler.advance(1000);
    assert.equal(await world.conditions(), "Stalled NameTaken");
    const kept = await world.do(world.kube.get(configMaps, NAMESPACE, "c-config"));
    assert.deepEqual(kept.data, { mine: "yes" });
    await world.do(world.kube.delete(configMaps, NAMESPACE, "c-config"));
    await world.scheduler.advance(60_000);
    assert.equal(await world.conditions(), "Ready BrokersReady");
  });

  it("says what it may not write, and goes on when it may", async () => {
    let forbidden = true;
    world = new ClusterWorld({
      fault: ({ verb, resource }) =>
        forbidden && verb === "apply" && resource.plural === "services"
          ? { before: new ForbiddenError(403, "Forbidden", "exceeded quota") }
          : undefined,
    });
    await world.create({ brokers: 1 });
    await world.scheduler.advance(1000);
    assert.equal(await world.conditions(), "Stalled ChildForbidden");
    assert.match((await world.message("Stalled")) ?? "", /exceeded quota/);
    forbidden = false;
    await world.scheduler.advance(60_000);
    assert.equal(await world.conditions(), "Ready BrokersReady");
  });

  it("gets there although calls fail before or after they take effect", async () => {
    const random = seededRandom(3);
    world = new ClusterWorld({
      fault: () => {
        const chance = random.next();
        if (chance < 0.15) return { before: new ServerBusyError(500, "InternalError", "no") };
        return chance < 0.25 ? { after: new UnknownOutcomeError("no answer") } : undefined;
      },
    });
    await world.create({ brokers: 3 });
    await world.scheduler.advance(600_000);
    assert.equal(await world.conditions(), "Ready BrokersReady");
    await world.change({ config: { "num.partitions": "2" } });
    // Each of three restarts is planned on seven reads, which one in eight times all succeed.
    await world.scheduler.advance(3_000_000);
    assert.deepEqual(world.fakes.restarts.toSorted(), [0, 1, 2]);
    assert.equal(await world.conditions(), "Ready BrokersReady");
  });

  it("leaves a cluster that is going away alone, and its volumes behind", async () => {
    world = new ClusterWorld();
    await world.ready({ brokers: 1 });
    await world.do(world.kube.delete(brokerClusters, NAMESPACE, "c"));
    await world.scheduler.advance(10_000);
    for (const resource of ALL) {
      const { items } = await world.do(world.kube.list(resource, NAMESPACE));
      assert.deepEqual(items, []);
    }
    assert.deepEqual(await world.pods(), []);
    assert.deepEqual(await world.claimSizes(), ["data-c-0 10Gi"]);
  });

  describe("number of brokers", () => {
    it("takes brokers away only when no partition is on them any more", async () => {
      world = new ClusterWorld();
      await world.ready({ brokers: 5 });
      await world.topic("t", [
        [0, 1, 3],
        [1, 2, 0],
      ]);
      await world.change({ brokers: 3 });
      await world.scheduler.advance(2000);
      assert.equal((await world.set()).spec.replicas, 4, "broker 4 held nothing");
      assert.equal(await world.conditions(), "Reconciling DrainingBrokers");
      assert.equal(
        await world.message("Reconciling"),
        "broker 3 holds 1 replicas that have to move first, for example that of t-0 on broker 3",
      );
      await world.place("t", [
        [0, 1, 2],
        [1, 2, 0],
      ]);
      await world.scheduler.advance(2000);
      assert.equal((await world.set()).spec.replicas, 4, "it is still in sync");
      await world.inSync("t", [
        [0, 1, 2],
        [1, 2, 0],
      ]);
      await world.scheduler.advance(2000);
      assert.equal((await world.set()).spec.replicas, 3);
      assert.equal(await world.conditions(), "Ready BrokersReady");
      assert.deepEqual(world.fakes.restarts, [4, 3]);
    });

    it("names the topics that have more replicas than there would be brokers", async () => {
      world = new ClusterWorld();
      await world.ready({ brokers: 3 });
      await world.topic("wide", [[0, 1, 2]]);
      await world.change({ brokers: 2 });
      await world.scheduler.advance(2000);
      assert.match((await world.message("Reconciling")) ?? "", /lower their spec.replicas: wide$/);
    });

    it("takes nothing away for a wish that is no longer the newest", async () => {
      let late = false;
      world = new ClusterWorld({
        fault: ({ verb, resource }) =>
          late && verb === "watch" && resource.plural === "brokerclusters"
            ? { delayMs: 5000 }
            : undefined,
      });
      await world.ready({ brokers: 3 });
      late = true;
      await world.change({ brokers: 2 });
      await world.change({ brokers: 3 });
      await world.scheduler.advance(60_000);
      assert.deepEqual(world.fakes.restarts, []);
      assert.equal((await world.set()).spec.replicas, 3);
    });

    it("adds brokers at once", async () => {
      world = new ClusterWorld();
      await world.ready({ brokers: 1 });
      await world.change({ brokers: 3 });
      await world.scheduler.advance(2000);
      assert.equal(await world.conditions(), "Ready BrokersReady");
      assert.equal((await world.cluster()).status?.brokers, 3);
      assert((await world.events()).includes("ScalingUp: from 1 to 3 of 3 wanted brokers"));
    });
  });

  describe("volumes", () => {
    it("grow one by one, and those of brokers that come later too", async () => {
      world = new ClusterWorld();
      await world.ready({ brokers: 1, storage: { size: "10Gi" } });
      await world.change({ brokers: 2, storage: { size: "20Gi" } });
      await world.scheduler.advance(5000);
      assert.deepEqual(await world.claimSizes(), ["data-c-0 20Gi", "data-c-1 20Gi"]);
      assert.deepEqual(world.fakes.restarts, []);
      assert.equal(await world.conditions(), "Ready BrokersReady");
    });

    it("cannot shrink", async () => {
      world = new ClusterWorld();
      await world.ready({ brokers: 1, storage: { size: "10Gi" } });
      await world.change({ storage: { size: "5Gi" } });
      await world.scheduler.advance(5000);
      assert.equal(await world.conditions(), "Stalled StorageCannotShrink");
      await world.change({ storage: { size: "10240Mi" } });
      await world.scheduler.advance(5000);
      assert.equal(await world.conditions(), "Ready BrokersReady");
    });

    it("that may not grow are told of", async () => {
      world = new ClusterWorld({
        fault: ({ verb, resource }) =>
          verb === "jsonPatch" && resource.plural === claims.plural
            ? { before: new ForbiddenError(403, "Forbidden", "must support resize") }
            : undefined,
      });
      await world.ready({ brokers: 1 });
      await world.change({ storage: { size: "20Gi" } });
      await world.scheduler.advance(5000);
      assert.equal(await world.conditions(), "Stalled VolumeExpansionRefused");
    });
  });
});
