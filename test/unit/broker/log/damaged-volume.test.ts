import assert from "node:assert/strict";
import { DEFAULT_LOG_CONFIG, openLogManager } from "../../../../broker/log/log-manager.ts";
import type { LogManager, PartitionLog } from "../../../../broker/log/types.ts";
import { present } from "../../../../lib/assert.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { HOUR, MIB } from "../../../../lib/units.ts";
import { batchOf } from "../../../support/batches.ts";
import { MemoryStorage } from "../../../support/memory-storage.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

const damaged = { topic: "t", topicId: "11111111-1111-4111-8111-111111111111", partition: 0 };
const other = { ...damaged, partition: 1 };
const BATCHES = 10;

/** A volume with two logs that was killed. `checkpointed`: all is in the segments; else all is in the journal only. */
class Volume {
  readonly scheduler = new VirtualScheduler();
  readonly storage = new MemoryStorage();
  readonly #random = seededRandom(1);

  open(checkpointMs = HOUR): Promise<LogManager> {
    return this.scheduler.until(
      openLogManager({
        storage: this.storage.mount(),
        scheduler: this.scheduler,
        random: this.#random,
        logger: silentLogger,
        panic: (error) => {
          throw error;
        },
        options: { checkpointMs, checkpointBytes: 1024 * MIB },
      }),
    );
  }

  async append(manager: LogManager, count: number): Promise<void> {
    for (const identity of [damaged, other]) {
      const log = await this.scheduler.until(manager.open(identity, DEFAULT_LOG_CONFIG));
      for (let at = 0; at < count; at++) {
        log.appendAsLeader(batchOf({ valueBytes: 100 }), 0, "client");
        await this.scheduler.until(manager.flush());
      }
    }
  }

  async killed(checkpointed: boolean): Promise<string> {
    const manager = await this.open(checkpointed ? 10 : HOUR);
    await this.append(manager, BATCHES);
    if (checkpointed) await this.scheduler.advance(1000);
    this.kill();
    return manager.storageId;
  }

  kill(): void {
    this.storage.crash(seededRandom(2));
  }

  async shorten(path: string, bytes: number): Promise<void> {
    const mounted = this.storage.mount();
    const file = await this.scheduler.until(mounted.open(path, "existing"));
    await this.scheduler.until(file.truncate(file.size - bytes));
    await this.scheduler.until(file.sync());
    await this.scheduler.until(file.close());
  }

  /** Offsets of a log's records, in order, as they are served. */
  async records(log: PartitionLog): Promise<number> {
    const read = await this.scheduler.until(Promise.resolve(log.read(0, MIB, Infinity, true)));
    read.release();
    return read.bytes / batchOf({ valueBytes: 100 }).length;
  }
}

const JOURNAL = "journal/0000000000.journal";
const SEGMENT = "t-0/00000000000000000000.log";

const CASES: readonly {
  readonly what: string;
  readonly checkpointed: boolean;
  readonly harm: (volume: Volume) => Promise<void> | void;
  /** Records that are left of the log. */
  readonly left: number;
}[] = [
  {
    what: "entries of its journal",
    checkpointed: false,
    harm: ({ storage }) => {
      storage.corrupt(JOURNAL, 4096 + 700);
    },
    left: 2,
  },
  {
    what: "the end of a segment",
    checkpointed: true,
    harm: (volume) => volume.shorten(SEGMENT, 10),
    left: BATCHES - 1,
  },
  {
    what: "the length of a batch at the end of a segment",
    checkpointed: true,
    harm: ({ storage }) => {
      storage.corrupt(SEGMENT, 8 * batchOf({ valueBytes: 100 }).length + 9);
    },
    left: 8,
  },
  {
    what: "what a log's folder says of whose it is",
    checkpointed: true,
    harm: (volume) => volume.shorten("t-0/partition.metadata", 20),
    left: 0,
  },
];

describe("log: a volume that has lost what was stable on it", () => {
  for (const { what, checkpointed, harm, left } of CASES) {
    it(`counts as a new one when it has lost ${what}, and goes on with what is left`, async () => {
      const volume = new Volume();
      const storageId = await volume.killed(checkpointed);
      await harm(volume);
      const manager = await volume.open();
      assert.notEqual(manager.storageId, storageId);
      const log = await volume.scheduler.until(manager.open(damaged, DEFAULT_LOG_CONFIG));
      assert.equal(log.logEndOffset, left);
      assert.equal(await volume.records(log), left);

      // As a follower it is brought what is missing; nothing is wrong with the volume any more.
      await volume.append(manager, BATCHES - left);
      volume.kill();
      const again = await volume.open();
      assert.equal(again.storageId, manager.storageId);
      const brought = present(again.get(damaged.topicId, 0), "the log is there");
      assert.equal(await volume.records(brought), BATCHES);
    });
  }

  for (const checkpointed of [false, true]) {
    it(`is the same one when nothing is wrong, ${checkpointed ? "" : "not "}checkpointed`, async () => {
      const volume = new Volume();
      const storageId = await volume.killed(checkpointed);
      const manager = await volume.open();
      assert.equal(manager.storageId, storageId);
      assert.equal(manager.get(damaged.topicId, 0)?.logEndOffset, BATCHES);
      assert.equal(manager.get(other.topicId, 1)?.logEndOffset, BATCHES);
    });
  }
});
