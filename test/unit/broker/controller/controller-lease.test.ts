import assert from "node:assert/strict";
import { API_VERSION, brokerClusters, leases } from "../../../../cluster/resources.ts";
import { ControllerLease, type Holder } from "../../../../broker/controller/controller-lease.ts";
import { ConflictError } from "../../../../kube/errors.ts";
import type { Lease } from "../../../../kube/objects.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { createMemoryKubeApi } from "../../../../local/api/memory-kube-api.ts";
import { ObjectStore } from "../../../../local/api/object-store.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

/** One broker's view of the Lease. */
interface Observer {
  readonly lease: ControllerLease;
  holder: Holder | undefined;
  /** Since when the holder has answered it nothing; undefined: it does not watch the holder. */
  silentSince: number | undefined;
}

class World {
  readonly scheduler = new VirtualScheduler();
  readonly #store = new ObjectStore({ scheduler: this.scheduler, random: seededRandom(1) });
  /** Brokers whose requests to the API fail. */
  readonly cutOff = new Set<number>();
  /** Brokers whose writes get no answer for long, and whose watches bring nothing. */
  readonly unanswered = new Set<number>();
  /** Writes have their effect and are answered with 409. */
  conflicting = false;
  readonly writtenAt: number[] = [];
  readonly clusterUid = this.#store.create(brokerClusters, "default", {
    apiVersion: API_VERSION,
    kind: brokerClusters.kind,
    metadata: { name: "c" },
  }).metadata.uid;

  get stored(): Lease | undefined {
    return this.#store.find(leases, "default", "c-controller");
  }

  observer(id: number): Observer {
    const { scheduler, cutOff, unanswered } = this;
    const observer: Observer = {
      holder: undefined,
      silentSince: Infinity,
      lease: new ControllerLease({
        kube: createMemoryKubeApi({
          store: this.#store,
          scheduler,
          fault: ({ verb }) => {
            if (cutOff.has(id)) return { before: new Error("cut off") };
            if (verb !== "replace") return undefined;
            if (unanswered.has(id)) return { delayMs: 10_000, before: new Error("no answer") };
            this.writtenAt.push(scheduler.now());
            return this.conflicting
              ? { delayMs: 2, after: new ConflictError(409, "Conflict", "done all the same") }
              : undefined;
          },
        }),
        namespace: "default",
        name: "c-controller",
        clusterName: "c",
        self: { id, epoch: 1 },
        scheduler,
        random: seededRandom(id),
        logger: silentLogger,
        onHolder: (holder) => {
          observer.holder = holder;
        },
        superseded: () => false,
        silence: () =>
          observer.silentSince === undefined
            ? undefined
            : Math.max(0, scheduler.now() - observer.silentSince),
        sessionTimeoutMs: 2000,
      }),
    };
    observer.lease.start();
    this.#watch(observer, id);
    return observer;
  }

  /** What a watch of the API would tell. */
  #watch(observer: Observer, id: number): void {
    const lease = this.#store.find(leases, "default", "c-controller");
    if (lease !== undefined && !this.unanswered.has(id)) observer.lease.observe(lease);
    this.scheduler.after(50, () => {
      this.#watch(observer, id);
    });
  }
}

