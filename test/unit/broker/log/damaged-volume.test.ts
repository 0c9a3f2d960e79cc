import assert from "node:assert/strict";
import { DEFAULT_LOG_CONFIG } from "../../../../broker/log/log-manager.ts";
import type { LogManager, PartitionLog } from "../../../../broker/log/types.ts";
import { present } from "../../../../lib/assert.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { batchOf } from "../../../support/batches.ts";
import { LOG, LogVolume, NO_CHECKPOINT } from "../../../support/log-volume.ts";

const BATCHES = 10;

const SIZE = batchOf({ valueBytes: 100 }).length;

/** A volume with two logs that was killed. `checkpointed`: all is in the segments; else all is in the journal only. */
class KilledVolume extends LogVolume {
  constructor() {
    super({ options: NO_CHECKPOINT });
  }

  async append(manager: LogManager, count: number): Promise<void> {
    for (const partition of [0, 1]) {
      const log = await this.openLog(manager, DEFAULT_LOG_CONFIG, partition);
      for (let at = 0; at < count; at++) {
        log.appendAsLeader(batchOf({ valueBytes: 100 }), 0, "client");
        await this.scheduler.until(manager.flush());
      }
    }
  }

  async killed(checkpointed: boolean): Promise<string> {
    const manager = await this.open(checkpointed ? { checkpointMs: 10 } : {});
    await this.append(manager, BATCHES);
    if (checkpointed) await this.scheduler.advance(1000);
    this.kill();
    return manager.storageId;
  }

  kill(): void {
    this.storage.crash(seededRandom(2));
  }

  shorten(path: string, bytes: number): Promise<void> {
    return this.edit(path, (file) => file.truncate(file.size - bytes));
  }

  /** Records of a log, as they are served. */
  async records(log: PartitionLog): Promise<number> {
    return (await this.read(log, 0)).length / SIZE;
  }
}

const JOURNAL = "journal/0000000000.journal";
const SEGMENT = "t-0/00000000000000000000.log";

const CASES: readonly {
  readonly what: string;
  readonly checkpointed: boolean;
  readonly harm: (volume: KilledVolume) => Promise<void> | void;
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
      storage.corrupt(SEGMENT, 8 * SIZE + 9);
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
      const volume = new KilledVolume();
      const storageId = await volume.killed(checkpointed);
      await harm(volume);
      const manager = await volume.open();
      assert.notEqual(manager.storageId, storageId);
      const log = await volume.openLog(manager);
      assert.equal(log.logEndOffset, left);
      assert.equal(await volume.records(log), left);

      // As a follower it is brought what is missing; nothing is wrong with the volume any more.
      await volume.append(manager, BATCHES - left);
      volume.kill();
      const again = await volume.open();
      assert.equal(again.storageId, manager.storageId);
      const brought = present(again.get(LOG.topicId, 0), "the log is there");
      assert.equal(await volume.records(brought), BATCHES);
    });
  }

  for (const checkpointed of [false, true]) {
    it(`is the same one when nothing is wrong, ${checkpointed ? "" : "not "}checkpointed`, async () => {
      const volume = new KilledVolume();
      const storageId = await volume.killed(checkpointed);
      const manager = await volume.open();
      assert.equal(manager.storageId, storageId);
      assert.equal(manager.get(LOG.topicId, 0)?.logEndOffset, BATCHES);
      assert.equal(manager.get(LOG.topicId, 1)?.logEndOffset, BATCHES);
    });
  }
});
