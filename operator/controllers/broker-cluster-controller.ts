import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import { brokerClusterShape, type BrokerClusterShape } from "../../cluster/broker-cluster-shape.ts";
import { recordedStates } from "../../cluster/leadership-shard.ts";
import {
  brokerClusters,
  CLUSTER_LABEL,
  leadershipShards,
  partitionSlices,
} from "../../cluster/resources.ts";
import { interruptedTopics, type InterruptedTopic } from "../../cluster/restart-safety.ts";
import { ConflictError, NotFoundError } from "../../kube/errors.ts";
import type { KubeObject } from "../../kube/objects.ts";
import type { WorkQueue } from "../../kube/work-queue.ts";
import { SECOND, type Millis } from "../../lib/units.ts";
import { type Caches, find, keyOf, splitKey } from "../caches.ts";
import { EventRecorder } from "../events.ts";
import type { OperatorOptions } from "../operator.ts";
import { replicatedPartitions } from "../plan/rolling-inputs.ts";
import { planScaleDown, type ScaleDown } from "../plan/scale-down.ts";
import { topicShape } from "../plan/topic-shape.ts";
import { bootstrapAddress, type ClusterContext } from "../resources/context.ts";
import { children } from "../resources/index.ts";
import { brokerImage } from "../resources/pod-template.ts";
import { keptImage, templateIsKept } from "../resources/stateful-set.ts";
import { services, type StatefulSet } from "../resources/workloads.ts";
import { brokerClusterStatus, isSettled } from "../status/broker-cluster-status.ts";
import { childEvent, statusEvents, type ToldEvent } from "../status/cluster-events.ts";
import type { ClusterFinding } from "../status/cluster-finding.ts";
import { interruptedText } from "../status/interruption-condition.ts";
import { PAUSED } from "../status/paused-condition.ts";
import { sameStatus } from "../status/same-status.ts";
import { BrokerRestarter, type RestartStep } from "./broker-restarter.ts";
import { ChildKeeper } from "./child-keeper.ts";
import { ListenerKeeper, NODE_LOOK, readsNodes } from "./listener-keeper.ts";
import { reconcileQueue } from "./reconcile-queue.ts";
import { VolumeGrower } from "./volume-grower.ts";

/** What stands in the way and is not watched is looked at again after this. */
const LOOK_AGAIN: Millis = 30 * SECOND;
/** While brokers are restarted, in case that a watch is late. */
const RESTART_LOOK: Millis = 5 * SECOND;

/** Topics that have changed are counted at most this often. */
const TOPICS_LOOK: Millis = 2 * SECOND;

type Applied = Extract<ClusterFinding, { kind: "applied" }>;

/** BrokerCluster → its children, kept as they should be; brokers restarted one by one when their pods are not. */
export function startBrokerClusterController(
  options: OperatorOptions,
  caches: Caches,
): { stop(): void } {
  const controller = new BrokerClusterController(options, caches);
  controller.watch();
  return controller;
}

class BrokerClusterController {
  readonly #options: OperatorOptions;
  readonly #caches: Caches;
  readonly #queue: WorkQueue;
  readonly #keeper: ChildKeeper;
  readonly #restarter: BrokerRestarter;
  readonly #grower: VolumeGrower;
  readonly #listeners: ListenerKeeper;
  readonly #events: EventRecorder;

