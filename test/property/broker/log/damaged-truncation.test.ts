import assert from "node:assert/strict";
import fc from "fast-check";
import { DamagedError, type DamagedPlace } from "../../../../broker/log/damage.ts";
import { DEFAULT_LOG_CONFIG } from "../../../../broker/log/log-manager.ts";
import type { LogManager, PartitionLog } from "../../../../broker/log/types.ts";
import { batchAt, BATCH_HEADER_BYTES } from "../../../../broker/protocol/record-batch.ts";
import { present } from "../../../../lib/assert.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { MIB, SECOND } from "../../../../lib/units.ts";
import { batchOf } from "../../../support/batches.ts";
import { LOG, LogVolume, NO_CHECKPOINT } from "../../../support/log-volume.ts";
import { runs } from "../../../support/runs.ts";

const REPAIR_WITHIN = 30 * SECOND;
/** Of one damaged bit: more come of it than one place only where a file lacks its end. */
const MOST_REPAIRS = 40;

/** Under no checksum, and nothing else says what it was: docs/invariants.md L5. */
const LEADER_EPOCH = { from: 12, to: 16 };

interface Batch {
  readonly base: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}

const wish = fc.record({
  count: fc.integer({ min: 1, max: 3 }),
  valueBytes: fc.constantFrom(10, 100, 400, 3000),
});
const story = fc.record({
  before: fc.array(wish, { minLength: 1, maxLength: 12 }),
  segmentBytes: fc.constantFrom(600, 2000, 20_000),
  indexIntervalBytes: fc.constantFrom(100, 4096),
  /** An index may have it in place of a batch. */
  file: fc.constantFrom("log" as const, "log" as const, "index" as const, "timeindex" as const),
  /** Which batch has a bit turned over, and which. */
  damaged: fc.nat(),
  byte: fc.oneof(
    { weight: 6, arbitrary: fc.nat(BATCH_HEADER_BYTES - 1) },
    { weight: 1, arbitrary: fc.nat(4000) },
  ),
  bit: fc.nat(7),
  /** Which of the batches is the first to go. */
  cut: fc.nat(),
  after: fc.array(wish, { maxLength: 6 }),
  /** The damage comes while the broker is down. */
  down: fc.boolean(),
  end: fc.constantFrom("stop" as const, "crash" as const),
  seed: fc.integer(),
});

function batchesOf(
  wishes: readonly { readonly count: number; readonly valueBytes: number }[],
  from: number,
  leaderEpoch: number,
): Batch[] {
  let base = from;
  return wishes.map(({ count, valueBytes }) => {
    const bytes = batchOf({ baseOffset: base, count, valueBytes, leaderEpoch });
    const end = base + count;
    const batch = { base, end, bytes };
    base = end;
    return batch;
  });
}

/** A log whose damage is repaired from another replica, as soon as it tells of it. */
class Repaired {
  readonly volume = new LogVolume({ options: NO_CHECKPOINT });
  /** What another replica has. */
  copy: readonly Batch[] = [];
  repairs = 0;

  watch(log: PartitionLog): void {
    log.onDamage = ({ place }) => {
      this.#repair(log, place).catch((error: unknown) => {
        throw new Error("repair", { cause: error });
      });
    };
  }

  async #repair(log: PartitionLog, found: DamagedPlace): Promise<void> {
    this.repairs++;
    for (let place = found; ;) {
      const { offset: wanted, until = 0 } = place;
      const good = this.copy.find(({ base, end }) => base <= wanted && wanted < end);
      if (good === undefined || !(await log.repair(place, good.bytes))) return;
      if (good.end >= Math.min(until, log.logEndOffset)) return;
      place = { ...place, position: place.position + good.bytes.length, offset: good.end };
    }
  }

  /** All that the log has, with what is damaged of it repaired on the way. */
  async content(log: PartitionLog): Promise<string[]> {
    const found: string[] = [];
    for (let offset = log.logStartOffset; offset < log.logEndOffset;) {
      let bytes: Uint8Array;
      try {
        bytes = await this.volume.read(log, offset, MIB);
      } catch (error) {
        if (!(error instanceof DamagedError)) throw error;
        assert.ok(this.repairs < MOST_REPAIRS, `not repaired: ${error.message}`);
        await this.volume.scheduler.advance(100);
        continue;
      }
      assert.ok(bytes.length > 0, `nothing at ${offset}`);
      for (let at = 0; at < bytes.length;) {
        const { size, lastOffset } = batchAt(bytes, at);
        found.push(inShort(bytes.subarray(at, at + size)));
        at += size;
        offset = lastOffset + 1;
      }
    }
    return found;
  }
}

