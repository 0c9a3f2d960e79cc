import assert from "node:assert/strict";
import { appended } from "../../../lib/small-list.ts";

describe("a small list", () => {
  it("has what was appended, in order", () => {
    let list: number[] = [];
    for (let i = 0; i < 20; i++) list = appended(list, i);
    assert.deepEqual(
      list,
      Array.from({ length: 20 }, (_, i) => i),
    );
  });
});
