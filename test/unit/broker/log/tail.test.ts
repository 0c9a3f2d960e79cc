import assert from "node:assert/strict";
import { Arena } from "../../../../broker/log/arena.ts";
import { LogTail } from "../../../../broker/log/tail.ts";
import { batchAt } from "../../../../broker/protocol/record-batch.ts";
import { batchOf } from "../../../support/batches.ts";

/** A tail with batches of one record at offsets 0, 1, 2 and so on. */
function tailOf(count: number): LogTail {
  const arena = new Arena({ budgetBytes: 1 << 20, extentBytes: 1 << 16 });
  const tail = new LogTail(arena, 0);
  for (let offset = 0; offset < count; offset++) {
    const batch = batchOf({ baseOffset: offset });
    const extent = arena.room(batch.length);
    const position = extent.filled;
    extent.bytes.set(batch, position);
    extent.filled += batch.length;
    tail.push(offset, extent, position, batch.length);
  }
  return tail;
}

function write(tail: LogTail, end: number): void {
  const piece = tail.takeUnwritten(end);
  assert(piece !== undefined);
  piece.written();
  piece.release();
}

/** Base offsets of what is read from memory, or undefined where the files have to be asked. */
function offsets(tail: LogTail, from: number): readonly number[] | undefined {
  const read = tail.read(from, 1 << 20, 100, true);
  read?.release();
  return read?.parts.map((part) => batchAt(part, 0).baseOffset);
}

describe("tail of a log", () => {
  it("leaves to the files what was compacted, and has the rest", () => {
    const tail = tailOf(6);
    write(tail, 4);
    assert.equal(tail.writtenOffset, 4);
    assert.deepEqual(offsets(tail, 0), [0, 1, 2, 3, 4, 5]);
    tail.forgetBelow(3);
    assert.deepEqual(
      [0, 2, 3, 5].map((offset) => offsets(tail, offset)),
      [undefined, undefined, [3, 4, 5], [5]],
    );
    assert(!tail.has(2));
    assert.equal(tail.unwrittenOffset, 4);
  });

  it("keeps what is not in files when a truncation came while it was compacted", () => {
    const tail = tailOf(6);
    write(tail, 4);
    tail.cut(3);
    tail.forgetBelow(4);
    assert.equal(tail.writtenOffset, 3);
    assert.equal(offsets(tail, 2), undefined);
    const again = tailOf(6);
    write(again, 4);
    again.forgetBelow(5);
    assert.deepEqual(offsets(again, 4), [4, 5]);
    assert.equal(again.unwrittenOffset, 4);
  });

  it("goes on when all of it was compacted", () => {
    const tail = tailOf(2);
    write(tail, 2);
    tail.forgetBelow(2);
    assert.equal(offsets(tail, 1), undefined);
    assert.equal(tail.unwrittenOffset, undefined);
  });
});
