import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import {
  API_VERSION,
  brokerClusters,
  leadershipShards,
  partitionSlices,
  topics,
} from "../../cluster/resources.ts";
import type { Topic } from "../../cluster/topic.ts";
import type { KubeApi, Resource } from "../../kube/api.ts";
import { NotFoundError } from "../../kube/errors.ts";
import type { Condition, KubeObject } from "../../kube/objects.ts";
import { silentLogger } from "../../lib/logger.ts";
import { seededRandom } from "../../lib/random.ts";
import { createMemoryKubeApi } from "../../local/api/memory-kube-api.ts";
import { ObjectStore } from "../../local/api/object-store.ts";
import { startStatefulSetController } from "../../local/controllers/stateful-set-controller.ts";
import { startVolumeClaimsController } from "../../local/controllers/volume-claims-controller.ts";
import { startOperator, type Operator } from "../../operator/operator.ts";
import { changeObject } from "./change-object.ts";
import { FakeElections } from "./fake-elections.ts";
import { FakePods } from "./fake-pods.ts";
import { mortalApi, type Fate } from "./mortal-api.ts";
import { VirtualScheduler } from "./virtual-scheduler.ts";
import { withStates } from "./recorded-slices.ts";

export const NAMESPACE = "default";
export const CLUSTER = "c";

/** How long a killed operator stays away. */
const AWAY_MS = 700;
const LOOK_MS = 100;
/** What is written after the wish has come true is written within this time. */
const TRAIL_MS = 4000;

export interface OperatorWorldOptions {
  /** The operator dies at its `write`-th write, from 1 on. */
  readonly kill?: { readonly write: number; readonly fate: Exclude<Fate, "made"> };
  /** Operators that act at the same time, as none but a broken Lease would let them; default 1. */
  readonly operators?: number;
  /** Kinds that the API does not know, as one whose resource definitions are older. */
  readonly missing?: readonly string[];
}

/**
 * The whole operator on an API in memory, with the StatefulSet, volume claim and garbage controllers, and with pods and
 * brokers that do what they ought to. All on virtual time.
 */
export class OperatorWorld {
  readonly scheduler = new VirtualScheduler();
  readonly store: ObjectStore;
  readonly kube: KubeApi;
  readonly pods: FakePods;
  /** What operators wrote, `verb plural name`. */
  readonly writes: string[] = [];
  kills = 0;
  readonly #options: OperatorWorldOptions;
  readonly #random = seededRandom(11);
  readonly #stops: (() => void)[] = [];
  readonly #operators = new Map<number, () => void>();
  #started = 0;

