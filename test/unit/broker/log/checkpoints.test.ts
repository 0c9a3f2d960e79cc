import assert from "node:assert/strict";
import { crc32c } from "../../../../lib/crc32c.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../../../../broker/log/checkpoints.ts";
import { DEFAULT_LOG_CONFIG } from "../../../../broker/log/log-options.ts";

const saved = {
  journalPosition: 2 ** 41,
  clean: false,
  logs: new Map([
    [
      "a/0",
      {
        recoveryPoint: 2 ** 40,
        logStartOffset: 3,
        highWatermark: 2 ** 40 - 1,
        filesEnd: 2 ** 40 - 2,
        cleanedOffset: 77,
        segmentBytes: 2 ** 30,
        indexIntervalBytes: 4096,
      },
    ],
    [
      "a/10",
      {
        recoveryPoint: 0,
        logStartOffset: 0,
        highWatermark: 0,
        filesEnd: 0,
        cleanedOffset: 0,
        segmentBytes: 1000,
        indexIntervalBytes: 0,
      },
    ],
  ]),
};

describe("checkpoint file", () => {
  it("is read back as it was written", () => {
    assert.deepEqual(decodeCheckpoint(encodeCheckpoint(saved)), saved);
    const none = { journalPosition: 7, clean: true, logs: new Map() };
    assert.deepEqual(decodeCheckpoint(encodeCheckpoint(none)), none);
  });

  it("of before there was compaction is read: nothing is clean, no log ends in a gap", () => {
    const body = Buffer.from("9\na/0 100 3 90");
    const head = Buffer.from(`forebay-checkpoint 1 ${crc32c(body)}\n`);
    assert.deepEqual(decodeCheckpoint(Buffer.concat([head, body])).logs.get("a/0"), {
      recoveryPoint: 100,
      logStartOffset: 3,
      highWatermark: 90,
      filesEnd: 100,
      cleanedOffset: 0,
      segmentBytes: DEFAULT_LOG_CONFIG.segmentBytes,
      indexIntervalBytes: DEFAULT_LOG_CONFIG.indexIntervalBytes,
    });
  });

  it("is a beginning when there is none", () => {
    assert.deepEqual(decodeCheckpoint(undefined), {
      journalPosition: 0,
      clean: true,
      logs: new Map(),
    });
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
