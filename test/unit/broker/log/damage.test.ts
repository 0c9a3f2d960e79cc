import assert from "node:assert/strict";
import { DamagedError } from "../../../../broker/log/damage.ts";
import type { PartitionLog } from "../../../../broker/log/types.ts";
import { batchOf, T0 } from "../../../support/batches.ts";
import { appendBatches, LogVolume } from "../../../support/log-volume.ts";

const FILE = "t-0/00000000000000000000.log";
const BATCHES = 5;

/** A batch's length field, which does not count itself and the base offset. */
function lengthOf(sizes: readonly number[]): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeInt32BE(sizes.reduce((sum, size) => sum + size, 0) - 12);
  return length;
}

describe("log: a batch that is damaged on disk", () => {
  let volume: LogVolume;
  let log: PartitionLog;
  let place: DamagedError["place"] | undefined;
  const batch = (number: number): Uint8Array =>
    batchOf({ baseOffset: number, valueBytes: 100 + number, timestamp: T0 + number });

  /** @returns how many bytes there are from an offset on */
  const read = async (offset: number): Promise<number> => (await volume.read(log, offset)).length;

  const repaired = (whole: Uint8Array): Promise<boolean> => {
    assert(place);
    return volume.scheduler.until(log.repair(place, whole));
  };

  const overwrite = (position: number, bytes: Uint8Array): Promise<void> =>
    volume.edit(FILE, (file) => file.write(position, [bytes]));

  const sizes = Array.from({ length: BATCHES }, (_, number) => batch(number).length);
  const positionOf = (number: number): number =>
    sizes.slice(0, number).reduce((sum, size) => sum + size, 0);

  beforeEach(async () => {
    volume = new LogVolume();
    const before = await volume.open();
    appendBatches(await volume.openLog(before), BATCHES, batch);
    await volume.scheduler.until(before.close());
    // In the middle of the third batch's value.
    await overwrite(positionOf(2) + 90, Buffer.from("damage"));
    log = await volume.openLog(await volume.open());
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
    assert.equal(await repaired(batch(2)), true);
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
      assert.equal(await repaired(wrong()), false);
      await assert.rejects(read(2), DamagedError);
    });
  }

  it("is come upon by its time as well", async () => {
    const found = volume.scheduler.until(log.offsetForTimestamp(T0 + 2));
    await assert.rejects(found, DamagedError);
    assert.deepEqual(place, { offset: 2, segment: 0, position: positionOf(2) });
  });

  it("is known by its place when its length is not what it was, however long it is said to be", async () => {
    for (const length of [0x7f, 0]) {
      await overwrite(positionOf(1) + 8, Buffer.of(length, 0xff, 0xff, 0xff));
      await assert.rejects(read(1), DamagedError);
      assert.deepEqual(place, { offset: 1, segment: 0, position: positionOf(1) });
      assert.equal(await repaired(batch(1)), true);
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
      assert.equal(await repaired(batch(number)), true);
      assert.equal(await read(0), positionOf(5));
    });
  }

  it("is not served behind others because it says that it ends before what was asked for", async () => {
    await overwrite(positionOf(2), batch(2));
    await overwrite(positionOf(2) + 23, Buffer.of(0x80));
    assert.equal(await read(0), positionOf(2));
    await assert.rejects(read(2), DamagedError);
  });

  it("is left alone when its place holds a whole batch again", async () => {
    await assert.rejects(read(2), DamagedError);
    await overwrite(positionOf(2), batch(2));
    assert.equal(await repaired(batch(2)), false);
  });
});