  constructor(options: OperatorWorldOptions = {}) {
    this.#options = options;
    const { scheduler } = this;
    const random = this.#random;
    this.store = new ObjectStore({ scheduler, random });
    this.kube = createMemoryKubeApi({ store: this.store, scheduler });
    const common = { scheduler, random, logger: silentLogger };
    const fakes = { kube: this.kube, namespace: NAMESPACE, scheduler, random };
    const elections = new FakeElections(fakes);
    this.pods = new FakePods({ ...fakes, cluster: CLUSTER });
    elections.start();
    this.pods.start();
    const sets = startStatefulSetController({ ...common, api: this.kube });
    const claims = startVolumeClaimsController({ ...common, api: this.kube });
    for (const one of [elections, this.pods, sets, claims]) {
      this.#stops.push(() => {
        one.stop();
      });
    }
    for (let at = 0; at < (options.operators ?? 1); at++) this.startOperator();
  }

  /** @returns by what it is ended */
  startOperator(): number {
    const id = this.#started++;
    const { kill, missing = [] } = this.#options;
    const api = mortalApi(
      this.kube,
      (write) => {
        this.writes.push(write);
        return this.writes.length === kill?.write ? kill.fate : "made";
      },
      () => {
        this.kills++;
        this.endOperator(id);
        this.scheduler.after(AWAY_MS, () => {
          this.startOperator();
        });
      },
    );
    const operator: Operator = startOperator({
      kube: {
        ...api.kube,
        list: (resource, ...rest) =>
          missing.includes(resource.kind)
            ? Promise.reject(new NotFoundError(404, "NotFound", "there is no such kind"))
            : api.kube.list(resource, ...rest),
      },
      namespace: "",
      scheduler: this.scheduler,
      random: this.#random,
      logger: silentLogger,
      brokerImage: "forebay:1",
    });
    this.#operators.set(id, () => {
      api.end();
      operator.stop();
    });
    return id;
  }

  /** Nothing that it has begun goes on. */
  endOperator(id: number): void {
    this.#operators.get(id)?.();
    this.#operators.delete(id);
  }

  stop(): void {
    for (const id of [...this.#operators.keys()]) this.endOperator(id);
    for (const stop of this.#stops) stop();
  }

  do<T>(promise: Promise<T>): Promise<T> {
    return this.scheduler.until(promise);
  }

  /** Waits until something holds, and then until what follows from it has been written. */
  async until(holds: () => boolean, what: string, limitMs = 180_000): Promise<void> {
    for (let waited = 0; !holds(); waited += LOOK_MS) {
      if (waited >= limitMs) throw new Error(`not within ${limitMs} ms: ${what}\n${this.told()}`);
      await this.scheduler.advance(LOOK_MS);
    }
    await this.scheduler.advance(TRAIL_MS);
    if (!holds()) throw new Error(`not for long: ${what}\n${this.told()}`);
  }

  create(kind: "BrokerCluster" | "Topic", name: string, spec: unknown): Promise<KubeObject> {
    const resource: Resource<KubeObject & { readonly spec?: unknown }> =
      kind === "Topic" ? topics : brokerClusters;
    const object = {
      apiVersion: API_VERSION,
      kind,
      metadata: { name, namespace: NAMESPACE },
      spec,
    };
    return this.do(this.kube.create(resource, NAMESPACE, object));
  }

  /** Somebody changes a spec. */
  async change(
    resource: Resource,
    name: string,
    spec: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    type Any = KubeObject & { readonly spec?: Readonly<Record<string, unknown>> };
    const changed = (now: Any): Any => ({ ...now, spec: { ...now.spec, ...spec } });
    await this.do(changeObject<Any>(this.kube, resource, NAMESPACE, name, changed));
  }

  delete(resource: Resource, name: string): Promise<void> {
    return this.do(this.kube.delete(resource, NAMESPACE, name));
  }

  all<T extends KubeObject>(resource: Resource<T>): readonly T[] {
    return this.store.list(resource, NAMESPACE) as T[];
  }

  /** The cluster and all its topics are Ready as they are wished now, and nothing moves. */
  isReady(): boolean {
    const clusters = this.all(brokerClusters);
    const isTrue = ({ status }: BrokerCluster | Topic, type: string): boolean =>
      status?.conditions?.some((one: Condition) => one.type === type && one.status === "True") ===
      true;
    const ready = (object: BrokerCluster | Topic): boolean =>
      object.status?.observedGeneration === object.metadata.generation &&
      isTrue(object, "Ready") &&
      !isTrue(object, "Reconciling");
    return (
      [...clusters, ...this.all(topics)].every(ready) &&
      clusters.every(
        ({ spec, status }) =>
          status?.brokers === spec.brokers && status.balancedBrokers === spec.brokers,
      ) &&
      withStates(this.all(partitionSlices), this.all(leadershipShards)).every(({ spec, states }) =>
        spec.partitions.every(
          ({ replicas, adding, removing }, at) =>
            adding === undefined &&
            removing === undefined &&
            replicas.every((id) => states[at]?.isr.includes(id) === true),
        ),
      )
    );
  }

  /** Conditions of all objects, for a failure's message. */
  told(): string {
    return [...this.all(brokerClusters), ...this.all(topics)]
      .map(({ kind, metadata, status }) => {
        const conditions = (status?.conditions ?? [])
          .filter((one) => one.status === "True")
          .map(({ type, reason, message }) => `${type} ${reason} ${message}`);
        return `${kind} ${metadata.name}: ${conditions.join(", ")}`;
      })
      .join("\n");
  }
}
