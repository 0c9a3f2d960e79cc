import assert from "node:assert/strict";
import { DamagedError } from "../../../../broker/log/damage.ts";
import { DEFAULT_LOG_CONFIG, openLogManager } from "../../../../broker/log/log-manager.ts";
import type { LogManager, PartitionLog } from "../../../../broker/log/types.ts";
import { ProtocolError } from "../../../../broker/errors.ts";
import { stampBatch } from "../../../../broker/protocol/record-batch.ts";
import { present } from "../../../../lib/assert.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { HOUR, MIB } from "../../../../lib/units.ts";
import { batchOf } from "../../../support/batches.ts";
import { MemoryStorage } from "../../../support/memory-storage.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

const identity = { topic: "t", topicId: "11111111-1111-4111-8111-111111111111", partition: 0 };
const other = { ...identity, partition: 1 };
const FILE = "t-0/00000000000000000000.log";
const BATCHES = 10;
const SIZE = batchOf({ valueBytes: 100 }).length;
/** Within a batch: the high byte of its length, the low one of its last offset's distance, and a record. */
const LENGTH = 8;
const LAST_OFFSET = 26;
const RECORD = 80;
const LEAVES = 7;

describe("log: a truncation that meets a damaged batch", () => {
  let scheduler: VirtualScheduler;
  let storage: MemoryStorage;
  let random: ReturnType<typeof seededRandom>;
  let manager: LogManager;
  let log: PartitionLog;
  let found: DamagedError[];
  let errors: Record<string, unknown>[];
  const batch = (number: number): Uint8Array => batchOf({ baseOffset: number, valueBytes: 100 });
  const ofProducer = (number: number): Uint8Array =>
    batchOf({ valueBytes: 100, producerId: 7, producerEpoch: 0, baseSequence: number });

  function open(checkpointMs: number): Promise<LogManager> {
    return scheduler.until(
      openLogManager({
        storage: storage.mount(),
        scheduler,
        random,
        logger: {
          ...silentLogger,
          error: (message, fields) => errors.push({ message, ...fields }),
        },
        panic: (error) => {
          throw error;
        },
        options: { checkpointMs, checkpointBytes: 1024 * MIB },
      }),
    );
  }

  const damage = (number: number, within: number, bits = 0x40): void => {
    storage.corrupt(FILE, number * SIZE + within, bits);
  };

  const isTrue = async (what: () => boolean): Promise<void> => {
    for (let waited = 0; waited < 100 && !what(); waited++) await scheduler.advance(100);
    assert(what());
  };

  const reported = (): DamagedError => present(found[0], "it is reported");

  /** Offsets that are served, from the first on. */
  async function served(): Promise<number> {
    const read = await scheduler.until(Promise.resolve(log.read(0, MIB, Infinity, true)));
    read.release();
    return read.bytes / SIZE;
  }

  beforeEach(async () => {
    errors = [];
    scheduler = new VirtualScheduler();
    storage = new MemoryStorage();
    random = seededRandom(1);
    manager = await open(10);
    for (const one of [other, identity]) {
      log = await scheduler.until(manager.open(one, DEFAULT_LOG_CONFIG));
      for (let number = 0; number < BATCHES; number++) {
        log.appendAsLeader(batch(number), 0, "client");
      }
    }
    // All is in the segment and nothing in memory but what it was, and no checkpoint tells of what comes.
    await scheduler.advance(1000);
    await scheduler.until(manager.close());
    manager = await open(HOUR);
    log = present(manager.get(identity.topicId, 0), "it was there");
    found = [];
    log.onDamage = (error) => {
      found.push(error);
    };
  });

  for (const [what, within] of [
    ["a length", LENGTH],
    ["a last offset", LAST_OFFSET],
  ] as const) {
    it(`waits until ${what} below the cut is repaired`, async () => {
      damage(LEAVES - 1, within);
      const cut = log.truncateTo(LEAVES);
      await isTrue(() => log.held);
      assert(log.uncut);
      assert.equal(log.logEndOffset, LEAVES);
      assert.throws(() => log.appendAsLeader(batch(LEAVES), 1, "client"), ProtocolError);
      const { place } = reported();
      assert.deepEqual(place, { segment: 0, position: (LEAVES - 1) * SIZE, offset: LEAVES - 1 });
      assert.equal(await scheduler.until(log.repair(place, batch(LEAVES - 1))), true);
      await scheduler.until(cut);
      assert(!log.held);
      assert.equal(await served(), LEAVES);
      log.appendAsLeader(batch(LEAVES), 1, "client");
      await scheduler.until(manager.close());
      log = present((await open(HOUR)).get(identity.topicId, 0), "it is there");
      assert.equal(log.logEndOffset, LEAVES + 1);
      assert.equal(await served(), LEAVES + 1);
    });
  }

  it("is told of while it keeps the journal from being freed", async () => {
    await scheduler.until(manager.close());
    manager = await open(10);
    log = present(manager.get(identity.topicId, 0), "it was there");
    damage(LEAVES - 1, LENGTH);
    const cut = log.truncateTo(LEAVES);
    await isTrue(() => log.held);
    await scheduler.advance(5000);
    assert.deepEqual(manager.held, { logs: 1, uncut: 1 });
    const [told, ...more] = errors.filter(({ message }) =>
      String(message).startsWith("the journal"),
    );
    assert.deepEqual(told?.["logs"], ["t-0"]);
    assert.ok(Number(told["journalBytes"]) > 0);
    assert.deepEqual(more, [], "once a minute");
    const place = { segment: 0, position: (LEAVES - 1) * SIZE, offset: LEAVES - 1 };
    assert.equal(await scheduler.until(log.repair(place, batch(LEAVES - 1))), true);
    await scheduler.until(cut);
    assert.deepEqual(manager.held, { logs: 0, uncut: 0 });
  });

  it("goes deeper when the log is cut again while it waits", async () => {
    damage(LEAVES - 1, LENGTH);
    const first = log.truncateTo(LEAVES);
    await isTrue(() => log.held);
    await scheduler.until(log.truncateTo(LEAVES - 2));
    await scheduler.until(first);
    assert(!log.held);
    assert.equal(await served(), LEAVES - 2);
  });

  it("waits no more when the log begins anew", async () => {
    damage(LEAVES - 1, LENGTH);
    const cut = log.truncateTo(LEAVES);
    await isTrue(() => log.held);
    await scheduler.until(log.truncateFullyAndStartAt(0));
    await scheduler.until(cut);
    assert(!log.held);
    log.appendAsFollower(batch(0));
    assert.equal(await served(), 1);
  });

  it("leaves it for a read to find when it does not hide where to cut", async () => {
    damage(LEAVES - 1, RECORD);
    await scheduler.until(log.truncateTo(LEAVES));
    assert.deepEqual(found, []);
    assert.equal(await served(), LEAVES - 1);
    await assert.rejects(async () => log.read(LEAVES - 1, MIB, Infinity, true), DamagedError);
    const { place } = reported();
    assert.equal(await scheduler.until(log.repair(place, batch(LEAVES - 1))), true);
    assert.equal(await served(), LEAVES);
  });

  for (const within of [LENGTH, LAST_OFFSET, RECORD]) {
    it(`takes it along from behind the cut (byte ${String(within)})`, async () => {
      damage(LEAVES, within);
      await scheduler.until(log.truncateTo(LEAVES));
      assert.deepEqual(found, []);
      assert.equal(await served(), LEAVES);
    });
  }

  describe("after a kill", () => {
    const reopened = async (): Promise<void> => {
      storage.crash(seededRandom(2));
      const { storageId } = manager;
      manager = await open(HOUR);
      assert.notEqual(manager.storageId, storageId, "the volume counts as a new one");
      log = present(manager.get(identity.topicId, 0), "it is there");
    };

    it("makes the volume count as a new one, with the log begun anew and the others whole", async () => {
      damage(LEAVES - 1, LAST_OFFSET, 1);
      log.truncateTo(LEAVES).catch(() => undefined);
      await isTrue(() => log.held);
      await reopened();
      assert.equal(log.logEndOffset, 0);
      log.appendAsFollower(batch(0));
      assert.equal(await served(), 1);
      assert.equal(manager.get(other.topicId, 1)?.logEndOffset, BATCHES);
      const { storageId } = manager;
      await scheduler.until(manager.close());
      manager = await open(HOUR);
      assert.equal(manager.storageId, storageId, "nothing is wrong with it any more");
      assert.equal(manager.get(identity.topicId, 0)?.logEndOffset, 1);
    });

    it("does not take what lies between damage and cut for a gap", async () => {
      damage(LEAVES - 3, LENGTH);
      log.truncateTo(LEAVES).catch(() => undefined);
      await isTrue(() => log.held);
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
      await scheduler.until(manager.close());
      log = present((await open(HOUR)).get(identity.topicId, 0), "it is there");
      assert.equal(await served(), BATCHES);
    });

    it("is noticed again when the start that noticed it did not get to the end", async () => {
      damage(LEAVES - 3, LENGTH);
      log.truncateTo(LEAVES).catch(() => undefined);
      await isTrue(() => log.held);
      storage.crash(seededRandom(2));
      let writes = 0;
      storage.setOptions({
        fault: (operation, path) => {
          // The first write says that the volume was opened again, the second that it is another one.
          if (path === "meta.properties" && operation === "write" && ++writes === 2)
            throw new Error("killed");
        },
      });
      await assert.rejects(open(HOUR), /killed/);
      storage.setOptions({});
      await reopened();
    });
  });

  it("holds the log when it hides what is known of producers, until it is repaired", async () => {
    for (let number = 0; number < BATCHES; number++) {
      log.appendAsLeader(ofProducer(number), 1, "client");
    }
    await scheduler.until(manager.close());
    damage(BATCHES + LEAVES, RECORD);
    // Without the snapshots that the clean stop has left the producers' state is read from the records.
    const volume = storage.mount();
    for (const name of await volume.list("t-0")) {
      if (name.endsWith(".snapshot")) await volume.remove(`t-0/${name}`);
    }
    manager = await open(HOUR);
    log = present(manager.get(identity.topicId, 0), "it is there");
    log.onDamage = (error) => {
      found.push(error);
    };
    assert(log.held);
    assert(!log.uncut);
    assert.throws(() => log.appendAsLeader(ofProducer(BATCHES), 1, "client"), ProtocolError);
    await isTrue(() => found.length > 0);
    const { place } = reported();
    const whole = ofProducer(LEAVES);
    stampBatch(whole, 0, BATCHES + LEAVES, 1);
    assert.equal(await scheduler.until(log.repair(place, whole)), true);
    await isTrue(() => !log.held);
    assert(log.appendAsLeader(ofProducer(BATCHES - 1), 1, "client").duplicate);
    assert(!log.appendAsLeader(ofProducer(BATCHES), 1, "client").duplicate);
  });
});
