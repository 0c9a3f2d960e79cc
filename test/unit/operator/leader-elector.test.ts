import assert from "node:assert/strict";
import { leases } from "../../../cluster/resources.ts";
import type { KubeApi } from "../../../kube/api.ts";
import { UnknownOutcomeError } from "../../../kube/errors.ts";
import { silentLogger } from "../../../lib/logger.ts";
import {
  createMemoryKubeApi,
  type KubeCall,
  type KubeFault,
} from "../../../local/api/memory-kube-api.ts";
import { ObjectStore } from "../../../local/api/object-store.ts";
import { LeaderElector } from "../../../operator/leader-elector.ts";
import { leaderOnlyApi, NotLeadingError } from "../../../operator/leader-only-api.ts";
import { configMaps } from "../../../operator/resources/workloads.ts";
import { seededRandom } from "../../../lib/random.ts";
import { VirtualScheduler } from "../../support/virtual-scheduler.ts";

const NAME = "operator";
const NAMESPACE = "default";

interface Candidate {
  readonly elector: LeaderElector;
  readonly log: string[];
  fault: ((call: KubeCall) => KubeFault | undefined) | undefined;
}

class World {
  readonly scheduler = new VirtualScheduler();
  readonly #store = new ObjectStore({ scheduler: this.scheduler, random: seededRandom(3) });
  readonly kube: KubeApi = createMemoryKubeApi({ store: this.#store, scheduler: this.scheduler });

  candidate(identity: string): Candidate {
    const log: string[] = [];
    const kube = createMemoryKubeApi({
      store: this.#store,
      scheduler: this.scheduler,
      fault: (call) => candidate.fault?.(call),
    });
    const elector = new LeaderElector({
      kube,
      namespace: NAMESPACE,
      name: NAME,
      identity,
      scheduler: this.scheduler,
      logger: silentLogger,
      onLeading: () => log.push("leading"),
      onLost: () => log.push("lost"),
    });
    const candidate: Candidate = { elector, log, fault: undefined };
    return candidate;
  }

  async holder(): Promise<string | undefined> {
    const lease = await this.scheduler.until(this.kube.get(leases, NAMESPACE, NAME));
    return lease.spec?.holderIdentity;
  }
}

const refused = (): KubeFault => ({ before: new Error("unreachable") });

describe("leader elector", () => {
  it("lets one of two lead, and the other take over within the duration when it is gone", async () => {
    const world = new World();
    const [a, b] = [world.candidate("a"), world.candidate("b")];
    a.elector.start();
    b.elector.start();
    await world.scheduler.advance(60_000);
    const [leader, other] = a.elector.leading ? [a, b] : [b, a];
    assert.deepEqual([leader.log, other.log], [["leading"], []]);
    assert.equal(other.elector.settled, true);
    leader.fault = refused;
    let both = 0;
    for (let second = 0; second < 25; second++) {
      await world.scheduler.advance(1000);
      if (leader.elector.leading && other.elector.leading) both++;
    }
    assert.equal(both, 0);
    assert.deepEqual([leader.log, other.log], [["leading", "lost"], ["leading"]]);
    await world.scheduler.until(other.elector.stop());
  });

  it("ends on time also while a renewal hangs", async () => {
    const world = new World();
    const a = world.candidate("a");
    a.elector.start();
    await world.scheduler.advance(1000);
    a.fault = () => ({ delayMs: 1_000_000 });
    await world.scheduler.advance(14_000);
    assert.deepEqual(a.log, ["leading", "lost"]);
  });

  it("goes on when a renewal took effect whose answer was lost", async () => {
    const world = new World();
    const a = world.candidate("a");
    a.elector.start();
    await world.scheduler.advance(1000);
    let failures = 2;
    a.fault = ({ verb }) =>
      verb === "replace" && failures-- > 0
        ? { after: new UnknownOutcomeError("no answer") }
        : undefined;
    await world.scheduler.advance(60_000);
    assert.deepEqual(a.log, ["leading"]);
    assert.equal(a.elector.leading, true);
    await world.scheduler.until(a.elector.stop());
  });

  it("makes a deleted Lease again", async () => {
    const world = new World();
    const a = world.candidate("a");
    a.elector.start();
    await world.scheduler.advance(1000);
    await world.scheduler.until(world.kube.delete(leases, NAMESPACE, NAME));
    await world.scheduler.advance(5000);
    assert.equal(await world.holder(), "a");
    assert.deepEqual(a.log, ["leading"]);
    await world.scheduler.until(a.elector.stop());
  });

  it("gives the Lease back when it stops, and the other has it at its next look", async () => {
    const world = new World();
    const a = world.candidate("a");
    const b = world.candidate("b");
    a.elector.start();
    await world.scheduler.advance(1000);
    b.elector.start();
    await world.scheduler.advance(1000);
    await world.scheduler.until(a.elector.stop());
    assert.equal(await world.holder(), "");
    await world.scheduler.advance(2100);
    assert.deepEqual([a.log, b.log], [["leading"], ["leading"]]);
    await world.scheduler.until(b.elector.stop());
  });

  it("is not leading after a freeze, before any timer has run", async () => {
    const world = new World();
    let now = 0;
    const frozen = {
      now: () => now,
      wallNow: () => 0,
      after: (delay: number, callback: () => void) => world.scheduler.after(delay, callback),
      soon: (callback: () => void) => world.scheduler.soon(callback),
    };
    const elector = new LeaderElector({
      kube: world.kube,
      namespace: NAMESPACE,
      name: NAME,
      identity: "a",
      scheduler: frozen,
      logger: silentLogger,
      onLeading: () => undefined,
      onLost: () => undefined,
    });
    elector.start();
    await world.scheduler.advance(100);
    const guarded = leaderOnlyApi(world.kube, () => elector.leading);
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x" } };
    await world.scheduler.until(guarded.create(configMaps, NAMESPACE, object));
    now = 30_000;
    await assert.rejects(guarded.delete(configMaps, NAMESPACE, "x"), NotLeadingError);
    const found = await world.scheduler.until(guarded.get(configMaps, NAMESPACE, "x"));
    assert.equal(found.metadata.name, "x");
    await world.scheduler.until(elector.stop());
  });
});
