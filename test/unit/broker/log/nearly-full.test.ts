import assert from "node:assert/strict";
import { ProtocolError } from "../../../../broker/errors.ts";
import { DEFAULT_LOG_CONFIG } from "../../../../broker/log/log-manager.ts";
import type { LogManager } from "../../../../broker/log/types.ts";
import { ErrorCode } from "../../../../broker/protocol/error-codes.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { KIB, MIB } from "../../../../lib/units.ts";
import { batchOf } from "../../../support/batches.ts";
import { appendBatches, LOG, LogVolume, NO_CHECKPOINT } from "../../../support/log-volume.ts";

describe("log: a volume that is nearly full", () => {
  it("lets go what retention allows, refuses clients' records, goes on reading, and heals", async () => {
    const volume = new LogVolume({
      options: { reserveBytes: MIB, journalFileBytes: 64 * KIB, checkpointBytes: 64 * KIB },
    });
    const { scheduler, storage } = volume;
    const logs = await volume.open();
    const config = { ...DEFAULT_LOG_CONFIG, segmentBytes: 64 * KIB, retentionBytes: -1 };
    const log = await volume.openLog(logs, config);
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
    assert.ok((await volume.read(log, 0)).length > 0);
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
    // No checkpoint: all is in the journal, and recovery has to bring it to the segment.
    const volume = new LogVolume({ options: NO_CHECKPOINT });
    const { scheduler, storage } = volume;
    const before = await volume.open();
    appendBatches(await volume.openLog(before), 20, () => batchOf({ valueBytes: 20 * KIB }));
    await scheduler.until(before.flush());
    storage.crash(seededRandom(2));

    for (const bytes of [0, 100 * KIB]) {
      storage.setCapacity(storage.used() + bytes);
      let opened: LogManager | undefined;
      void volume.opening().then((logs) => (opened = logs));
      await scheduler.advance(10_000);
      assert.equal(opened, undefined, `${bytes} bytes of room`);
      storage.crash(seededRandom(3));
    }
    storage.setCapacity(storage.used());
    const opening = volume.opening();
    await scheduler.advance(3000);
    storage.setCapacity(undefined);
    const logs = await scheduler.until(opening);
    assert.equal(logs.get(LOG.topicId, 0)?.logEndOffset, 20);
  });
});
