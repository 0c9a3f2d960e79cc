import assert from "node:assert/strict";
import { DEFAULT_LOG_CONFIG } from "../../../../broker/log/log-manager.ts";
import { type Storage, StorageError } from "../../../../broker/log/storage.ts";
import type { LogConfig, LogManager } from "../../../../broker/log/types.ts";
import { present } from "../../../../lib/assert.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { HOUR, KIB, MIB, type Bytes } from "../../../../lib/units.ts";
import { batchOf, T0 } from "../../../support/batches.ts";
import { LOG, LogVolume } from "../../../support/log-volume.ts";

const VALUE_BYTES = 2 * KIB;

/** Of segments. */
function refuseSyncs(operation: string, path: string): void {
  if (operation === "sync" && path.endsWith(".log")) throw new StorageError("ENOSPC", "full");
}

/** Counts what is read of it. */
function counted(storage: Storage, count: (path: string, bytes: Bytes) => void): Storage {
  return {
    ...storage,
    open: async (path, mode, use) => {
      const file = await storage.open(path, mode, use);
      return {
        get size() {
          return file.size;
        },
        write: (position, parts) => file.write(position, parts),
        writeSync: (position, parts) => file.writeSync(position, parts),
        read: async (position, into) => {
          const bytes = await file.read(position, into);
          count(path, bytes);
          return bytes;
        },
        sync: () => file.sync(),
        truncate: (size) => file.truncate(size),
        close: () => file.close(),
      };
    },
    readFile: async (path) => {
      const content = await storage.readFile(path);
      count(path, content?.length ?? 0);
      return content;
    },
  };
}

