import assert from "node:assert/strict";
import fc from "fast-check";
import { TokenBucket } from "../../../../broker/quotas/token-bucket.ts";
import { runs } from "../../../support/runs.ts";

describe("token bucket", () => {
  it("gives one who waits as told no more than a burst, its rate, and what it took last", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.record({ amount: fc.nat(2_000_000), pause: fc.nat(5000) }), {
          minLength: 1,
          maxLength: 50,
          size: "max",
        }),
        (rate, burst, takes) => {
          const bucket = new TokenBucket(rate, burst, 0);
          let now = 0;
          let taken = 0;
          for (const { amount, pause } of takes) {
            taken += amount;
            const allowed = burst * rate + (now / 1000) * rate;
            assert.ok(taken - amount <= allowed + 1e-6 * taken + 1, "even before the last take");
            const wait = bucket.take(amount, rate, burst, now);
            assert.ok(wait >= 0);
            now += wait + pause;
            assert.ok(bucket.debt(rate, burst, now) < 1e-3, "who has waited owes nothing");
          }
        },
      ),
      runs(),
    );
  });

  it("never asks one to wait who stays below its rate", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 50, size: "max" }),
        (rate, pauses) => {
          const bucket = new TokenBucket(rate, 1, 0);
          let now = 0;
          for (const pause of pauses) {
            now += pause;
            const amount = Math.min(rate, Math.floor((rate * pause) / 1000));
            assert.equal(bucket.take(amount, rate, 1, now), 0);
          }
        },
      ),
      runs(),
    );
  });
});
