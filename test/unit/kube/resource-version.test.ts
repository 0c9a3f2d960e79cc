import assert from "node:assert/strict";
import { isOlderVersion, versionNumber } from "../../../kube/resource-version.ts";

describe("resource versions", () => {
  it("are numbers; what is none comes before all of them", () => {
    assert.deepEqual(
      [undefined, "", "x1", "1", "12345678901"].map(versionNumber),
      [0, 0, 0, 1, 12_345_678_901],
    );
  });

  const cases: [one: string | undefined, other: string | undefined, older: boolean][] = [
    ["9", "10", true],
    ["10", "9", false],
    ["10", "10", false],
    ["18446744073709551614", "18446744073709551615", true],
    [undefined, "10", false],
    ["9", undefined, false],
    ["a9", "b1", false],
    ["09", "10", false],
    ["", "1", false],
  ];
  for (const [one, other, older] of cases) {
    it(`${older ? "takes" : "does not take"} ${String(one)} for older than ${String(other)}`, () => {
      assert.equal(isOlderVersion(one, other), older);
    });
  }
});
