import assert from "node:assert/strict";
import { leases } from "../../../cluster/resources.ts";
import type { KubeApi } from "../../../kube/api.ts";
import { silentLogger } from "../../../lib/logger.ts";
import { seededRandom } from "../../../lib/random.ts";
import { createMemoryKubeApi } from "../../../local/api/memory-kube-api.ts";
import { ObjectStore } from "../../../local/api/object-store.ts";
import { NotLeadingError } from "../../../operator/leader-only-api.ts";
import { configMaps } from "../../../operator/resources/workloads.ts";
import { Terms } from "../../../operator/terms.ts";
import { VirtualScheduler } from "../../support/virtual-scheduler.ts";

const NAME = "operator";
const NAMESPACE = "default";

/** Processes that want to lead, each with an API that may be away. */
class World {
  readonly scheduler = new VirtualScheduler();
  readonly #store = new ObjectStore({ scheduler: this.scheduler, random: seededRandom(3) });
  readonly kube: KubeApi = createMemoryKubeApi({ store: this.#store, scheduler: this.scheduler });

  process(identity: string): Process {
    return new Process(identity, this.#store, this.scheduler);
  }

  async holder(): Promise<string | undefined> {
    const lease = await this.scheduler.until(this.kube.get(leases, NAMESPACE, NAME));
    return lease.spec?.holderIdentity;
  }
}

class Process {
  away = false;
  /** What happened to its terms. */
  readonly log: string[] = [];
  /** The API of each of its terms. */
  readonly apis: KubeApi[] = [];
  readonly terms: Terms;

  constructor(identity: string, store: ObjectStore, scheduler: VirtualScheduler) {
    const kube = createMemoryKubeApi({
      store,
      scheduler,
      fault: () => (this.away ? { before: new Error("unreachable") } : undefined),
    });
    this.terms = new Terms({
      kube,
      connect: () => ({
        ...kube,
        get: (...args) => kube.get(...args),
        create: (...args) => kube.create(...args),
        close: () => this.log.push("closed"),
      }),
      namespace: NAMESPACE,
      name: NAME,
      identity,
      scheduler,
      logger: silentLogger,
      lead: (api) => {
        this.log.push("leads");
        this.apis.push(api);
        return {
          synced: Promise.resolve(),
          sizes: () => ({}),
          clusters: () => [],
          stop: () => this.log.push("stopped"),
        };
      },
    });
  }
}

const object = (name: string) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: NAMESPACE },
});

describe("terms of an operator", () => {
  it("end with the Lease, and begin again soon after the API is back, without another process", async () => {
    const world = new World();
    const only = world.process("a");
    only.terms.start();
    await world.scheduler.advance(1000);
    assert.deepEqual(only.log, ["leads"]);
    only.away = true;
    await world.scheduler.advance(60_000);
    assert.deepEqual(only.log, ["leads", "stopped", "closed"]);
    assert.equal(only.terms.leading, false);
    assert.equal(only.terms.operator, undefined);
    assert.equal(only.terms.ready, true, "an API that is away is no reason to replace the pod");
    only.away = false;
    await world.scheduler.advance(2100);
    assert.deepEqual(only.log, ["leads", "stopped", "closed", "leads"]);
    assert.equal(only.terms.leading, true);
    await world.scheduler.until(only.terms.stop());
    assert.equal(await world.holder(), "", "the Lease is given back");
  });

  it("write nothing after their end, also when the same process leads again", async () => {
    const world = new World();
    const only = world.process("a");
    only.terms.start();
    await world.scheduler.advance(1000);
    only.away = true;
    await world.scheduler.advance(12_000);
    only.away = false;
    await world.scheduler.advance(3000);
    const [first, second] = only.apis;
    assert.ok(first !== undefined && second !== undefined);
    await assert.rejects(first.create(configMaps, NAMESPACE, object("late")), NotLeadingError);
    await world.scheduler.until(second.create(configMaps, NAMESPACE, object("now")));
    await world.scheduler.until(only.terms.stop());
  });

  it("are those of another process while one is cut off, and it waits when it is back", async () => {
    const world = new World();
    const [a, b] = [world.process("a"), world.process("b")];
    a.terms.start();
    await world.scheduler.advance(1000);
    b.terms.start();
    await world.scheduler.advance(1000);
    a.away = true;
    for (let second = 0; second < 30; second++) {
      await world.scheduler.advance(1000);
      assert.ok(!a.terms.leading || !b.terms.leading, `both after ${second} s`);
    }
    a.away = false;
    await world.scheduler.advance(30_000);
    assert.deepEqual([a.log, b.log], [["leads", "stopped", "closed"], ["leads"]]);
    assert.equal(a.terms.ready, true);
    await world.scheduler.until(b.terms.stop());
    await world.scheduler.advance(2100);
    assert.deepEqual(a.log, ["leads", "stopped", "closed", "leads"]);
    await world.scheduler.until(a.terms.stop());
  });
});
