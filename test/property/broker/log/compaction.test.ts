import assert from "node:assert/strict";
import fc from "fast-check";
import { DEFAULT_LOG_CONFIG } from "../../../../broker/log/log-manager.ts";
import type { LogConfig, PartitionLog } from "../../../../broker/log/types.ts";
import { ProtocolError } from "../../../../broker/errors.ts";
import {
  batchAt,
  type BatchHeader,
  buildBatch,
  iterateBatches,
  type LogRecord,
  readRecords,
} from "../../../../broker/protocol/record-batch.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { type LogVolume, unsteadyVolume } from "../../../support/log-volume.ts";
import { runs } from "../../../support/runs.ts";

const DIRECTORY = "t-0";
const DELETE_RETENTION_MS = 400;

type Step =
  | {
      readonly kind: "append";
      /** A key each; negative for a tombstone of the key below. */
      readonly keys: readonly number[];
      readonly valueBytes: number;
      readonly compression: 0 | 1 | 4;
      readonly producer: number;
      readonly gap: number;
    }
  | { readonly kind: "marker"; readonly producer: number; readonly commit: boolean }
  | { readonly kind: "commit" }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "truncate"; readonly back: number }
  | { readonly kind: "deleteRecords"; readonly share: number }
  /** segment.bytes changes: small segments may be merged. */
  | { readonly kind: "resize"; readonly segmentBytes: number }
  | { readonly kind: "crash" }
  | { readonly kind: "restart" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 14,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      keys: fc.array(fc.integer({ min: -6, max: 6 }), { minLength: 1, maxLength: 5, size: "max" }),
      valueBytes: fc.constantFrom(1, 40, 400),
      compression: fc.constantFrom(0 as const, 0 as const, 1 as const, 4 as const),
      producer: fc.constantFrom(-1, -1, 1, 2, 11, 12),
      gap: fc.constantFrom(0, 0, 0, 0, 3),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("marker" as const),
      producer: fc.constantFrom(11, 12),
      commit: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("commit" as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      ms: fc.constantFrom(1, 3, 10, 30, 60, 200),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("truncate" as const), back: fc.nat(3) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("deleteRecords" as const),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("resize" as const),
      segmentBytes: fc.constantFrom(500, 900, 4000),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("crash" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
);

interface ModelRecord {
  readonly offset: number;
  readonly key: string;
  readonly value: string | null;
  readonly timestamp: number;
}

interface ModelBatch {
  readonly base: number;
  readonly end: number;
  readonly producer: number;
  readonly marker: "none" | "commit" | "abort";
  readonly transactional: boolean;
  readonly sequence: number;
  readonly bytes: Buffer;
  readonly records: readonly ModelRecord[];
}

/** Everything that was ever appended and not cut again, as if there were no compaction. */
class Model {
  batches: ModelBatch[] = [];
  start = 0;
  /** The largest high watermark there ever was. */
  committed = 0;

  sequenceOf(producer: number): number {
    const last = this.batches
      .filter((one) => one.producer === producer && one.sequence >= 0)
      .at(-1);
    return last === undefined ? 0 : last.sequence + last.records.length;
  }

  /** First offset of the transaction that a producer has open, or undefined. */
  openTransaction(producer: number): number | undefined {
    let open: number | undefined;
    for (const one of this.batches) {
      if (one.producer !== producer) continue;
      if (one.marker !== "none") open = undefined;
      else if (one.transactional) open ??= one.base;
    }
    return open;
  }

  /** The marker behind a transactional batch. */
  markerOf(batch: ModelBatch): ModelBatch | undefined {
    return this.batches.find(
      (one) => one.marker !== "none" && one.producer === batch.producer && one.base > batch.base,
    );
  }

  /** The newest committed record of each key, among those that may be compacted. */
  newest(): Map<string, ModelRecord> {
    const open = [11, 12].map((producer) => this.openTransaction(producer) ?? Infinity);
    const end = Math.min(this.committed, ...open);
    const newest = new Map<string, ModelRecord>();
    for (const batch of this.batches) {
      if (batch.marker !== "none") continue;
      if (batch.transactional && this.markerOf(batch)?.marker === "abort") continue;
      for (const record of batch.records) {
        if (record.offset < end) newest.set(record.key, record);
      }
    }
    return newest;
  }
}

interface Found {
  readonly header: BatchHeader;
  readonly bytes: Buffer;
  readonly records: readonly LogRecord[];
}

async function contentOf(volume: LogVolume, log: PartitionLog): Promise<Found[]> {
  return (await volume.batches(log, 700)).map(({ header, bytes }) => ({
    header,
    bytes,
    records: readRecords(bytes, batchAt(bytes, 0)),
  }));
}

/** No segment begins before the one before it ends, and nothing of a swap is left. */
async function checkFiles(volume: LogVolume): Promise<void> {
  const content = await logFiles(volume);
  let next = 0;
  for (const path of volume.storage.paths().filter((one) => one.startsWith(`${DIRECTORY}/`))) {
    assert(!path.endsWith(".cleaned") && !path.endsWith("swap"), `K5: ${path} is left`);
    if (!path.endsWith(".log")) continue;
    const base = Number(path.slice(DIRECTORY.length + 1, -4));
    assert(base >= next, `K5: ${path} begins before the segment before it ends, ${next}`);
    for (const batch of iterateBatches(content.get(path) ?? Buffer.alloc(0))) {
      assert(batch.baseOffset >= Math.max(base, next), `K5: ${path} at ${batch.baseOffset}`);
      next = batch.lastOffset + 1;
    }
  }
}

async function logFiles({ storage, scheduler }: LogVolume): Promise<Map<string, Buffer>> {
  const content = new Map<string, Buffer>();
  for (const path of storage.paths()) {
    if (!path.startsWith(`${DIRECTORY}/`) || !path.endsWith(".log")) continue;
    const bytes = await scheduler.until(storage.mount().readFile(path));
    content.set(path, Buffer.from(bytes ?? new Uint8Array(0)));
  }
  return content;
}

/** K1 to K4 on what a log holds. @returns whether anything is gone. */
function checkContent(model: Model, found: readonly Found[], now: number): boolean {
  const byOffset = new Map<number, LogRecord>();
  const batches = new Map(model.batches.map((one) => [one.base, one]));
  for (const { header, bytes, records } of found) {
    const original = batches.get(header.baseOffset);
    assert(original, `K2: a batch at ${header.baseOffset}`);
    const first = batchAt(original.bytes, 0);
    assert.equal(header.lastOffset + 1, original.end, "K2: last offset");
    assert.equal(header.producerId, first.producerId);
    assert.equal(header.producerEpoch, first.producerEpoch);
    assert.equal(header.baseSequence, first.baseSequence);
    assert.equal(header.partitionLeaderEpoch, first.partitionLeaderEpoch);
    assert.equal(header.transactional, first.transactional);
    if (header.baseOffset >= model.committed) assert(bytes.equals(original.bytes), "K3");
    for (const record of records) {
      byOffset.set(record.offset, record);
      if (original.marker !== "none") continue;
      const was: ModelRecord | undefined = original.records.find(
        (one) => one.offset === record.offset,
      );
      assert(was, `K2: a record at ${record.offset}`);
      assert.equal(record.timestamp, was.timestamp, "K2: timestamp");
      assert.equal(Buffer.from(record.key ?? []).toString(), was.key);
      const value = record.value === null ? null : Buffer.from(record.value).toString();
      assert.equal(value, was.value);
    }
    if (header.transactional && !header.control) {
      const marker = model.markerOf(original);
      assert(
        marker === undefined || found.some((one) => one.header.baseOffset === marker.base),
        `the marker at ${marker?.base} is gone before its transaction's batch at ${original.base}`,
      );
    }
  }
  for (const batch of model.batches) {
    if (batch.base < Math.max(model.committed, model.start)) continue;
    assert(
      found.some(({ header }) => header.baseOffset === batch.base),
      `K3: the batch at ${batch.base} is gone`,
    );
  }
  for (const [key, newest] of model.newest()) {
    if (newest.offset < model.start) continue;
    if (byOffset.has(newest.offset)) continue;
    assert(newest.value === null, `K1: ${key} at ${newest.offset} is gone`);
    assert(now - newest.timestamp >= DELETE_RETENTION_MS, `a tombstone went too early: ${key}`);
    for (const batch of model.batches) {
      for (const older of batch.records) {
        if (older.key !== key || older.offset >= newest.offset || older.offset < model.start)
          continue;
        assert(!byOffset.has(older.offset), `K1: ${key} is back at ${older.offset}`);
      }
    }
  }
  return model.batches.some((one) => one.records.some(({ offset }) => !byOffset.has(offset)));
}

/** Reading from any offset begins with the batch that holds it or the next one; the same by time. */
async function checkLookUps(
  volume: LogVolume,
  log: PartitionLog,
  found: readonly Found[],
): Promise<void> {
  for (let offset = log.logStartOffset; offset < log.logEndOffset; offset++) {
    const bytes = await volume.read(log, offset, 1);
    const first = found.find(({ header }) => header.lastOffset >= offset);
    assert.equal(
      bytes.length === 0 ? undefined : batchAt(bytes, 0).baseOffset,
      first?.header.baseOffset,
      `read at ${offset}`,
    );
    // Some clients do not get beyond an answer of batches without records.
    const more = found.some((one) => one.header.lastOffset >= offset && one.records.length > 0);
    assert.equal(
      [...iterateBatches(bytes)].some((one) => one.count > 0),
      more,
      "K8",
    );
  }
  const records = found.flatMap((one) => one.records);
  for (const timestamp of new Set(records.map((one) => one.timestamp))) {
    const at = await volume.scheduler.until(log.offsetForTimestamp(timestamp));
    const first = records.find(
      (one) => one.timestamp >= timestamp && one.offset >= log.logStartOffset,
    );
    assert.equal(at?.offset, first?.offset, `offset for ${timestamp}`);
  }
}

function keyOf(number: number): string {
  return `key-${Math.abs(number)}`;
}

let compacted = 0;

async function run(steps: readonly Step[], seed: number): Promise<void> {
  const random = seededRandom(seed);
  const volume = unsteadyVolume(random, {
    checkpointMs: 20,
    cleanerBackoffMs: 10,
    cleanerDedupeBytes: [24 * 3, 24 * 8, 1 << 16][random.below(3)] ?? 0,
    cleanerBufferBytes: 300,
  });
  const { scheduler, storage } = volume;
  let config: LogConfig = {
    ...DEFAULT_LOG_CONFIG,
    segmentBytes: 900,
    indexIntervalBytes: 150,
    compact: true,
    delete: false,
    minCleanableDirtyRatio: 0.1,
    deleteRetentionMs: DELETE_RETENTION_MS,
  };
  const model = new Model();
  let epoch = 0;
  let value = 0;
  let manager = await volume.open();
  const opened = (): Promise<PartitionLog> => volume.openLog(manager, config);
  let log = await opened();

  const check = async (stable: number): Promise<void> => {
    assert(log.logEndOffset >= stable, `L1: ${log.logEndOffset} of ${stable}`);
    model.batches = model.batches.filter((one) => one.end <= log.logEndOffset);
    const found = await contentOf(volume, log);
    if (checkContent(model, found, scheduler.wallNow())) compacted++;
    // L4: the newest batch of each producer is known as a repeat.
    for (const producer of [1, 2, 11, 12]) {
      const last = model.batches.filter((one) => one.producer === producer).at(-1);
      if (last === undefined || last.marker !== "none" || last.base < model.start) continue;
      const repeat = log.appendAsLeader(last.bytes, epoch, "client");
      assert(repeat.duplicate && repeat.baseOffset === last.base, `L4: ${producer}`);
    }
  };

  const append = (
    records: readonly { key: Buffer; value: Buffer | null }[],
    options: {
      producer: number;
      marker: ModelBatch["marker"];
      transactional: boolean;
      compression: 0 | 1 | 4;
      gap: number;
    },
  ): void => {
    const { producer, marker, transactional, compression, gap } = options;
    const base = log.logEndOffset + gap;
    const timestamp = scheduler.wallNow();
    const sequence = producer < 0 || marker !== "none" ? -1 : model.sequenceOf(producer);
    const bytes = buildBatch({
      baseOffset: base,
      leaderEpoch: epoch,
      compression,
      transactional,
      control: marker !== "none",
      ...(producer < 0 ? {} : { producerId: producer, producerEpoch: 0, baseSequence: sequence }),
      records: records.map((one, i) => ({ ...one, timestamp: timestamp + (i % 3) })),
    });
    try {
      if (gap > 0) log.appendAsFollower(bytes);
      else log.appendAsLeader(bytes, epoch, marker === "none" ? "client" : "coordinator");
    } catch (error) {
      // Behind a truncation the sequences are being read back.
      assert(error instanceof ProtocolError, String(error));
      return;
    }
    model.batches.push({
      base,
      end: base + records.length,
      producer,
      marker,
      transactional,
      sequence,
      bytes: Buffer.from(bytes),
      records:
        marker !== "none"
          ? []
          : records.map((one, i) => ({
              offset: base + i,
              key: one.key.toString(),
              value: one.value?.toString() ?? null,
              timestamp: timestamp + (i % 3),
            })),
    });
    const stored = model.batches.at(-1)?.bytes;
    stored?.writeBigInt64BE(BigInt(base), 0);
    stored?.writeInt32BE(epoch, 12);
  };

  for (const one of steps) {
    switch (one.kind) {
      case "append":
        append(
          one.keys.map((key) => ({
            key: Buffer.from(keyOf(key)),
            value: key < 0 ? null : Buffer.from(`${value++}`.padEnd(one.valueBytes, ".")),
          })),
          { ...one, marker: "none", transactional: one.producer > 10 },
        );
        break;
      case "marker":
        if (model.openTransaction(one.producer) === undefined) break;
        append([{ key: Buffer.from([0, 0, 0, one.commit ? 1 : 0]), value: Buffer.alloc(6) }], {
          producer: one.producer,
          marker: one.commit ? "commit" : "abort",
          transactional: true,
          compression: 0,
          gap: 0,
        });
        break;
      case "commit":
        await scheduler.until(manager.flush());
        log.highWatermark = log.stableOffset;
        model.committed = Math.max(model.committed, log.highWatermark);
        break;
      case "pass":
        await scheduler.advance(one.ms);
        break;
      case "truncate": {
        const keep = Math.max(0, model.batches.length - one.back);
        const end = Math.max(model.batches[keep - 1]?.end ?? 0, model.committed, model.start);
        if (end > log.logEndOffset) break;
        await scheduler.until(log.truncateTo(end));
        model.batches = model.batches.filter((batch) => batch.end <= end);
        epoch++;
        await scheduler.advance(20);
        break;
      }
      case "deleteRecords":
        model.start = Math.max(model.start, Math.floor(model.committed * one.share));
        log.raiseLogStart(model.start);
        break;
      case "resize":
        config = { ...config, segmentBytes: one.segmentBytes };
        log.config = config;
        break;
      case "crash": {
        const stable = log.stableOffset;
        storage.crash(random);
        manager = await volume.open();
        log = await opened();
        storage.setInstant(true);
        await checkFiles(volume);
        storage.setInstant(false);
        await check(stable);
        break;
      }
      case "restart": {
        const end = log.logEndOffset;
        await scheduler.until(manager.close());
        manager = await volume.open();
        log = await opened();
        await check(end);
        break;
      }
    }
  }
  await check(log.logEndOffset);
  // At rest: nothing is due any more.
  await scheduler.until(manager.flush());
  log.highWatermark = log.stableOffset;
  model.committed = Math.max(model.committed, log.highWatermark);
  await scheduler.advance(500);
  assert.equal(manager.compaction.uncleanable, 0);
  await check(log.logEndOffset);
  await scheduler.until(manager.close());
  await checkFiles(volume);
  // From the files alone, which stay as they are.
  manager = await volume.open({ cleanerEnabled: false });
  log = await opened();
  await check(log.logEndOffset);
  await checkLookUps(volume, log, await contentOf(volume, log));
}

describe("compaction", () => {
  it("keeps through every crash the newest value of each key, its offset and all that is not clean (K1 to K5)", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80, size: "max" }), fc.integer(), run),
      runs(60),
    );
    assert(compacted > 0, "something was compacted");
  });
});
