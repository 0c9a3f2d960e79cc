import assert from "node:assert/strict";
import { DamagedError } from "../../../../broker/log/damage.ts";
import { DEFAULT_LOG_CONFIG, openLogManager } from "../../../../broker/log/log-manager.ts";
import { JournaledLog } from "../../../../broker/log/partition-log.ts";
import type { LogManager, PartitionLog } from "../../../../broker/log/types.ts";
import { batchAt } from "../../../../broker/protocol/record-batch.ts";
import { present } from "../../../../lib/assert.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { HOUR, MIB } from "../../../../lib/units.ts";
import { batchOf } from "../../../support/batches.ts";
import { MemoryStorage } from "../../../support/memory-storage.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

const identity = { topic: "t", topicId: "11111111-1111-4111-8111-111111111111", partition: 0 };
const VALUE_BYTES = 100;
const SIZE = batchOf({ valueBytes: VALUE_BYTES }).length;
/** Batches of one segment. */
const EACH = 5;
const BATCHES = 2 * EACH + 2;
const config = { ...DEFAULT_LOG_CONFIG, segmentBytes: EACH * SIZE };
const FILE = "t-0/00000000000000000005.log";

describe("log: a closed segment whose file was cut short", () => {
  let scheduler: VirtualScheduler;
  let storage: MemoryStorage;
  let manager: LogManager;
  let log: PartitionLog;
  let found: DamagedError[];
  const batch = (number: number): Uint8Array =>
    batchOf({ baseOffset: number, valueBytes: VALUE_BYTES });

  async function open(): Promise<void> {
    manager = await scheduler.until(
      openLogManager({
        storage: storage.mount(),
        scheduler,
        random: seededRandom(1),
        logger: silentLogger,
        panic: (error) => {
          throw error;
        },
        options: { checkpointMs: HOUR, checkpointBytes: 1024 * MIB },
      }),
    );
    log = await scheduler.until(manager.open(identity, config));
    found = [];
    log.onDamage = (error) => {
      found.push(error);
    };
  }

  /** Leaves so many bytes of the second segment. */
  async function cut(bytes: number): Promise<void> {
    const file = await scheduler.until(storage.mount().open(FILE, "existing"));
    await scheduler.until(file.truncate(bytes));
    await scheduler.until(file.sync());
    await scheduler.until(file.close());
  }

  /** @returns the offsets from one on that a read is given */
  async function read(offset: number): Promise<number> {
    const given = await scheduler.until(Promise.resolve(log.read(offset, MIB, Infinity, true)));
    given.release();
    return given.bytes / SIZE;
  }

  /** As the broker does it: one batch after the other, each from where the last read was refused. */
  async function repaired(from: number): Promise<number> {
    let brought = 0;
    for (let { place } = present(found.at(-1), "it was reported"); ; brought++) {
      assert.equal(place.offset, from + brought);
      assert.equal(await scheduler.until(log.repair(place, batch(place.offset))), true);
      const offset = place.offset + 1;
      if (offset >= Math.min(place.until ?? 0, log.logEndOffset)) return brought + 1;
      place = { ...place, position: place.position + SIZE, offset };
    }
  }

  beforeEach(async () => {
    scheduler = new VirtualScheduler();
    storage = new MemoryStorage();
    await open();
    for (let number = 0; number < BATCHES; number++) {
      log.appendAsLeader(batch(number), 0, "client");
    }
    await scheduler.until(manager.close());
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
    const file = await scheduler.until(storage.mount().open(path, "existing"));
    await scheduler.until(file.truncate(0));
    await scheduler.until(file.write(0, [entry]));
    await scheduler.until(file.sync());
    await scheduler.until(file.close());
    await open();
    assert.ok(log instanceof JournaledLog);
    const segment = present(log.segments.all[1], "the second segment");
    await scheduler.until(segment.refuseMissing(0, segment.written));
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
      await scheduler.until(manager.close());
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
      assert.equal(await scheduler.until(log.repair(place, wrong)), false);
    }
    const many = batchOf({ baseOffset: EACH + 2, valueBytes: VALUE_BYTES, count: EACH });
    assert.equal(await scheduler.until(log.repair(place, many)), false, "reaches into the next");
  });

  it("holds a truncation into it until it is repaired", async () => {
    await cut(2 * SIZE);
    await open();
    const done = log.truncateTo(EACH + 4);
    for (let waited = 0; waited < 100 && !log.held; waited++) await scheduler.advance(10);
    assert(log.held);
    assert.equal(await repaired(EACH + 2), EACH - 2 - 1);
    await scheduler.until(done);
    assert.equal(await read(EACH), 4);
  });

  it("gives nobody a gap who reads while it is repaired", async () => {
    for (let seed = 1; seed <= 40; seed++) {
      await open();
      const random = seededRandom(seed);
      await cut(2 * SIZE);
      await assert.rejects(read(EACH + 2), DamagedError);
      storage.setOptions({ scheduler, delay: () => random.below(8) });
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
      await scheduler.until(Promise.all([repair(), reader(), reader(), reader()]));
      assert.deepEqual(wrong, [], `seed ${seed}`);
      storage.setOptions({});
      await scheduler.until(manager.close());
    }
  });
});
