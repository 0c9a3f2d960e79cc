import assert from "node:assert/strict";
import type { PartitionLog } from "../../../../../broker/log/types.ts";
import { StorageError } from "../../../../../broker/log/storage.ts";
import {
  batchAt,
  buildBatch,
  iterateBatches,
  readRecords,
} from "../../../../../broker/protocol/record-batch.ts";
import { type Logger, silentLogger } from "../../../../../lib/logger.ts";
import { seededRandom } from "../../../../../lib/random.ts";
import { CompactedVolume } from "../../../../support/compacted-log.ts";

/** Keys `k0` to `k<keys-1>` again and again, a record a batch; the value says the round. */
function fill(
  volume: CompactedVolume,
  log: PartitionLog,
  rounds: number,
  { keys = 5, bytes = 80, from = 0 } = {},
): void {
  for (let round = from; round < from + rounds; round++) {
    for (let key = 0; key < keys; key++) {
      volume.append(log, [[`k${key}`, `r${round}`.padEnd(bytes)]]);
    }
  }
}

describe("log cleaner", () => {
  it("leaves the newest record of each key where it was", async () => {
    const volume = await CompactedVolume.opened();
    const log = await volume.log();
    fill(volume, log, 20);
    await volume.commit(log);
    await volume.scheduler.advance(200);
    assert.equal(volume.manager.compaction.runs, 1);
    const again = await volume.restarted();
    const records = await volume.records(again);
    // The active segment is as it was; before it each key is there once.
    const active = Number(volume.files(".log").at(-1)?.slice(0, 20));
    const clean = records.filter((one) => Number(one.split(":")[0]) < active);
    assert.deepEqual(
      new Set(clean.map((one) => one.replace(/^\d+:(\w+)=.*/, "$1"))),
      new Set(["k0", "k1", "k2", "k3", "k4"]),
    );
    assert.equal(clean.length, 5);
    for (const one of clean) assert(Number(one.split(":")[0]) >= active - 5, one);
    assert.deepEqual(
      records.slice(-5),
      [0, 1, 2, 3, 4].map((key) => `${95 + key}:k${key}=r19`),
    );
    assert.equal(again.logEndOffset, 100);
    await volume.scheduler.until(volume.manager.close());
  });

  it("merges what has become small at the next run", async () => {
    const volume = await CompactedVolume.opened();
    const log = await volume.log();
    fill(volume, log, 20);
    await volume.commit(log);
    await volume.scheduler.advance(200);
    const before = volume.files(".log").length;
    assert(before > 10);
    fill(volume, log, 20, { from: 20 });
    await volume.commit(log);
    await volume.scheduler.advance(200);
    assert.equal(volume.manager.compaction.runs, 2);
    fill(volume, log, 1, { from: 40, keys: 1 });
    const after = volume.files(".log").length;
    assert(after < before + 10, `${before}, then ${after} segments`);
    const again = await volume.restarted();
    assert.deepEqual((await volume.records(again)).slice(-1), ["200:k0=r40"]);
    await volume.scheduler.until(volume.manager.close());
  });

  it("takes as many passes as its memory needs", async () => {
    for (const cleanerDedupeBytes of [24 * 3, 24 * 10, 24 * 1000]) {
      const volume = await CompactedVolume.opened({ options: { cleanerDedupeBytes } });
      const log = await volume.log();
      fill(volume, log, 6, { keys: 20 });
      await volume.commit(log);
      await volume.scheduler.advance(2000);
      assert.equal(volume.manager.compaction.runs, 1);
      const again = await volume.restarted();
      const active = Number(volume.files(".log").at(-1)?.slice(0, 20));
      const clean = (await volume.records(again)).filter(
        (one) => Number(one.split(":")[0]) < active,
      );
      assert.equal(clean.length, 20, `with ${cleanerDedupeBytes} bytes`);
      await volume.scheduler.until(volume.manager.close());
    }
  });

  it("goes on with logs of compressed batches, in their codec", async () => {
    for (const codec of [1, 2, 3, 4] as const) {
      const volume = await CompactedVolume.opened();
      const log = await volume.log();
      for (let round = 0; round < 30; round++) {
        const value = `r${round}`.padEnd(60);
        volume.append(
          log,
          [
            ["a", value],
            ["b", value],
            [`only-${round}`, value],
          ],
          codec,
        );
      }
      await volume.commit(log);
      await volume.scheduler.advance(300);
      const again = await volume.restarted();
      const [first] = await volume.batches(again);
      assert(first);
      assert.equal(first.header.codec, codec);
      assert.equal(first.header.count, 1);
      assert.equal(first.header.lastOffset, 2);
      assert.deepEqual(
        readRecords(first.bytes, batchAt(first.bytes, 0)).map((one) => one.offset),
        [2],
      );
      await volume.scheduler.until(volume.manager.close());
    }
  });

  it("lets tombstones go when delete.retention.ms has passed since they were compacted", async () => {
    const volume = await CompactedVolume.opened({ config: { deleteRetentionMs: 5000 } });
    const log = await volume.log();
    volume.append(log, [["gone", "v"]]);
    volume.append(log, [["gone", null]]);
    fill(volume, log, 6);
    await volume.commit(log);
    await volume.scheduler.advance(200);
    const first = await volume.restarted();
    assert.deepEqual((await volume.records(first)).slice(0, 1), ["1:gone"]);
    const [batch] = await volume.batches(first);
    assert.equal(batch?.header.deleteHorizon, true);
    await volume.scheduler.advance(4000);
    fill(volume, first, 6);
    await volume.commit(first);
    await volume.scheduler.advance(200);
    const second = await volume.restarted();
    assert.deepEqual((await volume.records(second)).slice(0, 1), ["1:gone"]);
    await volume.scheduler.advance(1000);
    fill(volume, second, 12);
    await volume.commit(second);
    await volume.scheduler.advance(200);
    const third = await volume.restarted();
    assert(!(await volume.records(third)).some((one) => one.includes("gone")));
    await volume.scheduler.until(volume.manager.close());
  });

  it("goes by min.compaction.lag.ms and max.compaction.lag.ms", async () => {
    const volume = await CompactedVolume.opened({
      config: { minCompactionLagMs: 1000, maxCompactionLagMs: 3000, minCleanableDirtyRatio: 1 },
    });
    const log = await volume.log();
    fill(volume, log, 10);
    await volume.commit(log);
    await volume.scheduler.advance(900);
    assert.equal(volume.manager.compaction.maxDirtyRatio, 0);
    await volume.scheduler.advance(200);
    assert.equal(volume.manager.compaction.maxDirtyRatio, 1);
    assert.equal(volume.manager.compaction.runs, 0);
    await volume.scheduler.advance(2000);
    assert.equal(volume.manager.compaction.runs, 1);
    await volume.scheduler.until(volume.manager.close());
  });

  it("takes nothing above the high watermark", async () => {
    const volume = await CompactedVolume.opened();
    const log = await volume.log();
    fill(volume, log, 10);
    await volume.scheduler.until(volume.manager.flush());
    await volume.scheduler.advance(300);
    assert.equal(volume.manager.compaction.runs, 0);
    await volume.commit(log);
    await volume.scheduler.advance(300);
    assert.equal(volume.manager.compaction.runs, 1);
    await volume.scheduler.until(volume.manager.close());
  });

  it("deletes old segments of a log that is compacted and deleted", async () => {
    const volume = await CompactedVolume.opened({
      config: { delete: true, retentionMs: 2000 },
      options: { retentionCheckMs: 100 },
    });
    const log = await volume.log();
    fill(volume, log, 10);
    await volume.commit(log);
    await volume.scheduler.advance(500);
    assert.equal(volume.manager.compaction.runs, 1);
    assert.equal(log.logStartOffset, 0);
    await volume.scheduler.advance(2000);
    assert(log.logStartOffset > 0, "the compacted segment has gone");
    assert.equal(volume.files(".log").length, 1);
    const again = await volume.restarted();
    assert.equal(again.logStartOffset, log.logStartOffset);
    assert.equal(again.logEndOffset, 50);
    await volume.scheduler.until(volume.manager.close());
  });

  it("finishes or undoes a swap whenever it is cut short, whatever of it the disk has", async () => {
    const expected = ["k0", "k1", "k2", "k3", "k4"];
    let killed = 0;
    for (let after = 0; ; after++) {
      const volume = await CompactedVolume.opened({ delayMs: 1, config: { segmentBytes: 600 } });
      const log = await volume.log();
      fill(volume, log, 5);
      // Several of the small segments become one.
      log.config = { ...log.config, segmentBytes: 2000 };
      await volume.commit(log);
      const { runs } = volume.manager.compaction;
      assert.equal(runs, 0);
      // Every operation takes a millisecond: each of the swap's is the last one once.
      await volume.scheduler.advance(20 + after);
      const done = volume.manager.compaction.runs > 0;
      volume.storage.crash(seededRandom(after));
      volume.storage.setInstant(true);
      await volume.reopen({ cleanerEnabled: false });
      const again = await volume.log();
      assert.equal(again.logEndOffset, 25);
      const keys = new Map(
        (await volume.records(again)).map((one) => [one.replace(/^\d+:(\w+)=.*/, "$1"), one]),
      );
      assert.deepEqual([...keys.keys()].sort(), expected, `killed after ${after} ms`);
      for (const one of keys.values()) assert(one.endsWith("=r4"), one);
      const batches = await volume.batches(again);
      for (let offset = 0; offset < 25; offset++) {
        const reading = Promise.resolve(again.read(offset, 1, Infinity, true));
        const read = await volume.scheduler.until(reading);
        const first = batches.find(({ header }) => header.lastOffset >= offset);
        assert.equal(batchAt(Buffer.concat(read.parts), 0).baseOffset, first?.header.baseOffset);
        read.release();
      }
      assert.deepEqual([...volume.files("cleaned"), ...volume.files("swap")], []);
      let next = 0;
      for (const name of volume.files(".log")) {
        assert(Number(name.slice(0, 20)) >= next, `${name} overlaps, killed after ${after} ms`);
        const bytes = await volume.scheduler.until(volume.storage.mount().readFile(`t-0/${name}`));
        for (const batch of iterateBatches(bytes ?? new Uint8Array(0))) next = batch.lastOffset + 1;
      }
      await volume.scheduler.until(volume.manager.close());
      if (done) break;
      killed++;
    }
    assert(killed > 50, `${killed} kills before it was done`);
  });

  it("leaves a damaged log alone, says so once, and goes on with others", async () => {
    const errors: string[] = [];
    const logger: Logger = { ...silentLogger, error: (message) => errors.push(message) };
    const volume = await CompactedVolume.opened({ logger, options: { cleanerEnabled: false } });
    const damaged = await volume.log(0);
    const sound = await volume.log(1);
    fill(volume, damaged, 10);
    fill(volume, sound, 10);
    await volume.commit(damaged, sound);
    await volume.scheduler.advance(100);
    const name = volume.files(".log")[1] ?? "";
    volume.storage.corrupt(`t-0/${name}`, 100);
    const again = await volume.restarted(0, { cleanerEnabled: true });
    const other = await volume.log(1);
    const places: string[] = [];
    again.onDamage = ({ place }) => places.push(`${place.offset} in ${place.segment}`);
    await volume.commit(again, other);
    await volume.scheduler.advance(500);
    const base = Number(name.slice(0, 20));
    assert.deepEqual(places, [`${base} in ${base}`]);
    assert.equal(volume.manager.compaction.uncleanable, 1);
    assert.equal(volume.manager.compaction.runs, 1);
    assert.equal(errors.length, 1);
    assert.equal((await volume.batches(other)).length < 50, true);
    assert.deepEqual(volume.files("cleaned"), []);
    const read = await volume.scheduler.until(Promise.resolve(again.read(0, 300, Infinity, true)));
    assert.equal(batchAt(Buffer.concat(read.parts), 0).baseOffset, 0);
    read.release();
    await volume.scheduler.until(volume.manager.close());
  });

  it("gives up on a full volume, leaves nothing behind, and tries again", async () => {
    const volume = await CompactedVolume.opened({ options: { cleanerEnabled: false } });
    const log = await volume.log();
    fill(volume, log, 10);
    await volume.commit(log);
    const again = await volume.restarted(0, { cleanerEnabled: true });
    await volume.commit(again);
    let full = true;
    let refused = 0;
    volume.storage.setOptions({
      fault: (operation, path) => {
        if (!full || operation !== "write" || !/cleaned|swap/.test(path)) return;
        refused++;
        throw new StorageError("ENOSPC", "no space left on device");
      },
    });
    await volume.scheduler.advance(300);
    assert(refused > 1, "it has tried more than once");
    assert.equal(volume.manager.compaction.runs, 0);
    assert.deepEqual([...volume.files("cleaned"), ...volume.files("swap")], []);
    full = false;
    await volume.scheduler.advance(300);
    assert.equal(volume.manager.compaction.runs, 1);
    await volume.scheduler.until(volume.manager.close());
  });

  it("keeps the room that the journal may need", async () => {
    const volume = await CompactedVolume.opened();
    const log = await volume.log();
    fill(volume, log, 10);
    volume.storage.setCapacity(volume.storage.used() + 50_000);
    await volume.commit(log);
    await volume.scheduler.advance(300);
    assert.equal(volume.manager.compaction.runs, 0);
    volume.storage.setCapacity(undefined);
    await volume.scheduler.advance(300);
    assert.equal(volume.manager.compaction.runs, 1);
    await volume.scheduler.until(volume.manager.close());
  });

  it("lets reads that are under way end on the segments that it replaces", async () => {
    const volume = await CompactedVolume.opened({ options: { cleanerEnabled: false } });
    const log = await volume.log();
    fill(volume, log, 10);
    await volume.commit(log);
    const again = await volume.restarted(0, { cleanerEnabled: true, cleanerBackoffMs: 300 });
    const before = await volume.batches(again);
    await volume.commit(again);
    // A read of each segment is made to take longer than the compaction.
    const { scheduler } = volume;
    const bases = volume.files(".log").map((name) => Number(name.slice(0, 20)));
    volume.storage.setOptions({ scheduler, delay: () => 1000 });
    const reads = bases.map((base) => again.read(base, 1 << 20, Infinity, true));
    await scheduler.advance(1);
    volume.storage.setOptions({});
    await scheduler.advance(500);
    assert.equal(volume.manager.compaction.runs, 1);
    assert(volume.manager.compaction.recordsRemoved > 30);
    for (const [i, reading] of reads.entries()) {
      const read = await scheduler.until(Promise.resolve(reading));
      const bytes = Buffer.concat(read.parts);
      read.release();
      const expected = before.find(({ header }) => header.baseOffset === bases[i]);
      assert(expected);
      assert(bytes.subarray(0, expected.bytes.length).equals(expected.bytes));
    }
    await scheduler.until(volume.manager.close());
  });

  it("lets a read in a gap go on in the segment that replaces those it has not seen", async () => {
    const volume = await CompactedVolume.opened({
      config: { segmentBytes: 300 },
      options: { cleanerEnabled: false },
    });
    const log = await volume.log();
    for (let base = 0; base < 100; base += 10) {
      log.appendAsFollower(
        buildBatch({
          baseOffset: base,
          leaderEpoch: 0,
          records: [{ key: Buffer.from(`k${base}`), value: Buffer.alloc(100), timestamp: 1 }],
        }),
      );
    }
    await volume.commit(log);
    const again = await volume.restarted(0, { cleanerEnabled: true, cleanerBackoffMs: 100 });
    const bases = volume.files(".log").map((name) => Number(name.slice(0, 20)));
    again.config = { ...again.config, segmentBytes: 20_000 };
    await volume.commit(again);
    const { scheduler } = volume;
    // The cleaner needs its index as well, and is not to wait for it.
    (await scheduler.until(Promise.resolve(again.read(0, 1, Infinity, true)))).release();
    volume.storage.setOptions({ scheduler, delay: () => 1000 });
    // Behind the last batch of the first segment.
    const reading = again.read((bases[1] ?? 0) - 5, 1, Infinity, true);
    await scheduler.advance(1);
    volume.storage.setOptions({});
    await scheduler.advance(500);
    assert.equal(volume.files(".log").length, 2);
    const read = await scheduler.until(Promise.resolve(reading));
    assert.equal(batchAt(Buffer.concat(read.parts), 0).baseOffset, bases[1]);
    read.release();
    await scheduler.until(volume.manager.close());
  });

  it("stops when the log is cut, deleted or closed under it, and leaves nothing behind", async () => {
    for (const change of ["truncate", "delete", "close"] as const) {
      const volume = await CompactedVolume.opened({ delayMs: 1 });
      const log = await volume.log();
      fill(volume, log, 30);
      await volume.commit(log);
      while (volume.files("cleaned").length === 0) await volume.scheduler.advance(1);
      const { topicId } = log.identity;
      if (change === "truncate") await volume.scheduler.until(log.truncateTo(149));
      else if (change === "delete") await volume.scheduler.until(volume.manager.delete(topicId, 0));
      else await volume.scheduler.until(volume.manager.close());
      if (change !== "close") {
        await volume.scheduler.advance(100);
        await volume.scheduler.until(volume.manager.close());
      }
      assert.deepEqual([...volume.files("cleaned"), ...volume.files("swap")], [], change);
      assert.equal(volume.manager.compaction.uncleanable, 0);
      await volume.reopen();
      const again = await volume.log();
      assert.equal(again.logEndOffset, { truncate: 149, delete: 0, close: 150 }[change]);
      await volume.scheduler.until(volume.manager.close());
    }
  });
});
