import assert from "node:assert/strict";
import { ProtocolError } from "../../../../broker/errors.ts";
import { DEFAULT_LOG_CONFIG, openLogManager } from "../../../../broker/log/log-manager.ts";
import type { LogManager } from "../../../../broker/log/types.ts";
import { ErrorCode } from "../../../../broker/protocol/error-codes.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { HOUR, KIB, MIB } from "../../../../lib/units.ts";
import { batchOf } from "../../../support/batches.ts";
import { MemoryStorage } from "../../../support/memory-storage.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

describe("log: a volume that is nearly full", () => {
  it("lets go what retention allows, refuses clients' records, goes on reading, and heals", async () => {
    const scheduler = new VirtualScheduler();
    const storage = new MemoryStorage();
    const logs = await scheduler.until(
      openLogManager({
        storage: storage.mount(),
        scheduler,
        random: seededRandom(1),
        logger: silentLogger,
        panic: (error) => {
          throw error;
        },
        options: { reserveBytes: MIB, journalFileBytes: 64 * KIB, checkpointBytes: 64 * KIB },
      }),
    );
    const identity = { topic: "t", topicId: "11111111-1111-4111-8111-111111111111", partition: 0 };
    const config = { ...DEFAULT_LOG_CONFIG, segmentBytes: 64 * KIB, retentionBytes: -1 };
    const log = await scheduler.until(logs.open(identity, config));
    const append = (): void => {
      log.appendAsLeader(batchOf({ valueBytes: 20 * KIB }), 0, "client");
    };
    for (let i = 0; i < 40; i++) {
      append();
      await scheduler.advance(20);
    }
    log.highWatermark = log.logEndOffset;
    await scheduler.advance(2000);
    assert.equal(logs.room, "ample");

    // Of so small a volume a twentieth is to be free.
    storage.setCapacity(Math.ceil(storage.used() * 1.04));
    await scheduler.advance(1500);
    assert.equal(logs.room, "short");
    assert.throws(append, (error) => {
      return error instanceof ProtocolError && error.errorCode === ErrorCode.KAFKA_STORAGE_ERROR;
    });
    log.appendAsLeader(batchOf({ valueBytes: 100 }), 0, "coordinator");
    const read = await scheduler.until(Promise.resolve(log.read(0, MIB, Infinity, true)));
    assert.ok(read.bytes > 0);
    read.release();
    const start = log.logStartOffset;

    // Somebody allows less: it goes at the next look, not at the next check of retention five minutes later.
    log.config = { ...config, retentionBytes: 128 * KIB };
    await scheduler.advance(1500);
    assert.ok(log.logStartOffset > start);
    storage.setCapacity(storage.used() * 2);
    await scheduler.advance(1500);
    assert.equal(logs.room, "ample");
    append();
  });

  it("is opened when there is room, if it is full at a start", async () => {
    const scheduler = new VirtualScheduler();
    const storage = new MemoryStorage();
    const open = (): Promise<LogManager> =>
      openLogManager({
        storage: storage.mount(),
        scheduler,
        random: seededRandom(1),
        logger: silentLogger,
        panic: (error) => {
          throw error;
        },
        // No checkpoint: all is in the journal, and recovery has to bring it to the segment.
        options: { checkpointMs: HOUR, checkpointBytes: 1024 * MIB },
      });
    const before = await scheduler.until(open());
    const identity = { topic: "t", topicId: "11111111-1111-4111-8111-111111111111", partition: 0 };
    const log = await scheduler.until(before.open(identity, DEFAULT_LOG_CONFIG));
    for (let i = 0; i < 20; i++) log.appendAsLeader(batchOf({ valueBytes: 20 * KIB }), 0, "client");
    await scheduler.until(before.flush());
    storage.crash(seededRandom(2));

    for (const bytes of [0, 100 * KIB]) {
      storage.setCapacity(storage.used() + bytes);
      let opened: LogManager | undefined;
      void open().then((logs) => (opened = logs));
      await scheduler.advance(10_000);
      assert.equal(opened, undefined, `${bytes} bytes of room`);
      storage.crash(seededRandom(3));
    }
    storage.setCapacity(storage.used());
    const opening = open();
    await scheduler.advance(3000);
    storage.setCapacity(undefined);
    const logs = await scheduler.until(opening);
    assert.equal(logs.get(identity.topicId, 0)?.logEndOffset, 20);
  });
});
