import assert from "node:assert/strict";
import { API_VERSION, brokerClusters, topics } from "../../cluster/resources.ts";
import type { Resource } from "../../kube/api.ts";
import { AlreadyExistsError, ConflictError, NotFoundError } from "../../kube/errors.ts";
import type { KubeObject } from "../../kube/objects.ts";
import { realScheduler } from "../../lib/clock.ts";
import { seededRandom, type Random } from "../../lib/random.ts";
import { SECOND } from "../../lib/units.ts";
import { eventually } from "../support/local-cluster.ts";
import { HttpOperatorWorld } from "../support/http-operator-world.ts";
import { Operations } from "../support/operations.ts";
import { strays, worldState } from "../support/world-state.ts";
import { ApiProxy, MOODS } from "./api-proxy.ts";
import { pause } from "./world.ts";

/** OPERATOR_API_SECONDS and OPERATOR_API_SEED change how long, and in which order. */
const { OPERATOR_API_SECONDS = "60", OPERATOR_API_SEED = "5" } = process.env;
const CLUSTER = "c";
const NAMESPACE = "default";
/** A watch that has stalled just before is taken for dead after 90 s, unless it fails to show what the operator writes. */
const LIMIT_MS = 240 * SECOND;
const OUTSIDE = {
  name: "outside",
  port: 9094,
  type: "loadbalancer" as const,
  advertisedHost: "b{id}.example",
};
/** How many configurations brokers were told to have, one after the other: each restarts each of them once. */
const CONFIGS = 3;
const LAST_CONFIG = "72";
const MOST_PARTITIONS = 24;

interface End {
  readonly state: readonly string[];
  readonly strays: readonly string[];
  /** How often each broker's pod ended. */
  readonly restarts: ReadonlyMap<number, number>;
  readonly leastReady: number;
}

describe("an operator whose Kubernetes API fails", function () {
  this.timeout(Number(OPERATOR_API_SECONDS) * SECOND + 4 * LIMIT_MS);

  it(`ends where one with a good API does, and restarts no broker too often: ${OPERATOR_API_SECONDS} s, seed ${OPERATOR_API_SEED}`, async () => {
    const undisturbed = await story(undefined);
    const random = seededRandom(Number(OPERATOR_API_SEED));
    const proxy = await ApiProxy.start(random);
    try {
      const found = await story({ proxy, random });
      console.log("     ", Object.fromEntries(proxy.spoilt));
      assert.deepEqual(found.state, undisturbed.state);
      for (const end of [found, undisturbed]) {
        assert.deepEqual(end.strays, []);
        // One for each configuration, and one more of those that went when there were to be fewer.
        for (const [id, count] of end.restarts) {
          assert.ok(count <= CONFIGS + (id < 3 ? 0 : SCALES), `broker ${id} ended ${count} times`);
        }
        assert.ok(end.leastReady >= 2, `only ${end.leastReady} of 3 brokers were ready`);
      }
      assert.ok(proxy.spoilt.size > 3, "most moods have met a request");
    } finally {
      proxy.close();
    }
  });
});

/** Other ways lead to other placements, which may be uneven by one replica more. */
function sameEvenness(line: string): string {
  return line.replace(/uneven by (1 at most|2)$/, "even");
}

/** How often the cluster may have shrunk from five brokers. */
const SCALES = 40;

/** Wishes change for a while; then the last ones come true. */
async function story(
  disturbed: { readonly proxy: ApiProxy; readonly random: Random } | undefined,
): Promise<End> {
  const world = await HttpOperatorWorld.start(CLUSTER);
  try {
    disturbed?.proxy.stand(world.directory);
    const server = `http://127.0.0.1:${disturbed?.proxy.port ?? world.port}`;
    for (let at = 0; at < 2; at++) await world.startOperator(server);
    const operations = new Operations({
      kube: world.kube,
      namespace: NAMESPACE,
      cluster: CLUSTER,
      gap: () => Promise.resolve(0),
      limitMs: LIMIT_MS,
    });
    const wishes = new Wishes(world, operations);
    await wishes.begin();
    await operations.settled();
    world.pods.leastReady = Number.POSITIVE_INFINITY;
    await wishes.more();
    await operations.settled();
    if (disturbed !== undefined) await disturb(disturbed, wishes);
    await wishes.last();
    await operations.settled();
    // The trail of what was decided before.
    await pause(4 * SECOND);
    await operations.settled();
    const restarts = new Map<number, number>();
    for (const id of world.pods.restarts) restarts.set(id, (restarts.get(id) ?? 0) + 1);
    if (disturbed !== undefined) {
      console.log(`      operators ended by themselves: ${world.ends.join(", ") || "none"}`);
      console.log(`      pods ended: ${JSON.stringify([...restarts])}`);
    }
    // Losing the Lease is 1; anything else is wrong.
    assert.deepEqual(
      world.ends.filter((code) => code !== 1),
      [],
      world.output,
    );
    return {
      state: worldState(world).map(sameEvenness),
      strays: strays(world),
      restarts,
      leastReady: world.pods.leastReady,
    };
  } catch (error) {
    throw new Error(`operators said: ${world.output}`, { cause: error });
  } finally {
    await world.stop();
  }
}