describe("log: recovery after a kill", () => {
  let volume: LogVolume;
  let scheduler: LogVolume["scheduler"];
  let storage: LogVolume["storage"];
  let read: Map<string, Bytes>;

  beforeEach(() => {
    read = new Map();
    volume = new LogVolume({
      options: { producerSnapshotBytes: 64 * KIB },
      through: (stored) =>
        counted(stored, (path, bytes) => {
          read.set(path, (read.get(path) ?? 0) + bytes);
        }),
    });
    ({ scheduler, storage } = volume);
  });

  function open(
    checkpointMs: number,
    writeOutBytes: Bytes = 8 * MIB,
    checkpointBytes: Bytes = 1024 * MIB,
  ): Promise<LogManager> {
    read.clear();
    return volume.open({ checkpointMs, writeOutBytes, checkpointBytes });
  }

  async function append(
    logs: LogManager,
    count: number,
    config: LogConfig,
    producer?: number,
  ): Promise<void> {
    const log = await volume.openLog(logs, config);
    for (let at = 0; at < count; at++) {
      const wish = producer === undefined ? {} : { producerId: producer, producerEpoch: 0 };
      const baseSequence = producer === undefined ? -1 : at;
      const batch = batchOf({
        valueBytes: VALUE_BYTES,
        timestamp: T0 + log.logEndOffset,
        ...wish,
        baseSequence,
      });
      log.appendAsLeader(batch, 0, "client");
      await scheduler.advance(2);
    }
    await scheduler.until(logs.flush());
  }

  /** Of segments. */
  function recordsRead(): Bytes {
    let records = 0;
    for (const [path, bytes] of read) if (path.endsWith(".log")) records += bytes;
    return records;
  }

  for (const producer of [undefined, 7]) {
    const whose = producer === undefined ? "without" : "with";
    it(`reads no more than the ends of logs ${whose} idempotent producers`, async () => {
      const logs = await open(10);
      const config = { ...DEFAULT_LOG_CONFIG, segmentBytes: 256 * KIB };
      await append(logs, 1000, config, producer);
      await scheduler.advance(1000);
      storage.crash(seededRandom(2));
      const again = await open(10);
      assert.equal(again.get(LOG.topicId, 0)?.logEndOffset, 1000);
      const records = recordsRead();
      assert.ok(records <= 128 * KIB, `${records} bytes of 2 MiB`);
      if (producer === undefined) return;
      const repeated = batchOf({
        valueBytes: VALUE_BYTES,
        producerId: producer,
        producerEpoch: 0,
        baseSequence: 999,
      });
      const result = again.get(LOG.topicId, 0)?.appendAsLeader(repeated, 0, "client");
      assert.deepEqual([result?.duplicate, result?.baseOffset], [true, 999]);
    });
  }

  it("reads no more of a large active segment that was written to since the last checkpoint", async () => {
    const before = await open(10);
    await append(before, 1000, DEFAULT_LOG_CONFIG);
    await scheduler.until(before.close());
    await append(await open(HOUR, 0), 20, DEFAULT_LOG_CONFIG);
    await scheduler.advance(1000);
    const size = storage.content("t-0/00000000000000000000.log")?.current.length ?? 0;
    assert.ok(size > 1019 * VALUE_BYTES, "what came last is in the segment");
    // Killed, with all that it had written.
    const log = (await open(10)).get(LOG.topicId, 0);
    assert.equal(log?.logEndOffset, 1020);
    assert.ok(recordsRead() <= 128 * KIB, `${recordsRead()} bytes of 2 MiB`);
  });

  it("reads no more when it is cut, and finds and goes on as before", async () => {
    const logs = await open(10);
    await append(logs, 1000, DEFAULT_LOG_CONFIG);
    await scheduler.advance(1000);
    read.clear();
    const log = await volume.openLog(logs);
    await scheduler.until(log.truncateTo(990));
    assert.ok(recordsRead() <= 128 * KIB, `${recordsRead()} bytes of 2 MiB`);
    const largest = (): Promise<{ readonly offset: number } | undefined> =>
      scheduler.until(log.offsetOfMaxTimestamp());
    assert.equal((await largest())?.offset, 989);
    await append(logs, 10, DEFAULT_LOG_CONFIG);
    await scheduler.advance(1000);
    assert.equal((await largest())?.offset, 999);
    storage.crash(seededRandom(2));
    const again = (await open(10)).get(LOG.topicId, 0);
    assert.equal(again?.logEndOffset, 1000);
    assert.equal((await scheduler.until(again.offsetForTimestamp(T0 + 500)))?.offset, 500);
    assert.equal((await scheduler.until(again.offsetOfMaxTimestamp()))?.offset, 999);
  });

  it("does not wait until what was replayed is synced in the segments, and loses none of it", async () => {
    await append(await open(HOUR), 20, DEFAULT_LOG_CONFIG);
    storage.setOptions({ fault: refuseSyncs });
    for (let start = 1; start <= 20; start++) {
      storage.crash(seededRandom(start));
      const logs = await open(HOUR);
      assert.equal(logs.get(LOG.topicId, 0)?.stableOffset, 20);
    }
  });

  it("waits for it when starts that ended before their first checkpoints have let the journal grow", async () => {
    const limit = 32 * KIB;
    let position = 0;
    storage.setOptions({ fault: refuseSyncs });
    for (let start = 0; start < 2; start++) {
      const logs = await open(HOUR, 8 * MIB, limit);
      await append(logs, 20, DEFAULT_LOG_CONFIG);
      position = logs.get(LOG.topicId, 0)?.logEndOffset ?? 0;
      storage.crash(seededRandom(start));
    }
    assert.equal(position, 40, "the second did not wait");
    const opened: LogManager[] = [];
    void open(HOUR, 8 * MIB, limit).then((logs) => opened.push(logs));
    await scheduler.advance(10_000);
    assert.equal(opened.length, 0);
    storage.setOptions({});
    await scheduler.advance(10_000);
    assert.equal(present(opened[0], "it is open").get(LOG.topicId, 0)?.stableOffset, 40);
  });

  it("has what it says is stable on stable storage, also of what a killed process had written only", async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const logs = await open(HOUR);
      const end = logs.get(LOG.topicId, 0)?.logEndOffset ?? 0;
      await append(logs, 5, DEFAULT_LOG_CONFIG);
      const log = await volume.openLog(logs);
      storage.setOptions({ scheduler, delay: () => HOUR });
      log.appendAsLeader(batchOf({ valueBytes: VALUE_BYTES }), 0, "client");
      await scheduler.advance(10);
      assert.equal(log.stableOffset, end + 5, "its sync does not end");
      // The checkpoint that follows does not come to its end either.
      storage.setOptions({ fault: refuseSyncs });
      assert.equal((await open(HOUR)).get(LOG.topicId, 0)?.stableOffset, end + 6);
      storage.setOptions({});
      storage.crash(seededRandom(seed));
      assert.equal((await open(HOUR)).get(LOG.topicId, 0)?.stableOffset, end + 6, `seed ${seed}`);
    }
  });

  it("does not read from the same snapshot on, start after start", async () => {
    const config = { ...DEFAULT_LOG_CONFIG, segmentBytes: 256 * KIB };
    const logs = await open(10);
    await append(logs, 10, config);
    await scheduler.advance(1000);
    for (let start = 0; start < 80; start++) {
      storage.crash(seededRandom(start));
      const again = await open(10);
      await append(again, 10, config);
      await scheduler.advance(1000);
    }
    storage.crash(seededRandom(2));
    await open(10);
    const records = recordsRead();
    // Three times what is behind the last entry of the index that was not lost, or behind the snapshot.
    assert.ok(records <= 512 * KIB, `${records} bytes of 1.6 MiB`);
  });

  it("cuts what it puts back into segments as the topic has it", async () => {
    const logs = await open(10);
    const segmentBytes = 20 * KIB;
    const config = { ...DEFAULT_LOG_CONFIG, segmentBytes };
    await append(logs, 10, config);
    await scheduler.advance(1000);
    storage.crash(seededRandom(2));
    // From here on no checkpoint.
    const before = await open(HOUR);
    await append(before, 100, config);
    storage.crash(seededRandom(3));
    const after = await open(HOUR);
    assert.equal(after.get(LOG.topicId, 0)?.logEndOffset, 110);
    const mounted = storage.mount();
    let found = 0;
    for (const path of storage.paths().filter((one) => one.endsWith(".log"))) {
      const size = (await scheduler.until(mounted.ending(path, 0)))?.size ?? 0;
      assert.ok(size <= segmentBytes, `${path} has ${size} bytes`);
      found++;
    }
    assert.ok(found > 10);
  });
});
