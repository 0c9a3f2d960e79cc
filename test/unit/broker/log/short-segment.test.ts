import assert from "node:assert/strict";
import { DamagedError } from "../../../../broker/log/damage.ts";
import { DEFAULT_LOG_CONFIG } from "../../../../broker/log/log-manager.ts";
import { JournaledLog } from "../../../../broker/log/partition-log.ts";
import type { LogManager, PartitionLog } from "../../../../broker/log/types.ts";
import { batchAt } from "../../../../broker/protocol/record-batch.ts";
import { present } from "../../../../lib/assert.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { batchOf } from "../../../support/batches.ts";
import { appendBatches, LogVolume, NO_CHECKPOINT, reportsOf } from "../../../support/log-volume.ts";

const VALUE_BYTES = 100;
const SIZE = batchOf({ valueBytes: VALUE_BYTES }).length;
/** Batches of one segment. */
const EACH = 5;
const BATCHES = 2 * EACH + 2;
const config = { ...DEFAULT_LOG_CONFIG, segmentBytes: EACH * SIZE };
const FILE = "t-0/00000000000000000005.log";

describe("log: a closed segment whose file was cut short", () => {
  let volume: LogVolume;
  let manager: LogManager;
  let log: PartitionLog;
  let found: DamagedError[];
  const batch = (number: number): Uint8Array =>
    batchOf({ baseOffset: number, valueBytes: VALUE_BYTES });

  async function open(): Promise<void> {
    manager = await volume.open();
    log = await volume.openLog(manager, config);
    found = reportsOf(log);
  }

  /** Leaves so many bytes of the second segment. */
  const cut = (bytes: number): Promise<void> => volume.edit(FILE, (file) => file.truncate(bytes));

  /** @returns the offsets from one on that a read is given */
  const read = async (offset: number): Promise<number> =>
    (await volume.read(log, offset)).length / SIZE;

  /** As the broker does it: one batch after the other, each from where the last read was refused. */
  async function repaired(from: number): Promise<number> {
    let brought = 0;
    for (let { place } = present(found.at(-1), "it was reported"); ; brought++) {
      assert.equal(place.offset, from + brought);
      assert.equal(await volume.scheduler.until(log.repair(place, batch(place.offset))), true);
      const offset = place.offset + 1;
      if (offset >= Math.min(place.until ?? 0, log.logEndOffset)) return brought + 1;
      place = { ...place, position: place.position + SIZE, offset };
    }
  }

  beforeEach(async () => {
    volume = new LogVolume({ options: NO_CHECKPOINT });
    await open();
    appendBatches(log, BATCHES, batch);
    await volume.scheduler.until(manager.close());
  });

  it("is read to its end when it was not", async () => {
    await open();
    assert.equal(await read(EACH), EACH);
    assert.equal(await read(2 * EACH - 1), 1);
    assert.deepEqual(found, []);
  });

  it("does not believe an index that reaches behind the segment: it is that of a larger one, left by a crash", async () => {
    const entry = Buffer.alloc(8);
    entry.writeInt32BE(EACH + 1, 0);
    entry.writeInt32BE((EACH + 1) * SIZE, 4);
    const path = FILE.replace(/log$/, "index");
    await volume.edit(path, async (file) => {
      await file.truncate(0);
      await file.write(0, [entry]);
    });
    await open();
    assert.ok(log instanceof JournaledLog);
    const segment = present(log.segments.all[1], "the second segment");
    await volume.scheduler.until(segment.refuseMissing(0, segment.written));
    assert.equal(segment.misses(2 * EACH), false);
    assert.equal(await read(2 * EACH - 1), 1);
    assert.deepEqual(found, []);
  });

  const CASES = [
    ["to nothing", 0, 0],
    ["behind a batch", 2 * SIZE, 2],
    ["in a batch", 2 * SIZE + 30, 2],
    ["behind all but the last", 4 * SIZE, 4],
    ["in the last", 4 * SIZE + 30, 4],
  ] as const;
  for (const [what, bytes, whole] of CASES) {
    it(`serves what is there and no gap when it was cut ${what}, and takes the rest from another`, async () => {
      await cut(bytes);
      await open();
      if (whole > 0) assert.equal(await read(EACH), whole);
      assert.deepEqual(found, []);
      await assert.rejects(read(EACH + whole), DamagedError);
      assert.equal(present<DamagedError>(found[0], "it is reported").place.segment, EACH);
      // The end that is cut within the last batch is not known to be one, and need not be.
      assert.equal(await repaired(EACH + whole), EACH - whole);
      assert.equal(await read(EACH), EACH);
      assert.equal(await read(EACH + whole), EACH - whole);
      await volume.scheduler.until(manager.close());
      await open();
      for (let offset = EACH; offset < 2 * EACH; offset++) {
        assert.equal(await read(offset), 2 * EACH - offset);
      }
      assert.deepEqual(found, []);
    });
  }

  it("is noticed in a process that has it open", async () => {
    await open();
    assert.equal(await read(EACH), EACH);
    await cut(2 * SIZE);
    assert.equal(await read(EACH), 2);
    await assert.rejects(read(EACH + 2), DamagedError);
    assert.equal(await repaired(EACH + 2), EACH - 2);
    assert.equal(await read(EACH), EACH);
  });

  it("takes nothing that does not belong there", async () => {
    await cut(2 * SIZE);
    await open();
    await assert.rejects(read(EACH + 2), DamagedError);
    const { place } = present(found[0], "it is reported");
    for (const wrong of [batch(EACH + 3), batchOf({ baseOffset: EACH + 2, leaderEpoch: 1 })]) {
      assert.equal(await volume.scheduler.until(log.repair(place, wrong)), false);
    }
    const many = batchOf({ baseOffset: EACH + 2, valueBytes: VALUE_BYTES, count: EACH });
    assert.equal(
      await volume.scheduler.until(log.repair(place, many)),
      false,
      "reaches into the next",
    );
  });

  it("holds a truncation into it until it is repaired", async () => {
    await cut(2 * SIZE);
    await open();
    const done = log.truncateTo(EACH + 4);
    await volume.until(() => log.held, 1000);
    assert.equal(await repaired(EACH + 2), EACH - 2 - 1);
    await volume.scheduler.until(done);
    assert.equal(await read(EACH), 4);
  });

  it("gives nobody a gap who reads while it is repaired", async () => {
    for (let seed = 1; seed <= 40; seed++) {
      await open();
      const random = seededRandom(seed);
      await cut(2 * SIZE);
      await assert.rejects(read(EACH + 2), DamagedError);
      volume.storage.setOptions({ scheduler: volume.scheduler, delay: () => random.below(8) });
      const { segment } = present(found.at(-1), "it was reported").place;
      const wrong: string[] = [];
      const reader = async (): Promise<void> => {
        for (let turn = 0; turn < 10; turn++) {
          const offset = EACH + random.below(EACH);
          try {
            const given = await log.read(offset, SIZE, Infinity, true);
            const first = given.parts[0];
            const got = first === undefined ? -1 : batchAt(first, 0).baseOffset;
            if (got !== offset) wrong.push(`${got} for ${offset}`);
            given.release();
          } catch (error) {
            if (!(error instanceof DamagedError)) throw error;
          }
        }
      };
      const repair = async (): Promise<void> => {
        for (let offset = EACH + 2; offset < 2 * EACH; offset++) {
          const position = (offset - EACH) * SIZE;
          const place = { segment, position, offset, until: 2 * EACH };
          await log.repair(place, batch(offset));
        }
      };
      await volume.scheduler.until(Promise.all([repair(), reader(), reader(), reader()]));
      assert.deepEqual(wrong, [], `seed ${seed}`);
      volume.storage.setOptions({});
      await volume.scheduler.until(manager.close());
    }
  });
});