describe("the controller's Lease", () => {
  it("is taken by one broker, which keeps it", async () => {
    const world = new World();
    const first = world.observer(0);
    await world.scheduler.advance(10);
    const second = world.observer(1);
    await world.scheduler.advance(20_000);
    assert.deepEqual([first.lease.held, second.lease.held], [true, false]);
    assert.deepEqual(second.holder, { id: 0, epoch: 1 });
    // It goes when the cluster goes.
    assert.equal(world.stored?.metadata.ownerReferences?.[0]?.uid, world.clusterUid);
  });

  it("is written seldom while each write is refused, first again at once, and taken when that is over", async () => {
    const world = new World();
    const first = world.observer(0);
    world.observer(1);
    await world.scheduler.advance(5000);
    world.conflicting = true;
    const from = world.scheduler.now();
    const before = world.writtenAt.length;
    await world.scheduler.advance(30_000);
    const [refused = 0, again = Infinity, ...later] = world.writtenAt.slice(before);
    assert(again - refused < 5, "one conflict costs no time");
    assert(later.length > 5 && later.length < 150, `${later.length} more writes in 30 s`);
    assert(later.every((at) => at >= from));
    world.conflicting = false;
    await world.scheduler.advance(1500);
    assert.equal(first.lease.held || world.stored?.spec?.holderIdentity === "1:1", true);
    const settled = world.writtenAt.length;
    await world.scheduler.advance(10_000);
    assert(world.writtenAt.length - settled <= 11, "renewed once a second, as before");
    world.conflicting = true;
    const next = world.writtenAt.length;
    await world.scheduler.advance(1500);
    const [one = 0, two = Infinity] = world.writtenAt.slice(next);
    assert(two - one < 5, "a success has made it begin anew");
  });

  const CASES: readonly {
    readonly what: string;
    readonly silent: boolean | undefined;
    readonly from: number;
    readonly to: number;
  }[] = [
    {
      what: "does not renew, and is not watched: after its duration",
      silent: undefined,
      from: 3000,
      to: 3200,
    },
    {
      what: "does not renew, though it answers: when reads have found it so for twice as long",
      silent: false,
      from: 9000,
      to: 9700,
    },
    {
      what: "neither renews nor answers: after the session timeout",
      silent: true,
      from: 2000,
      to: 2200,
    },
  ];
  for (const { what, silent, from, to } of CASES) {
    it(`is taken from a holder that ${what}`, async () => {
      const world = new World();
      const first = world.observer(0);
      await world.scheduler.advance(10);
      const second = world.observer(1);
      await world.scheduler.advance(5000);
      world.cutOff.add(0);
      const since = world.scheduler.now();
      if (silent !== false) second.silentSince = silent ? since : undefined;
      while (!second.lease.held) await world.scheduler.advance(10);
      const took = world.scheduler.now() - since;
      // The last renewal was up to 1.1 s before the cut.
      assert.ok(took >= from - 1100 && took <= to, `${took} ms`);
      await world.scheduler.advance(1000);
      assert.equal(first.lease.held, false);
    });
  }

  it("is known to be another's by one whose renewal gets no answer", async () => {
    const world = new World();
    const first = world.observer(0);
    await world.scheduler.advance(10);
    const second = world.observer(1);
    await world.scheduler.advance(5000);
    world.unanswered.add(0);
    second.silentSince = world.scheduler.now();
    while (!second.lease.held) await world.scheduler.advance(10);
    await world.scheduler.advance(1500);
    assert.deepEqual(first.holder, { id: 1, epoch: 1 });
  });

  it("stays with a holder that answers while the API answers nobody, and after", async () => {
    const world = new World();
    const first = world.observer(0);
    await world.scheduler.advance(10);
    const second = world.observer(1);
    await world.scheduler.advance(5000);
    world.cutOff.add(0).add(1);
    await world.scheduler.advance(60_000);
    // The one that would take it is back first.
    world.cutOff.delete(1);
    await world.scheduler.advance(2000);
    world.cutOff.delete(0);
    await world.scheduler.advance(20_000);
    assert.deepEqual([first.lease.held, second.lease.held], [true, false]);
    assert.equal(world.stored?.spec?.leaseTransitions, 1);
  });

  it("is not given back to a former holder by a copy of long ago", async () => {
    const world = new World();
    const first = world.observer(0);
    await world.scheduler.advance(10);
    const old = world.stored;
    assert(old !== undefined);
    const second = world.observer(1);
    await world.scheduler.advance(1500);
    first.lease.stop();
    second.lease.holderIsDead({ id: 0, epoch: 1 });
    await world.scheduler.advance(100);
    assert.deepEqual(second.holder, { id: 1, epoch: 1 });
    second.lease.observe(old);
    assert.deepEqual(second.holder, { id: 1, epoch: 1 });
    // Of a Lease that was deleted and made again versions say nothing.
    const { metadata, spec } = old;
    second.lease.observe({
      ...old,
      metadata: { ...metadata, uid: "another" },
      ...(spec && { spec }),
    });
    assert.deepEqual(second.holder, { id: 0, epoch: 1 });
  });

  it("stays with a holder that renews, though this broker does not hear it", async () => {
    const world = new World();
    const first = world.observer(0);
    await world.scheduler.advance(10);
    const second = world.observer(1);
    second.silentSince = 0;
    await world.scheduler.advance(20_000);
    assert.deepEqual([first.lease.held, second.lease.held], [true, false]);
  });

  it("is free at once when it is given back, or its holder is known to be dead", async () => {
    for (const how of ["released", "dead"]) {
      const world = new World();
      const first = world.observer(0);
      await world.scheduler.advance(10);
      const second = world.observer(1);
      await world.scheduler.advance(1500);
      if (how === "released") void first.lease.release();
      else {
        first.lease.stop();
        second.lease.holderIsDead({ id: 0, epoch: 1 });
      }
      second.lease.poke();
      await world.scheduler.advance(50);
      assert.equal(second.lease.held, true, how);
    }
  });
});
