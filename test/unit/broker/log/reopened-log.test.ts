import assert from "node:assert/strict";
import { DEFAULT_LOG_CONFIG, openLogManager } from "../../../../broker/log/log-manager.ts";
import { StorageError } from "../../../../broker/log/storage.ts";
import type { LogManager } from "../../../../broker/log/types.ts";
import { sleep } from "../../../../lib/clock.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { batchOf } from "../../../support/batches.ts";
import { MemoryStorage } from "../../../support/memory-storage.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

const identity = { topic: "t", topicId: "11111111-1111-4111-8111-111111111111", partition: 0 };

describe("log: a partition that comes back while its log is being deleted", () => {
  it("begins anew and keeps what it gets from then on", async () => {
    const scheduler = new VirtualScheduler();
    const storage = new MemoryStorage({ scheduler, delay: () => 1 });
    const open = (): Promise<LogManager> =>
      scheduler.until(
        openLogManager({
          storage: storage.mount(),
          scheduler,
          random: seededRandom(1),
          logger: silentLogger,
          panic: (error) => {
            throw error;
          },
        }),
      );
    const logs = await open();
    const former = await scheduler.until(logs.open(identity, DEFAULT_LOG_CONFIG));
    former.appendAsLeader(batchOf({ count: 3 }), 0, "client");
    // By then its segment is written, and its file has to be closed first.
    await scheduler.until(sleep(scheduler, 3000));
    const deleted = logs.delete(identity.topicId, identity.partition);
    const log = await scheduler.until(logs.open(identity, DEFAULT_LOG_CONFIG));
    await scheduler.until(deleted);
    assert.equal(log.logEndOffset, 0);
    log.appendAsLeader(batchOf({ count: 1 }), 0, "client");
    await scheduler.until(logs.close());
    const again = await scheduler.until((await open()).open(identity, DEFAULT_LOG_CONFIG));
    assert.equal(again.logEndOffset, 1);
  });

  it("is not missed when a crash comes before the journal says that it is new", async () => {
    const scheduler = new VirtualScheduler();
    const storage = new MemoryStorage();
    const random = seededRandom(1);
    const open = (): Promise<LogManager> =>
      scheduler.until(
        openLogManager({
          storage: storage.mount(),
          scheduler,
          random,
          logger: silentLogger,
          panic: (error) => {
            throw error;
          },
          options: { checkpointMs: 100 },
        }),
      );
    const logs = await open();
    const former = await scheduler.until(logs.open(identity, DEFAULT_LOG_CONFIG));
    former.appendAsLeader(batchOf({ count: 3 }), 0, "client");
    await scheduler.advance(1000);
    // From here on there is no room for the journal, and no checkpoint.
    storage.setOptions({
      fault: (operation, path) => {
        const refused = path.startsWith("journal/") || path.startsWith("forebay-checkpoint");
        if (refused && operation !== "sync") throw new StorageError("ENOSPC", "full");
      },
    });
    await scheduler.until(logs.delete(identity.topicId, identity.partition));
    void logs.open(identity, DEFAULT_LOG_CONFIG);
    await scheduler.advance(1000);
    storage.setOptions({});
    storage.crash(seededRandom(2));
    const again = await open();
    assert.equal(again.storageId, logs.storageId);
    const log = await scheduler.until(again.open(identity, DEFAULT_LOG_CONFIG));
    assert.equal(log.logEndOffset, 0);
  });
});
