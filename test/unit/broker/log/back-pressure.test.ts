import assert from "node:assert/strict";
import type { LogManager, LogRead, PartitionLog } from "../../../../broker/log/types.ts";
import { KIB, MIB } from "../../../../lib/units.ts";
import { batchOf } from "../../../support/batches.ts";
import { LogVolume } from "../../../support/log-volume.ts";

const TAIL_BYTES = 2 * MIB;
const EXTENT_BYTES = 128 * KIB;

interface World {
  readonly volume: LogVolume;
  readonly logs: LogManager;
  readonly log: PartitionLog;
}

async function open(): Promise<World> {
  const volume = new LogVolume({
    options: { tailBytes: TAIL_BYTES, extentBytes: EXTENT_BYTES, checkpointBytes: 256 * KIB },
  });
  const logs = await volume.open();
  return { volume, logs, log: await volume.openLog(logs) };
}

function append(log: PartitionLog): void {
  log.appendAsLeader(batchOf({ valueBytes: 20 * KIB }), 0, "client");
}

function readNow(log: PartitionLog, offset: number): LogRead {
  const read = log.read(offset, MIB, Infinity, true);
  assert(!(read instanceof Promise), "the newest records are in memory");
  return read;
}

describe("log: back-pressure", () => {
  it("a reader that never ends does not stop appends, and its bytes stay as they were", async () => {
    const { volume, logs, log } = await open();
    const { scheduler } = volume;
    append(log);
    const read = readNow(log, 0);
    const before = Buffer.concat(read.parts);
    for (let i = 0; i < 1000; i++) {
      append(log);
      if (i % 10 === 9) await scheduler.advance(5);
      assert(logs.memory.tailBytes <= 2 * TAIL_BYTES);
    }
    assert.equal(logs.intake.open, true);
    assert.deepEqual(Buffer.concat(read.parts), before);
    assert.equal(logs.memory.heldBytes, EXTENT_BYTES);
    read.release();
    assert.equal(logs.memory.heldBytes, 0);
  });

  for (const [what, slow] of [
    ["the journal", "sync"],
    ["segments", "write"],
  ] as const) {
    it(`the intake closes while ${what} cannot keep up, and opens when they have`, async () => {
      const { volume, logs, log } = await open();
      const { scheduler, storage } = volume;
      storage.setOptions({ scheduler, delay: () => (slow === "sync" ? 400 : 200) });
      let appended = 0;
      while (logs.intake.open) {
        append(log);
        appended++;
        assert(appended < 1000, "the intake closes");
      }
      assert(logs.memory.tailBytes <= TAIL_BYTES + EXTENT_BYTES);
      const passed: number[] = [];
      for (let i = 0; i < 500; i++) {
        logs.intake.wait(() => {
          append(log);
          passed.push(i);
        });
      }
      for (let turn = 0; turn < 2000 && passed.length < 500; turn++) {
        await scheduler.advance(50);
        assert(logs.memory.tailBytes <= TAIL_BYTES + EXTENT_BYTES, "however many wait");
      }
      assert.deepEqual(
        passed,
        Array.from({ length: 500 }, (_, i) => i),
      );
      await scheduler.until(logs.flush());
      assert.equal(log.stableOffset, appended + 500);
    });
  }

  it("who waits when the volume turns out to be full goes on, to be refused", async () => {
    const { volume, logs, log } = await open();
    const { scheduler, storage } = volume;
    storage.setOptions({ scheduler, delay: () => 200 });
    while (logs.intake.open) append(log);
    let refused = "";
    logs.intake.wait(() => {
      try {
        append(log);
      } catch (error) {
        refused = String(error);
      }
    });
    storage.setOptions({});
    storage.setCapacity(0);
    for (let turn = 0; turn < 40 && refused === ""; turn++) await scheduler.advance(50);
    assert.match(refused, /KAFKA_STORAGE_ERROR/);
    storage.setCapacity(undefined);
    await scheduler.advance(20_000);
    assert.equal(logs.intake.open, true);
    append(log);
  });

  it("once refused for want of memory, appends are taken again when the volume has caught up", async () => {
    const { volume, log } = await open();
    const { scheduler, storage } = volume;
    storage.setOptions({ scheduler, delay: () => 500 });
    assert.throws(
      () => {
        for (let i = 0; i < 1000; i++) append(log);
      },
      { message: /KAFKA_STORAGE_ERROR/ },
    );
    storage.setOptions({});
    await scheduler.advance(20_000);
    append(log);
  });
});
