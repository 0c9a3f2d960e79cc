import assert from "node:assert/strict";
import { decodeCheckpoint, encodeCheckpoint } from "../../../../broker/log/checkpoints.ts";

const saved = {
  journalPosition: 2 ** 41,
  logs: new Map([
    ["a/0", { recoveryPoint: 2 ** 40, logStartOffset: 3, highWatermark: 2 ** 40 - 1 }],
    ["a/10", { recoveryPoint: 0, logStartOffset: 0, highWatermark: 0 }],
  ]),
};

describe("checkpoint file", () => {
  it("is read back as it was written", () => {
    assert.deepEqual(decodeCheckpoint(encodeCheckpoint(saved)), saved);
    const none = { journalPosition: 7, logs: new Map() };
    assert.deepEqual(decodeCheckpoint(encodeCheckpoint(none)), none);
  });

  it("is a beginning when there is none", () => {
    assert.deepEqual(decodeCheckpoint(undefined), { journalPosition: 0, logs: new Map() });
  });

  it("is refused when any byte of it is another or it is cut short", () => {
    const whole = encodeCheckpoint(saved);
    for (let i = 0; i < whole.length; i++) {
      const damaged = whole.slice();
      damaged[i] = (damaged[i] ?? 0) ^ 0x01;
      assert.throws(() => decodeCheckpoint(damaged), /damaged checkpoint/, `byte ${i}`);
      assert.throws(() => decodeCheckpoint(whole.subarray(0, i)), /damaged checkpoint/);
    }
  });
});