describe("log with a damaged bit", () => {
  it("holds after a truncation what is left and what came after it, and nothing else", async () => {
    await fc.assert(
      fc.asyncProperty(story, async (told) => {
        const repaired = new Repaired();
        const { volume } = repaired;
        const { scheduler, storage } = volume;
        const { segmentBytes, indexIntervalBytes } = told;
        const config = { ...DEFAULT_LOG_CONFIG, segmentBytes, indexIntervalBytes };
        const before = batchesOf(told.before, 0, 0);
        let manager = await volume.open({ checkpointMs: 10 });
        let log = await volume.openLog(manager, config);
        for (const { bytes } of before) log.appendAsFollower(bytes);
        await scheduler.advance(SECOND);
        await scheduler.until(manager.close());

        const reopen = async (): Promise<LogManager> => {
          manager = await volume.open();
          log = present(manager.get(LOG.topicId, 0), "it is there");
          log.config = config;
          repaired.watch(log);
          return manager;
        };
        if (!told.down) await reopen();
        const { storageId } = manager;
        const victim = present(before[told.damaged % before.length], "there is one");
        const isThere = damage(repaired, before, victim, told);
        fc.pre(isThere);
        if (told.down) await reopen();

        const cut = present(before[told.cut % before.length], "there is one").base;
        const left = before.filter(({ end }) => end <= cut);
        const after = batchesOf(told.after, cut, 1);
        repaired.copy = [...left, ...after];
        if (manager.storageId !== storageId || log.logEndOffset < cut) {
          // Found at the start: the volume counts as another, and has no more than what it had.
          assert.notEqual(manager.storageId, storageId);
          const rest = await repaired.content(log);
          assert.deepEqual(
            rest,
            before.slice(0, rest.length).map(({ bytes }) => inShort(bytes)),
          );
          return;
        }
        await scheduler.until(log.truncateTo(cut), REPAIR_WITHIN);
        assert.equal(log.held, false);
        for (const { bytes } of after) log.appendAsFollower(bytes);
        await scheduler.until(manager.flush());
        if (told.end === "stop") await scheduler.until(manager.close());
        else storage.crash(seededRandom(told.seed));

        await reopen();
        const expected = repaired.copy.map(({ bytes }) => inShort(bytes));
        const found = await repaired.content(log);
        if (manager.storageId === storageId) assert.deepEqual(found, expected);
        else assert.deepEqual(found, expected.slice(0, found.length));
      }),
      runs(1500),
    );
  });
});

/** All that differs between any two batches here; checksums are looked at by reads. */
function inShort(bytes: Uint8Array): string {
  const { baseOffset, lastOffset, partitionLeaderEpoch, magic, crc } = batchAt(bytes, 0);
  return `${baseOffset} to ${lastOffset} in epoch ${partitionLeaderEpoch}: ${magic}, ${crc}`;
}

/** Turns a bit over of a batch, or of an index of the segment that it is in. @returns whether there is one */
function damage(
  { volume: { storage } }: Repaired,
  batches: readonly Batch[],
  victim: Batch,
  {
    file,
    byte: chosen,
    bit,
  }: { readonly file: string; readonly byte: number; readonly bit: number },
): boolean {
  const within = chosen % victim.bytes.length;
  const byte = within >= LEADER_EPOCH.from && within < LEADER_EPOCH.to ? 0 : within;
  const files = storage.paths().filter((path) => path.endsWith(".log"));
  const bases = files.map((path) => Number(path.slice(path.indexOf("/") + 1, -".log".length)));
  const at = bases.findLastIndex((base) => base <= victim.base);
  const base = present(bases[at], "a segment holds it");
  if (file !== "log") {
    const path = present(files[at], "and has a file").replace(/log$/, file);
    const size = storage.content(path)?.current.length ?? 0;
    if (size > 0) storage.corrupt(path, chosen % size, 1 << bit);
    return size > 0;
  }
  const position = batches
    .filter((one) => one.base >= base && one.base < victim.base)
    .reduce((sum, { bytes }) => sum + bytes.length, 0);
  storage.corrupt(present(files[at], "and has a file"), position + byte, 1 << bit);
  return true;
}
