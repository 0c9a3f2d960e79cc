import assert from "node:assert/strict";
import { handleFetch } from "../../../../broker/handlers/fetch.ts";
import { HeldAnswer } from "../../../../broker/handlers/handler.ts";
import { ErrorCode } from "../../../../broker/protocol/error-codes.ts";
import {
  fetchRequest,
  type FetchResponse,
  fetchResponse,
} from "../../../../broker/protocol/messages/fetch.ts";
import { deferred } from "../network/fakes.ts";
import { ask, type FakeHosted, type HandlerWorld } from "./fakes.ts";
import { bytesOf, decoded, fetch, requestOf, VERSION, worldOf } from "./fetch-asked.ts";

describe("fetch", () => {
  it("gives a broker that repairs its copy what is not committed too, and consumers do not get it", async () => {
    const { world, hosted } = worldOf(1);
    const [first] = hosted;
    assert.ok(first !== undefined);
    world.append(first, 4);
    first.highWatermark = 1;
    const asked = requestOf({ partitions: [{ partition: 0 }], maxWaitMs: 0, minBytes: 0 });
    for (const [listener, bytes] of [
      ["internal", 40],
      ["plaintext", 10],
    ] as const) {
      const answer = await ask(
        ...([world, handleFetch, fetchRequest, fetchResponse] as const),
        ...([VERSION, asked, listener] as const),
      );
      assert.deepEqual(bytesOf(answer), [[0, bytes]], listener);
    }
  });

  it("is answered as soon as there are records, and waits for nothing afterwards", async () => {
    const { world, hosted } = worldOf(2);
    const [first] = hosted;
    assert.ok(first !== undefined);
    const answering = fetch(world, { partitions: [{ partition: 0 }, { partition: 1 }] });
    await world.scheduler.advance(100);
    assert.equal(world.waiting, 2);
    world.append(first, 2);
    assert.deepEqual(bytesOf(await answering), [
      [0, 20],
      [1, 0],
    ]);
    assert.ok(world.scheduler.now() < 500);
    assert.deepEqual([world.waiting, world.connection.listeners], [0, 0]);
    assert.deepEqual(
      hosted.map(({ fakeLog }) => fakeLog.held),
      [0, 0],
    );
  });

  it("notices what was appended to one partition while another was still read from disk", async () => {
    const { world, first, answering, readOn } = await readingSecond();
    assert.equal(first.fakeLog.reads, 1);
    world.append(first, 1);
    readOn();
    assert.deepEqual(bytesOf(await answering), [
      [0, 10],
      [1, 0],
    ]);
    assert.ok(world.scheduler.now() < 500, "not at the end of its wait");
  });

  it("notices that leadership was lost meanwhile", async () => {
    const { world, first, answering, readOn } = await readingSecond();
    first.isLeader = false;
    world.progress(first);
    readOn();
    const answer = await answering;
    assert.equal(answer.responses[0]?.partitions[0]?.errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER);
    assert.ok(world.scheduler.now() < 500);
  });

  it("answers empty records, never null ones, where there are none to give", async () => {
    const { world, hosted } = worldOf(3);
    const [, , elsewhere] = hosted;
    assert.ok(elsewhere !== undefined);
    elsewhere.isLeader = false;
    const asked = [
      { partition: 0 },
      { partition: 1, offset: 99 },
      { partition: 2 },
      { partition: 3 },
    ];
    const answer = await fetch(world, { partitions: asked, maxWaitMs: 0 });
    assert.deepEqual(
      answer.responses[0]?.partitions.map(({ errorCode, records }) => [errorCode, records?.length]),
      [
        [ErrorCode.NONE, 0],
        [ErrorCode.OFFSET_OUT_OF_RANGE, 0],
        [ErrorCode.NOT_LEADER_OR_FOLLOWER, 0],
        [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0],
      ],
    );
  });

  it("gives memory back when the client has gone while it was read", async () => {
    const { world, hosted } = worldOf(2);
    const [first, second] = hosted;
    assert.ok(first !== undefined && second !== undefined);
    world.append(first, 1);
    const disk = deferred<undefined>();
    first.fakeLog.gate = disk.promise;
    const request = decoded({ partitions: [{ partition: 0 }, { partition: 1 }] });
    const answering = handleFetch(world.context(), request, VERSION);
    assert.ok(answering instanceof Promise);
    await world.scheduler.advance(1);
    world.connection.close();
    disk.resolve(undefined);
    const answer = await world.scheduler.until(answering);
    // Its connection drops the answer, and thereby gives it back.
    if (answer instanceof HeldAnswer) answer.release();
    assert.deepEqual([first.fakeLog.held, second.fakeLog.reads], [0, 0]);
  });

  it("gives memory back when a read fails", async () => {
    const { world, hosted } = worldOf(2);
    const [first, second] = hosted;
    assert.ok(first !== undefined && second !== undefined);
    world.append(first, 1);
    second.fakeLog.gate = Promise.reject(new Error("the volume failed"));
    await assert.rejects(fetch(world, { partitions: [{ partition: 0 }, { partition: 1 }] }), {
      message: "the volume failed",
    });
    assert.equal(first.fakeLog.held, 0);
    assert.equal(world.connection.listeners, 0);
  });

  it("gives each partition of a session its turn when an answer holds but one", async () => {
    const { world, hosted } = worldOf(3);
    for (const one of hosted) world.append(one, 5);
    const partitions = [{ partition: 0 }, { partition: 1 }, { partition: 2 }];
    const first = await fetch(world, { partitions, sessionEpoch: 0, maxBytes: 10 });
    const turns = [first];
    for (const sessionEpoch of [1, 2, 3]) {
      const { sessionId } = first;
      turns.push(await fetch(world, { partitions: [], sessionId, sessionEpoch, maxBytes: 10 }));
    }
    assert.deepEqual(
      turns.map((answer) => bytesOf(answer).find(([, bytes]) => bytes > 0)),
      [0, 1, 2, 0].map((partition) => [partition, 10]),
    );
  });
});

/** A fetch of two partitions that has read the first, which is empty, and reads the second from disk until told to go on. */
async function readingSecond(): Promise<{
  readonly world: HandlerWorld;
  readonly first: FakeHosted;
  readonly answering: Promise<FetchResponse>;
  readonly readOn: () => void;
}> {
  const { world, hosted } = worldOf(2);
  const [first, second] = hosted;
  assert.ok(first !== undefined && second !== undefined);
  const disk = deferred<undefined>();
  second.fakeLog.gate = disk.promise;
  const answering = fetch(world, { partitions: [{ partition: 0 }, { partition: 1 }] });
  await world.scheduler.advance(1);
  const readOn = (): void => {
    disk.resolve(undefined);
  };
  return { world, first, answering, readOn };
}
