import assert from "node:assert/strict";
import { tellStory, type StoryResult } from "../../support/operator-story.ts";

/** By itself the first write of each kind and name; OPERATOR_EVERY_WRITE=1 takes each of the some 200. */
function chosenWrites(writes: readonly string[]): number[] {
  const numbers = writes.map((_, at) => at + 1);
  if (process.env["OPERATOR_EVERY_WRITE"] === "1") return numbers;
  const kinds = writes.map((write) => write.replace(/(events) .*/, "$1"));
  return numbers.filter((write) => kinds.indexOf(kinds[write - 1] ?? "") === write - 1);
}

/** What one telling has otherwise than another. */
function difference(found: StoryResult, wanted: StoryResult): string[] {
  return wanted.ends.flatMap((end, at) => {
    const other = found.ends[at] ?? [];
    return [
      ...end.filter((line) => !other.includes(line)).map((line) => `${end[0]}: lacks ${line}`),
      ...other.filter((line) => !end.includes(line)).map((line) => `${end[0]}: has ${line}`),
    ];
  });
}

describe("an operator that is killed", function () {
  this.timeout(400_000);
  let undisturbed: StoryResult;
  before(async () => {
    undisturbed = await tellStory({});
    assert.deepEqual(undisturbed.strays, []);
    assert.ok(undisturbed.writes.length > 100);
  });

  for (const fate of ["killed before", "killed after"] as const) {
    it(`leaves its successor to end in the same state: ${fate} a write takes effect`, async () => {
      for (const write of chosenWrites(undisturbed.writes)) {
        const told = await tellStory({ kill: { write, fate } });
        const where = `write ${write}, ${undisturbed.writes[write - 1] ?? ""}`;
        assert.equal(told.kills, 1, where);
        assert.deepEqual(told.strays, [], where);
        assert.deepEqual(difference(told, undisturbed), [], where);
      }
    });
  }

  it("or is one of three that all act ends in the same state", async () => {
    const told = await tellStory({ operators: 3 });
    assert.deepEqual(told.strays, []);
    assert.deepEqual(difference(told, undisturbed), []);
    assert.ok(told.writes.length > undisturbed.writes.length);
  });
});
