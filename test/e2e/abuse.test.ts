import assert from "node:assert/strict";
import { abuse } from "../../bench/scenarios/abuse.ts";

/** The scenario of `npm run bench -- abuse`, small. */
describe("a broker that is abused", function () {
  this.timeout(180_000);

  it("stays within its memory, loses nothing that it acknowledged, and serves others", async () => {
    const { boundBytes, phases, lost, failures } = await abuse([], 10);
    for (const { name, residentBytes, latencies } of phases) {
      assert(residentBytes <= boundBytes, `${name}: ${residentBytes} bytes are resident`);
      assert(latencies.coldReads.length > 0, `${name}: old records are served`);
      if (name !== "producers") assert(latencies.acks.length > 0, `${name}: records are taken`);
    }
    assert.equal(lost, 0);
    assert.equal(failures, 0);
  });
});
