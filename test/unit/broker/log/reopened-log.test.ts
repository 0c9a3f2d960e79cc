import assert from "node:assert/strict";
import { DEFAULT_LOG_CONFIG } from "../../../../broker/log/log-manager.ts";
import { StorageError } from "../../../../broker/log/storage.ts";
import { sleep } from "../../../../lib/clock.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { batchOf } from "../../../support/batches.ts";
import { LOG, LogVolume } from "../../../support/log-volume.ts";

describe("log: a partition that comes back while its log is being deleted", () => {
  it("begins anew and keeps what it gets from then on", async () => {
    const volume = new LogVolume({ storage: { delay: () => 1 } });
    const { scheduler } = volume;
    const logs = await volume.open();
    const former = await volume.openLog(logs);
    former.appendAsLeader(batchOf({ count: 3 }), 0, "client");
    // By then its segment is written, and its file has to be closed first.
    await scheduler.until(sleep(scheduler, 3000));
    const deleted = logs.delete(LOG.topicId, LOG.partition);
    const log = await volume.openLog(logs);
    await scheduler.until(deleted);
    assert.equal(log.logEndOffset, 0);
    log.appendAsLeader(batchOf({ count: 1 }), 0, "client");
    await scheduler.until(logs.close());
    const again = await volume.openLog(await volume.open());
    assert.equal(again.logEndOffset, 1);
  });

  it("is not missed when a crash comes before the journal says that it is new", async () => {
    const volume = new LogVolume({ options: { checkpointMs: 100 } });
    const { scheduler, storage } = volume;
    const logs = await volume.open();
    const former = await volume.openLog(logs);
    former.appendAsLeader(batchOf({ count: 3 }), 0, "client");
    await scheduler.advance(1000);
    // From here on there is no room for the journal, and no checkpoint.
    storage.setOptions({
      fault: (operation, path) => {
        const refused = path.startsWith("journal/") || path.startsWith("forebay-checkpoint");
        if (refused && operation !== "sync") throw new StorageError("ENOSPC", "full");
      },
    });
    await scheduler.until(logs.delete(LOG.topicId, LOG.partition));
    void logs.open(LOG, DEFAULT_LOG_CONFIG);
    await scheduler.advance(1000);
    storage.setOptions({});
    storage.crash(seededRandom(2));
    const again = await volume.open();
    assert.equal(again.storageId, logs.storageId);
    const log = await volume.openLog(again);
    assert.equal(log.logEndOffset, 0);
  });
});