  constructor(options: OperatorOptions, caches: Caches) {
    this.#options = options;
    this.#caches = caches;
    this.#keeper = new ChildKeeper(options);
    this.#restarter = new BrokerRestarter(options);
    this.#grower = new VolumeGrower(options);
    this.#listeners = new ListenerKeeper(options);
    this.#events = new EventRecorder(options);
    this.#queue = reconcileQueue(options, {
      handler: (key) => this.#reconcile(key),
      field: "cluster",
      again: "a cluster is looked at again",
      failed: "a cluster could not be reconciled",
    });
  }

  watch(): void {
    const { clusters, slices, shards, brokers, topics } = this.#caches;
    const look = (key: string): void => {
      this.#queue.add(key);
    };
    clusters.onChange(({ object }) => {
      look(keyOf(object));
    });
    // Where partitions are and who is registered matters only while brokers are to go or to be restarted.
    for (const informer of [slices, shards, brokers, topics]) {
      informer.onChange(({ object }) => {
        const namespace = object.metadata.namespace ?? "default";
        const cluster = find(clusters, namespace, object.spec.cluster);
        if (cluster !== undefined && this.#isMoving(cluster)) look(keyOf(cluster));
      });
    }
    // Some of them may not survive a restart, which is to be known before there is one.
    topics.onChange(({ object }) => {
      const namespace = object.metadata.namespace ?? "default";
      const cluster = find(clusters, namespace, object.spec.cluster);
      if (cluster !== undefined) this.#queue.addAfter(keyOf(cluster), TOPICS_LOOK);
    });
    for (const part of [this.#keeper, this.#restarter, this.#grower]) part.start(look);
  }

  stop(): void {
    this.#queue.stop();
    for (const part of [this.#keeper, this.#restarter, this.#grower]) part.stop();
  }

  async #reconcile(key: string): Promise<void> {
    await Promise.all([
      this.#caches.synced,
      this.#keeper.synced,
      this.#restarter.synced,
      this.#grower.synced,
    ]);
    const { namespace, name } = splitKey(key);
    const cluster = find(this.#caches.clusters, namespace, name);
    if (cluster === undefined || cluster.metadata.deletionTimestamp !== undefined) return;
    if (cluster.metadata.annotations?.[PAUSED] === "true") {
      await this.#report(cluster, { kind: "paused" }, undefined);
      return;
    }
    const shape = brokerClusterShape(cluster, this.#options.configProblem);
    if ("reason" in shape) await this.#report(cluster, { kind: "refused", ...shape }, undefined);
    else await this.#apply(cluster, shape);
  }

  async #apply(cluster: BrokerCluster, shape: BrokerClusterShape): Promise<void> {
    const refusal = this.#volumesRefusal(cluster, shape);
    if (refusal !== undefined) {
      await this.#report(cluster, { kind: "refused", ...refusal }, shape.port);
      return;
    }
    const scaleDown = await this.#scaleDown(cluster);
    const context: ClusterContext = {
      cluster,
      shape,
      replicas: scaleDown?.replicas ?? shape.brokers,
      defaultImage: this.#options.brokerImage,
    };
    const kept = await this.#keepChildren(context);
    if (!Array.isArray(kept)) {
      await this.#report(cluster, kept, shape.port);
      this.#queue.addAfter(keyOf(cluster), LOOK_AGAIN);
      return;
    }
    const outside = await this.#keepListeners(context, kept);
    const set = this.#keeper.setOf(cluster);
    const growth = set && this.#grower.plan(cluster, set, shape.storage.size);
    const stuck = growth && (await this.#grower.grow(cluster, growth, shape.storage.size));
    if (stuck !== undefined) {
      const reason = "VolumeExpansionRefused";
      await this.#report(cluster, { kind: "refused", reason, message: stuck }, shape.port);
      this.#queue.addAfter(keyOf(cluster), LOOK_AGAIN);
      return;
    }
    const step = await this.#restartStep(cluster, set);
    const finding: Applied = {
      kind: "applied",
      ...(scaleDown === undefined ? {} : { scaleDown, tooWide: this.#tooWide(cluster) }),
      ...(step === undefined ? {} : { restart: step.plan }),
      interrupted: step?.plan.interrupted ?? this.#interrupted(cluster),
      ...(growth === undefined
        ? {}
        : { growing: [...growth.grow.map((claim) => claim.name), ...growth.growing] }),
      ...(outside === undefined ? {} : { outside }),
      ...upgradeOf(context, set),
      ...this.#problemOf(cluster, set),
    };
    // Whom a restart interrupts is in the status before it happens.
    await this.#report(cluster, finding, shape.port);
    if (step !== undefined) await this.#restart(cluster, step);
  }

  /** @returns what stands in the way, or the children as they are */
  async #keepChildren(context: ClusterContext): Promise<ClusterFinding | KubeObject[]> {
    const { cluster } = context;
    const objects: KubeObject[] = [];
    const before = this.#keeper.setOf(cluster);
    for (const child of children(context, before)) {
      const kept = await this.#keeper.keep(child, cluster);
      const what = `${child.resource.kind} ${child.object.metadata.name}`;
      switch (kept.kind) {
        case "asIs":
          objects.push(kept.object);
          break;
        case "created":
        case "changed":
          objects.push(kept.object);
          this.#tell(cluster, childEvent(context, what, kept.kind, before));
          break;
        case "refused":
          return kept;
        case "leftover":
          return { kind: "waiting", reason: "WaitingForDeletion", message: kept.message };
      }
    }
    return objects;
  }

  /** @param kept the children as they are */
  async #keepListeners(
    context: ClusterContext,
    kept: readonly KubeObject[],
  ): Promise<Applied["outside"]> {
    const { cluster, shape } = context;
    const present = this.#keeper.labelled(services, cluster);
    for (const name of await this.#listeners.sweep(context, present)) {
      this.#events.record(cluster, "Normal", "ListenerRemoved", `deleted Service ${name}`);
    }
    const outside = await this.#listeners.addresses(context, kept, (id) =>
      this.#restarter.podOf(cluster, id),
    );
    if (shape.outside.some(readsNodes)) this.#queue.addAfter(keyOf(cluster), NODE_LOOK);
    if (outside?.some(({ missing }) => missing.length > 0) === true) {
      this.#queue.addAfter(keyOf(cluster), LOOK_AGAIN);
    }
    return outside;
  }

  #tell(cluster: BrokerCluster, told: ToldEvent | undefined): void {
    if (told !== undefined) this.#events.record(cluster, told.type, told.reason, told.message);
  }

  /** As the spec says; but a broker that still has partitions stays until they have moved. */
  async #scaleDown(cluster: BrokerCluster): Promise<ScaleDown | undefined> {
    const { name, namespace = "default", uid } = cluster.metadata;
    const present = this.#keeper.setOf(cluster)?.spec.replicas ?? 0;
    if (present <= cluster.spec.brokers) return undefined;
    // A pod is taken away: decided on fresh reads, of the wish as well.
    const { kube } = this.#options;
    const now = await kube.get(brokerClusters, namespace, name);
    if (now.metadata.uid !== uid || now.spec.brokers !== cluster.spec.brokers) {
      throw new ConflictError(409, "Conflict", "the cluster has changed");
    }
    const ofCluster = { labelSelector: `${CLUSTER_LABEL}=${name}` };
    const slices = await kube.list(partitionSlices, namespace, ofCluster);
    const shards = await kube.list(leadershipShards, namespace, ofCluster);
    const states = recordedStates(shards.items);
    return planScaleDown(cluster.spec.brokers, present, slices.items, states);
  }

  /** Topics that have to have fewer replicas before brokers can go. */
  #tooWide(cluster: BrokerCluster): string[] {
    return [...this.#caches.topics.items().values()]
      .filter((topic) => {
        if (topic.metadata.namespace !== cluster.metadata.namespace) return false;
        if (topic.spec.cluster !== cluster.metadata.name) return false;
        const shape = topicShape({ topic, cluster, topics: [], present: 0 });
        return "reason" in shape && shape.reason === "NotEnoughBrokers";
      })
      .map(({ metadata }) => metadata.name);
  }

  #volumesRefusal(
    cluster: BrokerCluster,
    { storage }: BrokerClusterShape,
  ): { readonly reason: string; readonly message: string } | undefined {
    const set = this.#keeper.setOf(cluster);
    if (set === undefined) return undefined;
    const { larger } = this.#grower.plan(cluster, set, storage.size);
    if (larger === undefined) return undefined;
    return {
      reason: "StorageCannotShrink",
      message: `volume claim ${larger.name} has ${larger.size} and cannot shrink to ${storage.size}; set spec.storage.size to at least ${larger.size}`,
    };
  }

  async #restartStep(
    cluster: BrokerCluster,
    set: StatefulSet | undefined,
  ): Promise<RestartStep | undefined> {
    if (set === undefined || !isSettled(set) || !this.#restarter.isUnderWay(cluster, set)) {
      return undefined;
    }
    const step = await this.#restarter.plan(cluster);
    return step === undefined || step.plan.outdated.length === 0 ? undefined : step;
  }

  async #restart(cluster: BrokerCluster, { plan, pod }: RestartStep): Promise<void> {
    this.#queue.addAfter(keyOf(cluster), RESTART_LOOK);
    if (plan.interrupted.length > 0) {
      const message = interruptedText(plan.interrupted);
      this.#events.record(cluster, "Warning", "RestartInterrupts", message);
    }
    if (plan.next === undefined || pod === undefined) return;
    if (!(await this.#restarter.restart(cluster, plan.next, pod))) return;
    const left = plan.outdated.length - 1;
    const message = `broker ${plan.next} is restarted, ${left} more to go`;
    this.#events.record(cluster, "Normal", "RestartingBroker", message);
  }

  #problemOf(
    cluster: BrokerCluster,
    set: StatefulSet | undefined,
  ): { readonly podProblem?: string } {
    const podProblem = set === undefined ? undefined : this.#restarter.problem(cluster, set);
    return podProblem === undefined ? {} : { podProblem };
  }

  /** By the caches: what a person should know before the next restart, not what one is decided by. */
  #interrupted(cluster: BrokerCluster): readonly InterruptedTopic[] {
    const inNamespace = ({ metadata }: KubeObject): boolean =>
      metadata.namespace === cluster.metadata.namespace;
    const topics = [...this.#caches.topics.items().values()].filter(inNamespace);
    // Those of a topic that is gone go too.
    const slices = topics.flatMap(({ metadata }) => [...this.#caches.slicesOf(metadata.uid ?? "")]);
    return interruptedTopics(replicatedPartitions(cluster, topics, slices, this.#caches.states));
  }

  #isMoving(cluster: BrokerCluster): boolean {
    const set = this.#keeper.setOf(cluster);
    if (set === undefined) return false;
    if ((set.spec.replicas ?? 0) > cluster.spec.brokers) return true;
    return this.#restarter.isUnderWay(cluster, set);
  }

  /** Writes the status if it says something new, and tells of it. */
  async #report(
    cluster: BrokerCluster,
    finding: ClusterFinding,
    port: number | undefined,
  ): Promise<void> {
    const { kube, scheduler } = this.#options;
    const set = this.#keeper.setOf(cluster);
    const bootstrap = port === undefined ? undefined : bootstrapAddress(cluster, port);
    const status = brokerClusterStatus(cluster, finding, set, bootstrap, scheduler.wallNow());
    if (sameStatus(cluster.status, status)) return;
    const { name, namespace = "default", resourceVersion } = cluster.metadata;
    try {
      await kube.replace(
        brokerClusters,
        namespace,
        { ...cluster, status },
        { subresource: "status" },
      );
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      return;
    }
    this.#options.logger.debug("status written", { cluster: name, resourceVersion });
    if (finding.kind === "refused") {
      this.#events.record(cluster, "Warning", finding.reason, finding.message);
    }
    for (const told of statusEvents(cluster, status)) this.#tell(cluster, told);
  }
}

/** What this operator would have otherwise, though the user's wish is the same as when the pods were made. */
function upgradeOf(
  context: ClusterContext,
  set: StatefulSet | undefined,
): { readonly upgrade?: string } {
  if (!templateIsKept(context, set)) return {};
  const wanted = brokerImage(context);
  const kept = keptImage(context, set);
  return {
    upgrade:
      kept === wanted || kept === undefined
        ? "this operator would set up the broker pods in another way"
        : `this operator would run image ${wanted} where ${kept} runs`,
  };
}