async function disturb(
  { proxy, random }: { readonly proxy: ApiProxy; readonly random: Random },
  wishes: Wishes,
): Promise<void> {
  const end = realScheduler.now() + Number(OPERATOR_API_SECONDS) * SECOND;
  while (realScheduler.now() < end) {
    const mood = MOODS[random.below(MOODS.length)] ?? "well";
    proxy.mood = mood;
    if (random.below(2) === 0) proxy.breakWatches();
    const wish = await wishes.change(random);
    const ms = SECOND + random.below(5 * SECOND);
    console.log(`      ${mood} for ${ms} ms; ${wish}`);
    await pause(ms);
  }
  proxy.mood = "well";
}

/** What somebody wishes of the operator. */
class Wishes {
  readonly #world: HttpOperatorWorld;
  readonly #operations: Operations;
  #config = 0;

  constructor(world: HttpOperatorWorld, operations: Operations) {
    this.#world = world;
    this.#operations = operations;
  }

  async begin(): Promise<void> {
    await this.#make(brokerClusters, CLUSTER, { brokers: 3, storage: { size: "1Gi" } });
    await this.#make(topics, "small", { cluster: CLUSTER, partitions: 4, replicas: 3 });
    await this.#make(topics, "wide", { cluster: CLUSTER, partitions: 120, replicas: 3 });
  }

  /** So that both tellings have had five brokers. */
  more(): Promise<void> {
    return this.#operations.changeCluster({ brokers: 5 });
  }

  async last(): Promise<void> {
    await this.#remove("brief");
    await this.#operations.change(topics, "small", { partitions: MOST_PARTITIONS, replicas: 2 });
    const config = { "log.retention.hours": LAST_CONFIG };
    await this.#operations.changeCluster({ brokers: 3, listeners: [], config });
    await eventually(
      () => Promise.resolve(this.#world.pods.restarts.length > 0 || undefined),
      "the last configuration",
      LIMIT_MS,
    );
  }

  /** One more, by chance. @returns what it was */
  async change(random: Random): Promise<string> {
    const operations = this.#operations;
    const brokers = 3 + random.below(3);
    const changes: readonly (() => Promise<string>)[] = [
      async () => {
        await operations.changeCluster({ brokers });
        return `${brokers} brokers`;
      },
      async () => {
        const listeners = random.below(2) === 0 ? [] : [OUTSIDE];
        await operations.changeCluster({ listeners });
        return `${listeners.length} listeners`;
      },
      async () => {
        const replicas = 2 + random.below(2);
        await operations.change(topics, "small", { replicas });
        return `${replicas} replicas`;
      },
      async () => {
        await this.#remove("brief");
        await this.#make(topics, "brief", { cluster: CLUSTER, partitions: 1 + random.below(9) });
        return "a topic made again";
      },
      async () => {
        if (this.#config === CONFIGS - 1) return "no other configuration";
        const config = { "log.retention.hours": String(24 + this.#config++) };
        await operations.changeCluster({ config });
        return "another configuration";
      },
    ];
    const change = changes[random.below(changes.length)];
    assert.ok(change !== undefined);
    return change();
  }

  async #make<T extends KubeObject & { readonly spec: unknown }>(
    resource: Resource<T>,
    name: string,
    spec: T["spec"],
  ): Promise<void> {
    const object: KubeObject & { readonly spec: unknown } = {
      apiVersion: API_VERSION,
      kind: resource.kind,
      metadata: { name, namespace: NAMESPACE },
      spec,
    };
    try {
      await this.#world.kube.create<KubeObject>(resource, NAMESPACE, object);
    } catch (error) {
      if (!(error instanceof AlreadyExistsError)) throw error;
    }
  }

  async #remove(name: string): Promise<void> {
    try {
      await this.#world.kube.delete(topics, NAMESPACE, name);
    } catch (error) {
      if (!(error instanceof NotFoundError) && !(error instanceof ConflictError)) throw error;
    }
  }
}
