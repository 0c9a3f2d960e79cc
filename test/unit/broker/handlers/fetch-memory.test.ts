import assert from "node:assert/strict";
import { handleFetch } from "../../../../broker/handlers/fetch.ts";
import { HeldAnswer } from "../../../../broker/handlers/handler.ts";
import { AnswerMemory } from "../../../../broker/network/answer-memory.ts";
import { type FakeHosted, type HandlerWorld } from "./fakes.ts";
import { bytesOf, decoded, fetch, VERSION, worldOf } from "./fetch-asked.ts";

describe("fetch: memory for what is not in memory", () => {
  /** A world whose log answers from its files, and some megabytes for reads and answers. */
  function coldWorld(): { world: HandlerWorld; hosted: FakeHosted[]; answers: AnswerMemory } {
    const { world, hosted } = worldOf(2);
    const answers = new AnswerMemory(4_000_000);
    world.answers = answers;
    for (const one of hosted) world.append(one, 1000);
    const [cold] = hosted;
    if (cold !== undefined) cold.fakeLog.gate = Promise.resolve();
    return { world, hosted, answers };
  }

  it("is counted until the answer was sent", async () => {
    const { world, answers } = coldWorld();
    const result = await handleFetch(
      { ...world.context(), apiVersion: VERSION },
      decoded({ partitions: [{ partition: 0 }] }),
      VERSION,
    );
    assert.ok(result instanceof HeldAnswer);
    assert(answers.usedBytes > 10_000);
    result.release();
    assert.equal(answers.usedBytes, 0);
  });

  it("of which half is taken gives each fetch something, and then nothing more", async () => {
    const { world, hosted, answers } = coldWorld();
    for (const one of hosted) one.fakeLog.gate = Promise.resolve();
    const both = { partitions: [{ partition: 0 }, { partition: 1 }] };
    assert.deepEqual(bytesOf(await fetch(world, both)), [
      [0, 10_000],
      [1, 10_000],
    ]);
    answers.hold(2_000_000);
    assert.deepEqual(bytesOf(await fetch(world, both)), [
      [0, 10_000],
      [1, 0],
    ]);
  });

  it("when there is none what is in memory is answered, and the rest is as if nothing were there", async () => {
    const { world, answers } = coldWorld();
    answers.hold(4_000_000);
    let short = 0;
    answers.onShort = () => short++;
    const answer = await fetch(world, { partitions: [{ partition: 0 }, { partition: 1 }] });
    assert.deepEqual(bytesOf(answer), [
      [0, 0],
      [1, 10_000],
    ]);
    assert.equal(short, 1);
    assert.equal(answers.usedBytes, 4_000_000);
  });

  it("that comes back is promised to as many as there is room for, in order, and to none that has gone", async () => {
    const { world, answers } = coldWorld();
    answers.hold(4_000_000);
    const asked = { partitions: [{ partition: 0 }], maxWaitMs: 1000 };
    const waiting = Array.from({ length: 5 }, () => fetch(world, asked));
    await world.scheduler.advance(100);
    assert.equal(answers.room.waiting, 5);
    answers.giveBack(2_000_000);
    assert.equal(answers.room.waiting, 3, "two reads of a megabyte");
    // The others are told as the first are sent; what was promised to those whose connection breaks is nobody's.
    world.connection.close();
    await world.scheduler.advance(2000);
    await Promise.all(waiting);
    assert.equal(answers.room.waiting, 0);
    assert.equal(answers.usedBytes, 2_000_000);
  });

  it("is waited for as long as the fetch may wait, and then answered without", async () => {
    for (const comes of [true, false]) {
      const { world, answers } = coldWorld();
      answers.hold(4_000_000);
      const answering = fetch(world, { partitions: [{ partition: 0 }], maxWaitMs: 500 });
      await world.scheduler.advance(400);
      assert.equal(answers.room.waiting, 1);
      if (comes) answers.giveBack(4_000_000);
      await world.scheduler.advance(100);
      assert.deepEqual(bytesOf(await answering), [[0, comes ? 10_000 : 0]]);
      assert.equal(answers.room.waiting, 0);
    }
  });
});
