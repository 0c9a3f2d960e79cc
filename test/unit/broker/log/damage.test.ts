import assert from "node:assert/strict";
import { DamagedError } from "../../../../broker/log/damage.ts";
import { DEFAULT_LOG_CONFIG, openLogManager } from "../../../../broker/log/log-manager.ts";
import type { LogManager, PartitionLog } from "../../../../broker/log/types.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { MIB } from "../../../../lib/units.ts";
import { batchOf, T0 } from "../../../support/batches.ts";
import { MemoryStorage } from "../../../support/memory-storage.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

const identity = { topic: "t", topicId: "11111111-1111-4111-8111-111111111111", partition: 0 };
const FILE = "t-0/00000000000000000000.log";
const BATCHES = 5;

/** A batch's length field, which does not count itself and the base offset. */
function lengthOf(sizes: readonly number[]): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeInt32BE(sizes.reduce((sum, size) => sum + size, 0) - 12);
  return length;
}

describe("log: a batch that is damaged on disk", () => {
  const scheduler = new VirtualScheduler();
  let storage: MemoryStorage;
  let log: PartitionLog;
  let place: DamagedError["place"] | undefined;
  const batch = (number: number): Uint8Array =>
    batchOf({ baseOffset: number, valueBytes: 100 + number, timestamp: T0 + number });

  async function open(): Promise<LogManager> {
    return await scheduler.until(
      openLogManager({
        storage: storage.mount(),
        scheduler,
        random: seededRandom(1),
        logger: silentLogger,
        panic: (error) => {
          throw error;
        },
      }),
    );
  }

  /** @returns how many bytes there are from an offset on */
  async function read(offset: number): Promise<number> {
    const found = await scheduler.until(Promise.resolve(log.read(offset, MIB, Infinity, true)));
    found.release();
    return found.bytes;
  }

  async function overwrite(position: number, bytes: Uint8Array): Promise<void> {
    const volume = storage.mount();
    const file = await scheduler.until(volume.open(FILE, "existing"));
    await scheduler.until(file.write(position, [bytes]));
    await scheduler.until(file.sync());
    await scheduler.until(file.close());
  }

  const sizes = Array.from({ length: BATCHES }, (_, number) => batch(number).length);
  const positionOf = (number: number): number =>
    sizes.slice(0, number).reduce((sum, size) => sum + size, 0);

  beforeEach(async () => {
    storage = new MemoryStorage();
    const before = await open();
    log = await scheduler.until(before.open(identity, DEFAULT_LOG_CONFIG));
    for (let number = 0; number < BATCHES; number++) {
      log.appendAsLeader(batch(number), 0, "client");
    }
    await scheduler.until(before.close());
    // In the middle of the third batch's value.
    await overwrite(positionOf(2) + 90, Buffer.from("damage"));
    log = await scheduler.until((await open()).open(identity, DEFAULT_LOG_CONFIG));
    place = undefined;
    log.onDamage = (error) => {
      place = error.place;
    };
  });

  it("is told of when it is come upon, and what is before it is served", async () => {
    assert.equal(await read(0), positionOf(2));
    assert.equal(place, undefined);
    await assert.rejects(read(2), DamagedError);
    assert.deepEqual(place, { offset: 2, segment: 0, position: positionOf(2) });
    assert.equal(await read(3), positionOf(5) - positionOf(3), "what is behind it is whole");
  });

  it("is replaced by the same batch of another replica", async () => {
    await assert.rejects(read(2), DamagedError);
    assert(place);
    assert.equal(await scheduler.until(log.repair(place, batch(2))), true);
    assert.equal(await read(0), positionOf(5));
  });

  const WRONG: readonly (readonly [string, () => Uint8Array])[] = [
    ["another batch", () => batch(3)],
    ["one that is itself damaged", () => Buffer.from(batch(2)).fill(7, 90, 95)],
    ["one of another size", () => batchOf({ baseOffset: 2, valueBytes: 50 })],
    ["one that has more offsets", () => batchOf({ baseOffset: 2, count: 2, valueBytes: 40 })],
    [
      "the batch of another history at its offset",
      () => batchOf({ baseOffset: 2, valueBytes: 102, timestamp: T0 + 2, leaderEpoch: 1 }),
    ],
  ];
  for (const [what, wrong] of WRONG) {
    it(`is not replaced by ${what}`, async () => {
      await assert.rejects(read(2), DamagedError);
      assert(place);
      assert.equal(await scheduler.until(log.repair(place, wrong())), false);
      await assert.rejects(read(2), DamagedError);
    });
  }

  it("is come upon by its time as well", async () => {
    const found = scheduler.until(log.offsetForTimestamp(T0 + 2));
    await assert.rejects(found, DamagedError);
    assert.deepEqual(place, { offset: 2, segment: 0, position: positionOf(2) });
  });

  it("is known by its place when its length is not what it was, however long it is said to be", async () => {
    for (const length of [0x7f, 0]) {
      await overwrite(positionOf(1) + 8, Buffer.of(length, 0xff, 0xff, 0xff));
      await assert.rejects(read(1), DamagedError);
      assert.deepEqual(place, { offset: 1, segment: 0, position: positionOf(1) });
      assert(place);
      assert.equal(await scheduler.until(log.repair(place, batch(1))), true);
      assert.equal(await read(0), positionOf(2));
    }
  });

  const PASSED_OVER: readonly (readonly [string, number, Uint8Array])[] = [
    ["its last offset said that it ends before it begins", 2, Buffer.of(0xff, 0xff, 0xff, 0xff)],
    ["its length led behind the batch that was asked for", 1, lengthOf(sizes.slice(1, 3))],
    ["its length led into the middle of another", 1, lengthOf([(sizes[1] ?? 0) + 10])],
  ];
  for (const [what, number, bytes] of PASSED_OVER) {
    it(`is found when a read has passed over it because ${what}`, async () => {
      await overwrite(positionOf(2), batch(2));
      await overwrite(positionOf(number) + (number === 2 ? 23 : 8), bytes);
      await assert.rejects(read(2), DamagedError);
      assert.deepEqual(place, { offset: number, segment: 0, position: positionOf(number) });
      assert(place);
      assert.equal(await scheduler.until(log.repair(place, batch(number))), true);
      assert.equal(await read(0), positionOf(5));
    });
  }

  it("is left alone when its place holds a whole batch again", async () => {
    await assert.rejects(read(2), DamagedError);
    assert(place);
    await overwrite(positionOf(2), batch(2));
    assert.equal(await scheduler.until(log.repair(place, batch(2))), false);
  });
});
