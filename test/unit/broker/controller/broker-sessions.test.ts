import assert from "node:assert/strict";
import { BrokerSessions } from "../../../../broker/controller/broker-sessions.ts";

const TIMEOUT = 2000;

describe("broker sessions", () => {
  it("take a broker for dead after the timeout, and for alive again when it is heard", () => {
    const sessions = new BrokerSessions(TIMEOUT);
    sessions.heard(1, 5, false, 100);
    assert.deepEqual(sessions.expire(2100, 0), []);
    assert.deepEqual(sessions.expire(2101, 0), [1]);
    assert.deepEqual(sessions.expire(2102, 0), [], "told once");
    assert.equal(sessions.heard(1, 5, false, 3000), "changed");
    assert.equal(sessions.alive(1), true);
  });

  it("do not count silence while nothing could be heard", () => {
    const sessions = new BrokerSessions(TIMEOUT);
    sessions.heard(1, 5, false, 0);
    sessions.wasDeaf(1500);
    assert.deepEqual(sessions.expire(3500, 0), []);
    assert.deepEqual(sessions.expire(3501, 0), [1]);
    sessions.heard(2, 5, false, 4000);
    assert.deepEqual(sessions.expire(6001, 0), [2], "what was before it was heard is over");
  });

  it("never expire the broker that keeps them", () => {
    const sessions = new BrokerSessions(TIMEOUT);
    sessions.heard(0, 1, false, 0);
    assert.deepEqual(sessions.expire(1_000_000, 0), []);
  });

  it("give a broker that was running one timeout under a new controller, from when it was last heard", () => {
    const sessions = new BrokerSessions(TIMEOUT);
    sessions.grant(1, 1, true, 10_000, 10_000);
    sessions.grant(2, 1, true, 10_000, 7900);
    sessions.grant(3, 1, false, 10_000, 10_000);
    assert.deepEqual(
      [1, 2, 3].map((id) => sessions.alive(id)),
      [true, true, false],
    );
    assert.deepEqual(sessions.expire(10_000, 0), [2]);
    assert.deepEqual(sessions.expire(12_001, 0), [1]);
  });

  it("do not take a former process for the present one", () => {
    const sessions = new BrokerSessions(TIMEOUT);
    sessions.heard(1, 5, false, 0);
    assert.equal(sessions.heard(1, 4, false, 10), "stale");
    assert.equal(sessions.lost(1, 4), false);
    assert.equal(sessions.heard(1, 6, false, 20), "changed");
    assert.equal(sessions.lost(1, 6), true);
    assert.equal(sessions.lost(1, 6), false, "no news");
  });

  it("want a broker that was taken for dead to read the recorded state, and a new process not", () => {
    const sessions = new BrokerSessions(TIMEOUT);
    sessions.heard(1, 5, false, 0, 3);
    sessions.expire(5000, 0);
    sessions.heard(1, 5, false, 5001, 3);
    assert.equal(sessions.behind(1), true);
    sessions.heard(1, 5, false, 5002, 4);
    assert.equal(sessions.behind(1), false);
    sessions.expire(9000, 0);
    sessions.heard(1, 6, false, 9001, 0);
    assert.equal(sessions.behind(1), false);
  });

  it("tell when a majority was last heard", () => {
    const sessions = new BrokerSessions(TIMEOUT);
    sessions.heard(0, 1, false, 0);
    sessions.heard(1, 1, false, 400);
    sessions.heard(2, 1, false, 300);
    const at = (ids: readonly number[]): number => sessions.majorityHeardAt(ids, 0, 1000);
    assert.equal(at([0]), 1000);
    assert.equal(at([0, 1]), 400);
    assert.equal(at([0, 1, 2]), 400);
    assert.equal(at([0, 1, 2, 3, 4]), 300);
    assert.equal(at([0, 3, 4]), -Infinity);
  });
});
