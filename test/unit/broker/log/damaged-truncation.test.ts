import assert from "node:assert/strict";
import { DamagedError } from "../../../../broker/log/damage.ts";
import { DEFAULT_LOG_CONFIG } from "../../../../broker/log/log-manager.ts";
import type { LogManager, PartitionLog } from "../../../../broker/log/types.ts";
import { ProtocolError } from "../../../../broker/errors.ts";
import { stampBatch } from "../../../../broker/protocol/record-batch.ts";
import { present } from "../../../../lib/assert.ts";
import { type Logger, silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { MIB } from "../../../../lib/units.ts";
import { batchOf } from "../../../support/batches.ts";
import {
  appendBatches,
  LOG,
  LogVolume,
  NO_CHECKPOINT,
  reportsOf,
} from "../../../support/log-volume.ts";

const FILE = "t-0/00000000000000000000.log";
const BATCHES = 10;
const SIZE = batchOf({ valueBytes: 100 }).length;
/** Within a batch: the low byte of its base offset, the high one of its length, the low one of its last offset's distance, a record. */
const BASE_OFFSET = 7;
const LENGTH = 8;
const LAST_OFFSET = 26;
const RECORD = 80;
const LEAVES = 7;

describe("log: a truncation that meets a damaged batch", () => {
  let volume: LogVolume;
  let manager: LogManager;
  let log: PartitionLog;
  let found: DamagedError[];
  let errors: Record<string, unknown>[];
  const batch = (number: number): Uint8Array => batchOf({ baseOffset: number, valueBytes: 100 });
  const ofProducer = (number: number): Uint8Array =>
    batchOf({ valueBytes: 100, producerId: 7, producerEpoch: 0, baseSequence: number });

  const open = (checkpointMs?: number): Promise<LogManager> =>
    volume.open(checkpointMs === undefined ? {} : { checkpointMs });

  const damage = (number: number, within: number, bits = 0x40): void => {
    volume.storage.corrupt(FILE, number * SIZE + within, bits);
  };

  const held = (): Promise<void> => volume.until(() => log.held, 10_000);

  const reported = (): DamagedError => present(found[0], "it is reported");

  /** Offsets that are served, from the first on. */
  const served = async (): Promise<number> => (await volume.read(log, 0)).length / SIZE;

  const again = (): PartitionLog => present(manager.get(LOG.topicId, 0), "it is there");

  beforeEach(async () => {
    errors = [];
    const logger: Logger = {
      ...silentLogger,
      error: (message, fields) => errors.push({ message, ...fields }),
    };
    volume = new LogVolume({ options: NO_CHECKPOINT, logger });
    manager = await open(10);
    for (const partition of [1, 0]) {
      appendBatches(await volume.openLog(manager, DEFAULT_LOG_CONFIG, partition), BATCHES, batch);
    }
    // All is in the segment and nothing in memory but what it was, and no checkpoint tells of what comes.
    await volume.scheduler.advance(1000);
    await volume.scheduler.until(manager.close());
    manager = await open();
    log = again();
    found = reportsOf(log);
  });

  for (const [what, within, bits] of [
    ["a length", LENGTH, 0x40],
    ["a length that reaches into a batch behind", LENGTH + 2, 1],
    ["a length that ends within the batch", LENGTH + 3, 0x80 & SIZE],
    ["a last offset", LAST_OFFSET, 0x40],
  ] as const) {
    it(`waits until ${what} below the cut is repaired`, async () => {
      damage(LEAVES - 1, within, bits);
      const cut = log.truncateTo(LEAVES);
      await held();
      assert(log.uncut);
      assert.equal(log.logEndOffset, LEAVES);
      assert.throws(() => log.appendAsLeader(batch(LEAVES), 1, "client"), ProtocolError);
      const { place } = reported();
      assert.deepEqual(place, { segment: 0, position: (LEAVES - 1) * SIZE, offset: LEAVES - 1 });
      assert.equal(await volume.scheduler.until(log.repair(place, batch(LEAVES - 1))), true);
      await volume.scheduler.until(cut);
      assert(!log.held);
      assert.equal(await served(), LEAVES);
      log.appendAsLeader(batch(LEAVES), 1, "client");
      await volume.scheduler.until(manager.close());
      manager = await open();
      log = again();
      assert.equal(log.logEndOffset, LEAVES + 1);
      assert.equal(await served(), LEAVES + 1);
    });
  }

  it("is told of while it keeps the journal from being freed", async () => {
    await volume.scheduler.until(manager.close());
    manager = await open(10);
    log = again();
    damage(LEAVES - 1, LENGTH);
    const cut = log.truncateTo(LEAVES);
    await held();
    await volume.scheduler.advance(5000);
    assert.deepEqual(manager.held, { logs: 1, uncut: 1 });
    const [told, ...more] = errors.filter(({ message }) =>
      String(message).startsWith("the journal"),
    );
    assert.deepEqual(told?.["logs"], ["t-0"]);
    assert.ok(Number(told["journalBytes"]) > 0);
    assert.deepEqual(more, [], "once a minute");
    const place = { segment: 0, position: (LEAVES - 1) * SIZE, offset: LEAVES - 1 };
    assert.equal(await volume.scheduler.until(log.repair(place, batch(LEAVES - 1))), true);
    await volume.scheduler.until(cut);
    assert.deepEqual(manager.held, { logs: 0, uncut: 0 });
  });

  it("goes deeper when the log is cut again while it waits", async () => {
    damage(LEAVES - 1, LENGTH);
    const first = log.truncateTo(LEAVES);
    await held();
    await volume.scheduler.until(log.truncateTo(LEAVES - 2));
    await volume.scheduler.until(first);
    assert(!log.held);
    assert.equal(await served(), LEAVES - 2);
  });

  it("waits no more when the log begins anew", async () => {
    damage(LEAVES - 1, LENGTH);
    const cut = log.truncateTo(LEAVES);
    await held();
    await volume.scheduler.until(log.truncateFullyAndStartAt(0));
    await volume.scheduler.until(cut);
    assert(!log.held);
    log.appendAsFollower(batch(0));
    assert.equal(await served(), 1);
  });

  it("leaves it for a read to find when it does not hide where to cut", async () => {
    damage(LEAVES - 1, RECORD);
    await volume.scheduler.until(log.truncateTo(LEAVES));
    assert.deepEqual(found, []);
    assert.equal(await served(), LEAVES - 1);
    await assert.rejects(async () => log.read(LEAVES - 1, MIB, Infinity, true), DamagedError);
    const { place } = reported();
    assert.equal(await volume.scheduler.until(log.repair(place, batch(LEAVES - 1))), true);
    assert.equal(await served(), LEAVES);
  });

  for (const within of [LENGTH, LAST_OFFSET, RECORD]) {
    it(`takes it along from behind the cut (byte ${String(within)})`, async () => {
      damage(LEAVES, within);
      await volume.scheduler.until(log.truncateTo(LEAVES));
      assert.deepEqual(found, []);
      assert.equal(await served(), LEAVES);
    });
  }

  describe("after a kill", () => {
    const reopened = async (): Promise<void> => {
      volume.storage.crash(seededRandom(2));
      const { storageId } = manager;
      manager = await open();
      assert.notEqual(manager.storageId, storageId, "the volume counts as a new one");
      log = again();
    };

    it("makes the volume count as a new one, with the log begun anew and the others whole", async () => {
      // It seems to lie where the next one does, and which of the two is wrong no checksum tells.
      damage(LEAVES - 3, BASE_OFFSET, 1);
      log.truncateTo(LEAVES).catch(() => undefined);
      await held();
      await reopened();
      assert.equal(log.logEndOffset, 0);
      log.appendAsFollower(batch(0));
      assert.equal(await served(), 1);
      assert.equal(manager.get(LOG.topicId, 1)?.logEndOffset, BATCHES);
      const { storageId } = manager;
      await volume.scheduler.until(manager.close());
      manager = await open();
      assert.equal(manager.storageId, storageId, "nothing is wrong with it any more");
      assert.equal(manager.get(LOG.topicId, 0)?.logEndOffset, 1);
    });

    it("ends the log before a batch that says of itself that it ends later", async () => {
      damage(LEAVES - 1, LAST_OFFSET, 1);
      log.truncateTo(LEAVES).catch(() => undefined);
      await held();
      await reopened();
      assert.equal(log.logEndOffset, LEAVES - 1);
      assert.equal(await served(), LEAVES - 1);
    });

    it("does not take what lies between damage and cut for a gap", async () => {
      damage(LEAVES - 3, LENGTH);
      log.truncateTo(LEAVES).catch(() => undefined);
      await held();
      await reopened();
      assert.equal(log.logEndOffset, LEAVES - 3, "what is before the damage is left");
      assert.equal(await served(), LEAVES - 3);
    });

    it("leaves nothing of a batch whose length said that it ends earlier", async () => {
      const length = SIZE - 12;
      damage(BATCHES - 1, LENGTH + 3, length & -length);
      log.appendAsLeader(batch(BATCHES), 1, "client");
      await reopened();
      assert.equal(log.logEndOffset, BATCHES - 1);
      assert.equal(await served(), BATCHES - 1);
      log.appendAsFollower(batch(BATCHES - 1));
      await volume.scheduler.until(manager.close());
      manager = await open();
      log = again();
      assert.equal(await served(), BATCHES);
    });

    it("is noticed again when the start that noticed it did not get to the end", async () => {
      damage(LEAVES - 3, LENGTH);
      log.truncateTo(LEAVES).catch(() => undefined);
      await held();
      volume.storage.crash(seededRandom(2));
      let writes = 0;
      volume.storage.setOptions({
        fault: (operation, path) => {
          // The first write says that the volume was opened again, the second that it is another one.
          if (path === "meta.properties" && operation === "write" && ++writes === 2)
            throw new Error("killed");
        },
      });
      await assert.rejects(open(), /killed/);
      volume.storage.setOptions({});
      await reopened();
    });
  });

  it("holds the log when it hides what is known of producers, until it is repaired", async () => {
    for (let number = 0; number < BATCHES; number++) {
      log.appendAsLeader(ofProducer(number), 1, "client");
    }
    await volume.scheduler.until(manager.close());
    damage(BATCHES + LEAVES, RECORD);
    // Without the snapshots that the clean stop has left the producers' state is read from the records.
    const mounted = volume.storage.mount();
    for (const name of await mounted.list("t-0")) {
      if (name.endsWith(".snapshot")) await mounted.remove(`t-0/${name}`);
    }
    manager = await open();
    log = again();
    found = reportsOf(log);
    assert(log.held);
    assert(!log.uncut);
    assert.throws(() => log.appendAsLeader(ofProducer(BATCHES), 1, "client"), ProtocolError);
    await volume.until(() => found.length > 0, 10_000);
    const { place } = reported();
    const whole = ofProducer(LEAVES);
    stampBatch(whole, 0, BATCHES + LEAVES, 1);
    assert.equal(await volume.scheduler.until(log.repair(place, whole)), true);
    await volume.until(() => !log.held, 10_000);
    assert(log.appendAsLeader(ofProducer(BATCHES - 1), 1, "client").duplicate);
    assert(!log.appendAsLeader(ofProducer(BATCHES), 1, "client").duplicate);
  });
});
