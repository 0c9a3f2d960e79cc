import assert from "node:assert/strict";
import {
  FetchSessionClient,
  type PartitionFetch,
} from "../../../../broker/replication/fetch-session-client.ts";

function at(partition: number, fetchOffset = 0): PartitionFetch {
  return {
    topicId: "t",
    partition,
    currentLeaderEpoch: 0,
    fetchOffset,
    lastFetchedEpoch: -1,
    logStartOffset: 0,
  };
}

/** What a request says, in short. */
function said(session: FetchSessionClient): [number, number, number[], number[]] {
  const { sessionId, sessionEpoch, fetch, forget } = session.next();
  return [
    sessionId,
    sessionEpoch,
    fetch.map(({ partition }) => partition),
    forget.map(({ partition }) => partition),
  ];
}

describe("a follower's fetch session", () => {
  it("says all to begin with, and then only what has changed", () => {
    const session = new FetchSessionClient();
    for (const partition of [0, 1, 2]) session.ask(String(partition), at(partition));
    assert.deepEqual(said(session), [0, 0, [0, 1, 2], []]);
    session.answered(7);
    session.ask("0", at(0));
    session.ask("1", at(1, 5));
    session.ask("2", undefined);
    assert.deepEqual(said(session), [7, 1, [1], [2]]);
    session.answered(7);
    assert.deepEqual(said(session), [7, 2, [], []]);
    assert.equal(session.size, 2);
  });

  it("says again what was taken out in between, though nothing else has changed", () => {
    const session = new FetchSessionClient();
    session.ask("0", at(0));
    session.next();
    session.answered(7);
    session.ask("0", undefined);
    session.ask("0", at(0));
    assert.deepEqual(said(session), [7, 1, [0], []]);
  });

  it("begins again with all that is asked for when the session is lost or refused", () => {
    const session = new FetchSessionClient();
    for (const partition of [0, 1]) session.ask(String(partition), at(partition));
    session.next();
    session.answered(7);
    session.ask("1", undefined);
    session.ask("2", at(2));
    session.reset();
    assert.deepEqual(said(session), [0, 0, [0, 2], []]);
    session.answered(0);
    assert.deepEqual(said(session), [0, 0, [0, 2], []]);
  });
});
