import assert from "node:assert/strict";
import type { Lease } from "../../../kube/objects.ts";
import { Election, type ElectionStep } from "../../../operator/election.ts";

const SECOND = 1000;

function lease(holderIdentity: string, resourceVersion: string, leaseDurationSeconds = 15): Lease {
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name: "operator", namespace: "default", resourceVersion },
    spec: { holderIdentity, leaseDurationSeconds, leaseTransitions: 4 },
  };
}

/** An election that took the Lease at `now`. */
function leader(now: number): Election {
  const election = new Election("me");
  election.read(lease("", "1"), now);
  election.written(lease("me", "2"), now, now + 20);
  return election;
}

describe("operator election", () => {
  it("reads before it decides", () => {
    assert.deepEqual(new Election("me").next(0, 0), { kind: "read" });
  });

  describe("what follows from a read", () => {
    const cases: readonly [string, Lease, ElectionStep["kind"]][] = [
      ["nobody holds it", lease("", "1"), "write"],
      ["it is this process's own, from a write without an answer", lease("me", "1"), "write"],
      ["another holds it", lease("other", "1"), "wait"],
      ["it has no spec", { ...lease("", "1"), spec: {} }, "write"],
    ];
    for (const [name, seen, kind] of cases) {
      it(`${name}: ${kind}`, () => {
        const election = new Election("me");
        election.read(seen, 100);
        assert.equal(election.next(100, 0).kind, kind);
      });
    }
  });

  it("takes a Lease that has not changed for its duration by its own clock, whatever times it bears", () => {
    const election = new Election("me");
    const future = { ...lease("other", "7"), spec: { ...lease("other", "7").spec } };
    Object.assign(future.spec, { renewTime: "2999-01-01T00:00:00.000000Z" });
    for (let now = 0; now < 15 * SECOND; now += 2 * SECOND) {
      election.read(future, now);
      assert.equal(election.next(now, 0).kind, "wait", `at ${String(now)}`);
    }
    election.read(future, 15 * SECOND);
    assert.equal(election.next(15 * SECOND, 0).kind, "write");
  });

  it("counts anew when the Lease changes", () => {
    const election = new Election("me");
    election.read(lease("other", "1"), 0);
    election.read(lease("other", "2"), 14 * SECOND);
    election.read(lease("other", "2"), 28 * SECOND);
    assert.equal(election.next(28 * SECOND, 0).kind, "wait");
  });

  it("counts the transition and the time of taking it, and only then", () => {
    const election = new Election("me");
    election.read(lease("", "1"), 0);
    const step = election.next(0, 1_700_000_000_000);
    assert.equal(step.kind, "write");
    assert.deepEqual(step.spec, {
      holderIdentity: "me",
      leaseDurationSeconds: 15,
      leaseTransitions: 5,
      acquireTime: "2023-11-14T22:13:20.000000Z",
      renewTime: "2023-11-14T22:13:20.000000Z",
    });
    election.written({ ...lease("me", "2"), spec: step.spec }, 0, 5);
    const renewal = election.next(3 * SECOND, 1_700_000_003_000);
    assert.equal(renewal.kind, "write");
    assert.equal(renewal.spec.leaseTransitions, 5);
    assert.equal(renewal.spec.acquireTime, step.spec.acquireTime);
    assert.equal(renewal.spec.renewTime, "2023-11-14T22:13:23.000000Z");
  });

  it("does not lead before its write is answered, and from when it was sent", () => {
    const election = new Election("me");
    election.read(lease("", "1"), 0);
    assert.equal(election.leads(0), false);
    election.written(lease("me", "2"), 1000, 1800);
    assert.equal(election.leads(1800), true);
    assert.equal(election.leads(10_999), true);
    assert.equal(election.leads(11_000), false);
  });

  it("is lost for good when it was not renewed in time, also if it was then written", () => {
    const election = leader(0);
    assert.equal(election.next(10 * SECOND, 0).kind, "lost");
    election.written(lease("me", "3"), 10 * SECOND, 10 * SECOND);
    assert.equal(election.leads(10 * SECOND), false);
    assert.equal(election.next(10 * SECOND, 0).kind, "lost");
  });

  it("is lost when a read shows another holder", () => {
    const election = leader(0);
    election.conflicted(SECOND);
    assert.equal(election.next(SECOND, 0).kind, "read");
    election.read(lease("other", "3"), SECOND);
    assert.equal(election.leads(SECOND), false);
    assert.equal(election.next(SECOND, 0).kind, "lost");
  });

  it("takes a Lease again that was deleted and made anew", () => {
    const election = leader(0);
    election.conflicted(SECOND);
    election.read(lease("", "9"), SECOND);
    assert.equal(election.leads(SECOND), true);
    assert.equal(election.next(3 * SECOND, 0).kind, "write");
  });

  it("reads again after a write of which no answer came, and not at once", () => {
    const election = leader(0);
    election.failed(3 * SECOND);
    assert.deepEqual(election.next(3 * SECOND, 0), { kind: "wait", delay: 2 * SECOND });
    assert.equal(election.next(5 * SECOND, 0).kind, "read");
  });

  it("gives back what it holds, and then does not lead", () => {
    const election = leader(0);
    assert.equal(election.release(SECOND)?.spec?.holderIdentity, "");
    assert.equal(election.leads(SECOND), false);
    assert.equal(new Election("me").release(0), undefined);
    assert.equal(leader(0).release(20 * SECOND), undefined, "not after its time");
  });
});
