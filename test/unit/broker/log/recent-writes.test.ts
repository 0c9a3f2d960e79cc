import assert from "node:assert/strict";
import { RECENT_MS, RecentWrites } from "../../../../broker/log/recent-writes.ts";
import { MINUTE } from "../../../../lib/units.ts";

describe("recent writes", () => {
  it("are from where nothing is older than ten minutes", () => {
    const recent = new RecentWrites();
    assert.equal(recent.from(0 - RECENT_MS), Infinity, "what was found is not recent");
    recent.noted(1000, 0);
    recent.noted(1500, 1000);
    recent.noted(2000, MINUTE);
    recent.noted(3000, 9 * MINUTE);
    assert.equal(recent.from(10 * MINUTE - RECENT_MS), 1000);
    assert.equal(
      recent.from(10 * MINUTE + 1 - RECENT_MS),
      2000,
      "written between the marks counts as old",
    );
    assert.equal(recent.from(12 * MINUTE - RECENT_MS), 3000);
    assert.equal(recent.from(20 * MINUTE - RECENT_MS), Infinity);
    recent.noted(4000, 20 * MINUTE);
    assert.equal(recent.from(20 * MINUTE - RECENT_MS), 4000);
    recent.clear();
    assert.equal(recent.from(20 * MINUTE - RECENT_MS), Infinity);
  });
});
