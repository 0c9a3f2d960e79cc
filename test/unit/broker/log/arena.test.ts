import assert from "node:assert/strict";
import { Arena, type Extent, TailIndex } from "../../../../broker/log/arena.ts";
import { InvariantError } from "../../../../lib/assert.ts";

/** Takes `length` bytes as an append does. */
function take(arena: Arena, length: number): Extent {
  const extent = arena.room(length);
  extent.filled += length;
  return extent;
}

describe("arena", () => {
  it("packs entries into one extent until it is full", () => {
    const arena = new Arena({ budgetBytes: 1000, extentBytes: 100 });
    const first = take(arena, 60);
    assert.equal(take(arena, 40), first);
    const second = take(arena, 1);
    assert.notEqual(second, first);
    assert.equal(second.sequence, first.sequence + 1);
    assert.equal(arena.bytes, 200);
  });

  it("gives an entry that is larger than an extent one of its own", () => {
    const arena = new Arena({ budgetBytes: 1000, extentBytes: 100 });
    assert.equal(take(arena, 350).bytes.length, 350);
    assert.equal(take(arena, 10).bytes.length, 100);
    assert.equal(arena.bytes, 450);
  });

  it("recycles the oldest extents first, within the budget", () => {
    const arena = new Arena({ budgetBytes: 300, extentBytes: 100 });
    const memory = [take(arena, 100).bytes, take(arena, 100).bytes, take(arena, 100).bytes];
    assert.equal(arena.oldest, 0);
    assert.equal(take(arena, 100).bytes, memory[0]);
    assert.equal(arena.oldest, 1);
    assert.equal(take(arena, 100).bytes, memory[1]);
    assert.equal(arena.bytes, 300);
    assert.throws(() => arena.extent(1), InvariantError);
    assert.equal(arena.extent(2).bytes, memory[2]);
  });

  const busy: [string, (extent: Extent) => void, (extent: Extent) => void][] = [
    ["that the journal has not synced", (one) => one.unsynced++, (one) => one.unsynced--],
    ["that is not in segments yet", (one) => (one.unwritten += 9), (one) => (one.unwritten -= 9)],
  ];
  for (const [name, hold, release] of busy) {
    it(`goes beyond the budget rather than recycle an extent ${name}`, () => {
      const arena = new Arena({ budgetBytes: 200, extentBytes: 100 });
      const first = take(arena, 100);
      hold(first);
      for (let i = 0; i < 3; i++) take(arena, 100);
      assert.equal(arena.extent(0), first);
      assert.equal(arena.bytes, 400);
      assert.deepEqual([arena.congested, arena.overfull], [true, false]);
      take(arena, 100);
      assert.deepEqual([arena.congested, arena.overfull], [true, true]);
      release(first);
      arena.caughtUp();
      assert.deepEqual([arena.congested, arena.overfull], [false, false]);
      assert.equal(arena.bytes, 100);
    });
  }

  it("lets those who wait go on in order as it catches up, no more than there is room for", () => {
    const arena = new Arena({ budgetBytes: 300, extentBytes: 100 });
    const filled = [0, 1, 2, 3].map(() => take(arena, 100));
    // The first three are not in segments yet, the newest one is not either.
    for (const extent of filled) extent.unwritten = 1;
    take(arena, 100);
    assert.equal(arena.congested, true);
    const passed: number[] = [];
    for (let i = 0; i < 5; i++) {
      arena.relief.wait(() => {
        passed.push(i);
        take(arena, 100).unwritten = 1;
      });
    }
    arena.caughtUp();
    assert.deepEqual(passed, [], "nothing was freed");
    for (const extent of filled) extent.unwritten = 0;
    arena.caughtUp();
    assert.deepEqual(passed, [0, 1, 2, 3], "the fourth filled it up again");
    assert.equal(arena.relief.waiting, 1);
  });

  it("does not keep the place of an extent that is read for ever, nor use its memory again", () => {
    const arena = new Arena({ budgetBytes: 300, extentBytes: 100 });
    const read = take(arena, 100);
    read.holds++;
    const others = Array.from({ length: 20 }, () => take(arena, 100));
    assert.equal(arena.bytes, 300);
    assert.equal(arena.detachedBytes, 100);
    assert(!others.some(({ bytes }) => bytes === read.bytes));
    read.holds--;
    assert.equal(arena.detachedBytes, 0);
  });
});

describe("tail index", () => {
  const filled = (count: number): TailIndex => {
    const index = new TailIndex();
    for (let i = 0; i < count; i++) index.push(i * 10, Math.floor(i / 4), i, i + 1);
    return index;
  };

  it("finds the batch that begins at or before an offset", () => {
    const index = filled(5);
    for (const [offset, at] of [
      [-1, -1],
      [0, 0],
      [9, 0],
      [10, 1],
      [39, 3],
      [40, 4],
      [1e9, 4],
    ] as const) {
      assert.equal(index.find(offset), at, `offset ${offset}`);
    }
    assert.equal(new TailIndex().find(5), -1);
  });

  it("forgets what lies in recycled extents, and goes round in its ring", () => {
    const index = filled(8);
    index.dropBefore(1);
    assert.equal(index.count, 4);
    assert.equal(index.baseOffset(0), 40);
    // Four places at the front are free: these go round, the fifth makes the ring grow.
    for (let i = 8; i < 13; i++) index.push(i * 10, Math.floor(i / 4), i, i + 1);
    assert.equal(index.count, 9);
    for (let i = 0; i < 9; i++) {
      const n = i + 4;
      assert.deepEqual(
        [index.baseOffset(i), index.sequence(i), index.position(i), index.size(i)],
        [n * 10, Math.floor(n / 4), n, n + 1],
      );
      assert.equal(index.find(n * 10 + 9), i);
    }
  });

  it("gives up the newest first when a log is cut", () => {
    const index = filled(3);
    index.pop();
    assert.equal(index.count, 2);
    assert.equal(index.find(1e9), 1);
    index.clear();
    assert.equal(index.count, 0);
    index.push(5, 6, 7, 8);
    assert.equal(index.baseOffset(0), 5);
  });
});
