import assert from "node:assert/strict";
import { DamagedError } from "../../../../broker/log/damage.ts";
import { DEFAULT_LOG_CONFIG } from "../../../../broker/log/log-manager.ts";
import type { LogManager, PartitionLog } from "../../../../broker/log/types.ts";
import { batchAt } from "../../../../broker/protocol/record-batch.ts";
import { present } from "../../../../lib/assert.ts";
import { MIB } from "../../../../lib/units.ts";
import { batchOf } from "../../../support/batches.ts";
import { appendBatches, LogVolume, reportsOf } from "../../../support/log-volume.ts";

const VALUE_BYTES = 100;
/** Records of a batch: offsets between two batches, so that a base offset can be a little wrong. */
const COUNT = 3;
const SIZE = batchOf({ valueBytes: VALUE_BYTES, count: COUNT }).length;
/** Batches of one segment. */
const EACH = 5;
const BATCHES = 2 * EACH + 2;
const END = BATCHES * COUNT;
const FIRST = EACH * COUNT;
const FILE = `t-0/${String(FIRST).padStart(20, "0")}.log`;
const config = { ...DEFAULT_LOG_CONFIG, segmentBytes: EACH * SIZE, indexIntervalBytes: 1 };
const MAGIC_AT = 16;

describe("log: a batch whose base offset is not what was written", () => {
  let volume: LogVolume;
  let manager: LogManager;
  let log: PartitionLog;
  let found: DamagedError[];
  const batch = (number: number): Uint8Array =>
    batchOf({ baseOffset: number * COUNT, valueBytes: VALUE_BYTES, count: COUNT });

  async function open(): Promise<void> {
    manager = await volume.open();
    log = await volume.openLog(manager, config);
    found = reportsOf(log);
  }

  beforeEach(async () => {
    volume = new LogVolume();
    await open();
    appendBatches(log, BATCHES, batch);
    await volume.scheduler.until(manager.close());
  });

  /** Reads all from an offset on, as a consumer does. @returns what it got that does not follow what was before it */
  async function readOn(from: number): Promise<string | undefined> {
    for (let offset = from; offset < END;) {
      const bytes = await volume.read(log, offset, MIB, END);
      if (bytes.length === 0) return `nothing at ${offset}`;
      for (let at = 0; at < bytes.length; at += SIZE) {
        const { baseOffset, lastOffset, magic } = batchAt(bytes.subarray(at), 0);
        const follows = baseOffset <= offset && offset <= lastOffset && magic === 2;
        if (!follows || baseOffset % COUNT !== 0) return `${baseOffset} at ${offset}`;
        offset = lastOffset + 1;
      }
    }
    return undefined;
  }

  /** The same, repairing what it meets. */
  async function readRepaired(from: number): Promise<string | undefined> {
    for (let repairs = 0; repairs < 3; repairs++) {
      try {
        return await readOn(from);
      } catch (error) {
        if (!(error instanceof DamagedError)) throw error;
        const { place } = present(found.at(-1), "it was reported");
        const whole = batch(Math.floor(place.offset / COUNT));
        const repaired = await volume.scheduler.until(log.repair(place, whole));
        if (!repaired) return `${place.offset} is not repaired`;
      }
    }
    return "it is not whole";
  }

  for (let number = 0; number < EACH; number++) {
    it(`is noticed, never served, and repaired (batch ${number} of a segment)`, async () => {
      for (let bit = 0; bit < 64; bit++) {
        volume.storage.corrupt(FILE, number * SIZE + Math.floor(bit / 8), 1 << (bit % 8));
        await open();
        for (let from = FIRST; from < FIRST + EACH * COUNT; from++) {
          const wrong = await readOn(from).catch((error: unknown) => {
            if (!(error instanceof DamagedError)) throw error;
            return undefined;
          });
          assert.equal(wrong, undefined, `bit ${bit}, from ${from}`);
        }
        assert.notEqual(found.length, 0, `bit ${bit}`);
        assert.equal(await readRepaired(FIRST), undefined, `bit ${bit}`);
        await volume.scheduler.until(manager.close());
      }
    });
  }

  it("is not taken for one where it is the index that is damaged", async () => {
    const index = FILE.replace(/log$/, "index");
    const bits = 8 * present(volume.storage.content(index), "it has an index").current.length;
    assert.ok(bits >= 64 * (EACH - 1), "an entry a batch");
    // The last one says that the file was longer once: it is the end of the file that is damaged then.
    for (let bit = 0; bit < bits - 64; bit++) {
      volume.storage.corrupt(index, Math.floor(bit / 8), 1 << (bit % 8));
      await open();
      for (let from = FIRST; from < FIRST + EACH * COUNT; from++) {
        assert.equal(await readOn(from), undefined, `bit ${bit}, from ${from}`);
      }
      await volume.scheduler.until(manager.close());
      volume.storage.corrupt(index, Math.floor(bit / 8), 1 << (bit % 8));
    }
  });

  it("is noticed by its magic byte, too", async () => {
    volume.storage.corrupt(FILE, 2 * SIZE + MAGIC_AT, 1);
    await open();
    assert.equal(await readRepaired(FIRST), undefined);
    assert.equal(found.length, 1, "it was damaged");
  });

  it("is not cut in its place", async () => {
    volume.storage.corrupt(FILE, 3 * SIZE + 5, 1);
    await open();
    const done = log.truncateTo(FIRST + 4 * COUNT);
    await volume.until(() => log.held, 1000);
    const { place } = present(found.at(-1), "it was reported");
    assert.equal(await volume.scheduler.until(log.repair(place, batch(EACH + 3))), true);
    await volume.scheduler.until(done);
    assert.equal(log.logEndOffset, FIRST + 4 * COUNT);
    assert.equal((await volume.read(log, FIRST, MIB, END)).length, 4 * SIZE);
  });
});
