import assert from "node:assert/strict";
import { handleFetch } from "../../../../broker/handlers/fetch.ts";
import { ErrorCode } from "../../../../broker/protocol/error-codes.ts";
import {
  fetchRequest,
  type FetchResponse,
  fetchResponse,
} from "../../../../broker/protocol/messages/fetch.ts";
import { ask, type FakeHosted, HandlerWorld, TOPIC_ID } from "./fakes.ts";

const VERSION = 17;
const WAIT_MS = 500;

/** A follower's end of a fetch session of one topic. */
class Follower {
  readonly #world: HandlerWorld;
  #session = { id: 0, epoch: 0 };

  constructor(world: HandlerWorld) {
    this.#world = world;
  }

  /** @param offsets of the partitions that it asks for anew. */
  async fetch(
    offsets: Readonly<Record<number, number>> = {},
    maxBytes = 1 << 20,
  ): Promise<FetchResponse> {
    const { id, epoch } = this.#session;
    const answer = await ask(
      this.#world,
      handleFetch,
      fetchRequest,
      fetchResponse,
      VERSION,
      {
        maxWaitMs: WAIT_MS,
        minBytes: 1,
        maxBytes,
        sessionId: id,
        sessionEpoch: epoch,
        replicaState: { replicaId: 1, replicaEpoch: 1 },
        topics: [
          {
            topic: "a",
            topicId: TOPIC_ID,
            partitions: Object.entries(offsets).map(([partition, fetchOffset]) => ({
              partition: Number(partition),
              fetchOffset,
              currentLeaderEpoch: 0,
              partitionMaxBytes: 1 << 20,
            })),
          },
        ],
      },
      "internal",
    );
    this.#session = { id: answer.sessionId, epoch: epoch + 1 };
    return answer;
  }
}

/** By partition the bytes of records, or the name of what is told instead. */
function told(answer: FetchResponse): Record<number, string> {
  return Object.fromEntries(
    answer.responses.flatMap(({ partitions }) =>
      partitions.map(({ partitionIndex, errorCode, records, highWatermark }) => [
        partitionIndex,
        errorCode !== ErrorCode.NONE
          ? `error ${errorCode}`
          : `${records?.length ?? 0} bytes, ${highWatermark}`,
      ]),
    ),
  );
}

/** A leader of some partitions, and a follower that has all of them in its session, at rest. */
async function followed(
  partitions: number,
): Promise<{ world: HandlerWorld; hosted: FakeHosted[]; follower: Follower }> {
  const world = new HandlerWorld();
  world.broker(0);
  world.broker(1);
  world.topic(
    "a",
    Array.from({ length: partitions }, () => ({ placement: { replicas: [0, 1] } })),
  );
  const hosted = Array.from({ length: partitions }, (_, at) => world.host("a", at));
  const follower = new Follower(world);
  const first = follower.fetch(Object.fromEntries(hosted.map((_, at) => [at, 0])));
  await world.scheduler.advance(WAIT_MS);
  await first;
  return { world, hosted, follower };
}

const looks = (hosted: readonly FakeHosted[]): number[] =>
  hosted.map(({ fakeLog }) => fakeLog.reads);

describe("a follower's fetch", () => {
  it("looks only at what has moved or is asked for anew, between looks at all", async () => {
    const { world, hosted, follower } = await followed(3);
    const [one, two] = hosted;
    assert.ok(one !== undefined && two !== undefined);
    // This one looks at all of them; those that follow do not.
    let answering = follower.fetch();
    world.append(one, 2);
    assert.deepEqual(told(await answering), { 0: "20 bytes, 2" });
    const before = looks(hosted);
    const accepted = hosted.map((each) => each.accepted);
    answering = follower.fetch({ 0: 2 });
    await world.scheduler.advance(10);
    world.append(two, 1);
    assert.deepEqual(told(await answering), { 1: "10 bytes, 1" });
    assert.deepEqual(
      looks(hosted).map((reads, at) => reads - (before[at] ?? 0)),
      [1, 1, 0],
    );
    assert.deepEqual(
      hosted.map((each, at) => each.accepted - (accepted[at] ?? 0)),
      [1, 0, 0],
      "only what it asks for anew is acknowledged",
    );
    // After a while all are, so that the leader knows that the follower keeps up.
    answering = follower.fetch({ 1: 1 });
    await world.scheduler.advance(WAIT_MS);
    await answering;
    answering = follower.fetch();
    assert.ok(hosted.every((each, at) => each.accepted > (accepted[at] ?? 0)));
    await world.scheduler.advance(WAIT_MS);
    await answering;
  });

  it("is told of a high watermark with the next answer, and does not wait for it", async () => {
    const { world, hosted, follower } = await followed(2);
    const [one] = hosted;
    assert.ok(one !== undefined);
    let answering = follower.fetch();
    world.append(one, 1);
    await answering;
    answering = follower.fetch({ 0: 1 });
    await world.scheduler.advance(10);
    one.highWatermark = 5;
    world.progress(one);
    const began = world.scheduler.now();
    await world.scheduler.advance(WAIT_MS);
    assert.deepEqual(told(await answering), { 0: "0 bytes, 5" });
    assert.ok(world.scheduler.now() - began >= WAIT_MS - 10);
  });

  it("gets what had no room in an answer with the next, though it asks for nothing anew", async () => {
    const { world, hosted, follower } = await followed(3);
    let answering = follower.fetch();
    for (const each of hosted) world.append(each, 1);
    await answering;
    answering = follower.fetch({ 0: 1, 1: 1, 2: 1 });
    await world.scheduler.advance(10);
    for (const each of hosted) world.append(each, 1);
    await answering;
    answering = follower.fetch({ 0: 2, 1: 2, 2: 2 }, 10);
    await world.scheduler.advance(10);
    for (const each of hosted) world.append(each, 1);
    const first = Object.entries(told(await answering)).filter(([, one]) => one.startsWith("10"));
    assert.equal(first.length, 1);
    const served = first[0]?.[0] ?? "";
    const rest = told(await follower.fetch({ [served]: 3 }));
    const bytes = Object.values(rest).filter((one) => one.startsWith("10"));
    assert.equal(bytes.length, 2);
  });

  it("is refused a partition whose leadership is another than it asked for", async () => {
    const { world, hosted, follower } = await followed(2);
    const [one] = hosted;
    assert.ok(one !== undefined);
    const answering = follower.fetch();
    await world.scheduler.advance(10);
    one.isLeader = false;
    world.progress(one);
    assert.deepEqual(told(await answering), { 0: `error ${ErrorCode.NOT_LEADER_OR_FOLLOWER}` });
    // It leads again: what is read is shown to the partition first.
    const { accepted } = one;
    const next = follower.fetch();
    await world.scheduler.advance(10);
    one.isLeader = true;
    one.leaderEpoch = 1;
    world.append(one, 1);
    await next;
    assert.ok(one.accepted > accepted);
  });

  it("ends its wait when another request comes by its connection", async () => {
    const { world, follower } = await followed(2);
    for (const after of [10, 0]) {
      const answering = follower.fetch();
      const began = world.scheduler.now();
      if (after > 0) await world.scheduler.advance(after);
      world.connection.next();
      await world.scheduler.advance(1);
      await answering;
      assert.ok(world.scheduler.now() - began < WAIT_MS);
    }
  });

  it("leaves nothing behind when its connection breaks", async () => {
    const { world, hosted } = await followed(3);
    assert.equal(world.waiting, hosted.length);
    assert.equal(world.fetchSessions.size, 1);
    world.connection.close();
    assert.deepEqual([world.waiting, world.fetchSessions.size], [0, 0]);
  });
});
