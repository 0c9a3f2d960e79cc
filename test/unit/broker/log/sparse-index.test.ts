import assert from "node:assert/strict";
import { SparseIndex } from "../../../../broker/log/sparse-index.ts";

describe("sparse index", () => {
  it("begins at position 0 while it is empty", () => {
    const index = new SparseIndex();
    assert.equal(index.floor(0), 0);
    assert.equal(index.floor(1e15), 0);
    assert.equal(index.lastPosition, -1);
  });

  const cases: [offset: number, position: number][] = [
    [0, 0],
    [9, 0],
    [10, 100],
    [11, 100],
    [19, 100],
    [20, 250],
    [2 ** 33, 900],
    [2 ** 33 + 5, 900],
  ];
  for (const [offset, position] of cases) {
    it(`finds position ${position} for offset ${offset}`, () => {
      const index = new SparseIndex();
      index.push(10, 100);
      index.push(20, 250);
      index.push(2 ** 33, 900);
      assert.equal(index.floor(offset), position);
      assert.equal(index.lastPosition, 900);
    });
  }

  it("finds every entry again when it has grown many times", () => {
    const index = new SparseIndex();
    for (let i = 1; i <= 1000; i++) index.push(i * 3, i * 50);
    for (let i = 1; i <= 1000; i++) {
      assert.equal(index.floor(i * 3), i * 50);
      assert.equal(index.floor(i * 3 + 2), i * 50);
      assert.equal(index.floor(i * 3 - 1), (i - 1) * 50);
    }
  });
});
