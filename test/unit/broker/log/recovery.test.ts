import assert from "node:assert/strict";
import { DEFAULT_LOG_CONFIG, openLogManager } from "../../../../broker/log/log-manager.ts";
import type { Storage } from "../../../../broker/log/storage.ts";
import type { LogConfig, LogManager } from "../../../../broker/log/types.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { HOUR, KIB, MIB, type Bytes } from "../../../../lib/units.ts";
import { batchOf, T0 } from "../../../support/batches.ts";
import { MemoryStorage } from "../../../support/memory-storage.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

const topicId = "11111111-1111-4111-8111-111111111111";
const identity = { topic: "t", topicId, partition: 0 };
const VALUE_BYTES = 2 * KIB;

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
  let scheduler: VirtualScheduler;
  let storage: MemoryStorage;
  let read: Map<string, Bytes>;

  beforeEach(() => {
    scheduler = new VirtualScheduler();
    storage = new MemoryStorage();
    read = new Map();
  });

  function open(checkpointMs: number): Promise<LogManager> {
    read.clear();
    return scheduler.until(
      openLogManager({
        storage: counted(storage.mount(), (path, bytes) => {
          read.set(path, (read.get(path) ?? 0) + bytes);
        }),
        scheduler,
        random: seededRandom(1),
        logger: silentLogger,
        panic: (error) => {
          throw error;
        },
        options: {
          checkpointMs,
          checkpointBytes: 1024 * MIB,
          producerSnapshotBytes: 64 * KIB,
        },
      }),
    );
  }

  async function append(
    logs: LogManager,
    count: number,
    config: LogConfig,
    producer?: number,
  ): Promise<void> {
    const log = await scheduler.until(logs.open(identity, config));
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

  for (const producer of [undefined, 7]) {
    const whose = producer === undefined ? "without" : "with";
    it(`reads no more than the ends of logs ${whose} idempotent producers`, async () => {
      const logs = await open(10);
      const config = { ...DEFAULT_LOG_CONFIG, segmentBytes: 256 * KIB };
      await append(logs, 1000, config, producer);
      await scheduler.advance(1000);
      storage.crash(seededRandom(2));
      const again = await open(10);
      assert.equal(again.get(topicId, 0)?.logEndOffset, 1000);
      let records = 0;
      for (const [path, bytes] of read) if (path.endsWith(".log")) records += bytes;
      assert.ok(records <= 128 * KIB, `${records} bytes of 2 MiB`);
      if (producer === undefined) return;
      const repeated = batchOf({
        valueBytes: VALUE_BYTES,
        producerId: producer,
        producerEpoch: 0,
        baseSequence: 999,
      });
      const result = again.get(topicId, 0)?.appendAsLeader(repeated, 0, "client");
      assert.deepEqual([result?.duplicate, result?.baseOffset], [true, 999]);
    });
  }

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
    let records = 0;
    for (const [path, bytes] of read) if (path.endsWith(".log")) records += bytes;
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
    assert.equal(after.get(topicId, 0)?.logEndOffset, 110);
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
