import assert from "node:assert/strict";
import type { BrokerCluster } from "../../../../cluster/broker-cluster.ts";
import { brokerClusters, topics } from "../../../../cluster/resources.ts";
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
import { claims, pods } from "../../../../local/workloads.ts";
import {
  ClusterWorld,
  NAMESPACE,
  type ClusterWorldOptions,
} from "../../../support/cluster-world.ts";

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
  const start = (options?: ClusterWorldOptions): ClusterWorld => {
    world = new ClusterWorld(options);
    return world;
  };
  afterEach(() => {
    world.stop();
  });

  it("makes the children of a cluster, owned by it, and says when its brokers are ready", async () => {
    start();
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
    start();
    await world.ready({ brokers: 3, config: { "num.partitions": "3" } });
    await world.scheduler.advance(600_000);
    assert.deepEqual(world.writes, []);
  });

  it("writes nothing when it is started again", async () => {
    start();
    await world.ready({ brokers: 3, resources: { requests: { cpu: 1 } } });
    world.startOperator("forebay:1");
    await world.scheduler.advance(10_000);
    assert.deepEqual(world.writes, []);
  });

  it("puts back children that were deleted, changed or had their labels taken", async () => {
    start();
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
    start();
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
    start();
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
    start();
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
    start({
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
    start({
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
    start();
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
      start();
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
      start();
      await world.ready({ brokers: 3 });
      await world.topic("wide", [[0, 1, 2]]);
      await world.change({ brokers: 2 });
      await world.scheduler.advance(2000);
      assert.match((await world.message("Reconciling")) ?? "", /lower their spec.replicas: wide$/);
    });

    it("takes nothing away for a wish that is no longer the newest", async () => {
      let late = false;
      start({
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
      start();
      await world.ready({ brokers: 1 });
      await world.change({ brokers: 3 });
      await world.scheduler.advance(2000);
      assert.equal(await world.conditions(), "Ready BrokersReady");
      assert.equal((await world.cluster()).status?.brokers, 3);
      assert((await world.events()).includes("ScalingUp: from 1 to 3 of 3 wanted brokers"));
    });
  });

  describe("rolling restart", () => {
    it("restarts all brokers one by one, the controller's last, when the configuration changes", async () => {
      start();
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
      start();
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
      start();
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
      start({
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
      assert.equal(
        await world.conditions(),
        "Ready BrokersReady, RestartInterrupts TooFewReplicas",
      );
      assert((await world.events()).some((event) => event.startsWith("RestartInterrupts: ")));
    });

    it("names topics that would not survive it also while none is under way", async () => {
      start();
      await world.ready({ brokers: 3 });
      await world.topic("single", [[1], [0]], { replicas: 1 });
      await world.topic("triple", [[0, 1, 2]]);
      await world.scheduler.advance(5_000);
      const message = await world.message("RestartInterrupts");
      assert.match(message ?? "", /^2 partitions .*: single \(2\); give them a replica more$/);
      assert.equal(
        await world.conditions(),
        "Ready BrokersReady, RestartInterrupts TooFewReplicas",
      );
      world.writes.length = 0;
      await world.scheduler.advance(60_000);
      assert.deepEqual(world.writes, []);
      await world.do(world.kube.delete(topics, NAMESPACE, "single"));
      await world.scheduler.advance(5_000);
      assert.equal(await world.message("RestartInterrupts"), undefined);
    });

    it("heals when an image that cannot be run is corrected", async () => {
      start({ runs: ({ spec }) => spec.containers[0]?.image !== "bad" });
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
      start({ runs: ({ spec }) => spec.containers[0]?.image !== "bad" });
      await world.create({ brokers: 3, image: "bad" });
      await world.scheduler.advance(10_000);
      assert.equal(await world.conditions(), "Reconciling BrokersNotReady");
      await world.change({ image: "good" });
      await world.scheduler.advance(10_000);
      assert.equal(await world.conditions(), "Ready BrokersReady");
    });

    it("restarts nothing when the operator is another version, until it is told to", async () => {
      start({ image: "forebay:1" });
      await world.ready({ brokers: 3 });
      world.startOperator("forebay:2");
      await world.scheduler.advance(60_000);
      assert.deepEqual(world.fakes.restarts, []);
      assert.equal(
        await world.conditions(),
        "Ready BrokersReady, UpgradeAvailable OperatorChanged",
      );
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
      start({ image: "forebay:1" });
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
      start({
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

  describe("volumes", () => {
    it("grow one by one, and those of brokers that come later too", async () => {
      start();
      await world.ready({ brokers: 1, storage: { size: "10Gi" } });
      await world.change({ brokers: 2, storage: { size: "20Gi" } });
      await world.scheduler.advance(5000);
      assert.deepEqual(await world.claimSizes(), ["data-c-0 20Gi", "data-c-1 20Gi"]);
      assert.deepEqual(world.fakes.restarts, []);
      assert.equal(await world.conditions(), "Ready BrokersReady");
    });

    it("cannot shrink", async () => {
      start();
      await world.ready({ brokers: 1, storage: { size: "10Gi" } });
      await world.change({ storage: { size: "5Gi" } });
      await world.scheduler.advance(5000);
      assert.equal(await world.conditions(), "Stalled StorageCannotShrink");
      await world.change({ storage: { size: "10240Mi" } });
      await world.scheduler.advance(5000);
      assert.equal(await world.conditions(), "Ready BrokersReady");
    });

    it("that may not grow are told of", async () => {
      start({
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
