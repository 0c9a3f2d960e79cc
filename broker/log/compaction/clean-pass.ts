import { assert } from "../../../lib/assert.ts";
import type { Bytes } from "../../../lib/units.ts";
import {
  type CompressionCodec,
  compressAside,
  decompressAside,
} from "../../protocol/compression.ts";
import {
  batchBody,
  type BatchHeader,
  MAX_DECOMPRESSED_BYTES,
  rewriteBatch,
} from "../../protocol/record-batch.ts";
import { MalformedError } from "../../protocol/reader.ts";
import { RecordCursor } from "../../protocol/record-cursor.ts";
import type { LogContext } from "../log-context.ts";
import type { JournaledLog } from "../partition-log.ts";
import { Segment, segmentName } from "../segment.ts";
import type { Offset } from "../types.ts";
import { BatchReader, DamagedSegmentError } from "./batch-reader.ts";
import {
  judgeHeader,
  judgeMarker,
  judgeRecords,
  type PassRules,
  RetainedTransactions,
  type Verdict,
} from "./clean-batch.ts";
import { OffsetMap } from "./offset-map.ts";
import { GivenUp, type Pacer } from "./pacer.ts";
import { type Cleanable, groupSegments } from "./plan.ts";
import { CLEANED_SUFFIX } from "./segment-swap.ts";
import { SegmentWriter } from "./segment-writer.ts";
import { AbortedTransactions } from "./transactions.ts";

/** Records between two looks at the clock. */
const SLICE_RECORDS = 128;
const COMMIT = 1;

/** What compaction has done. */
export interface CleanTotals {
  bytesRead: Bytes;
  bytesWritten: Bytes;
  recordsRemoved: number;
}

/** Sees one batch. @returns whether it wants to see more. */
type Visit = (bytes: Uint8Array, batch: BatchHeader) => Promise<boolean> | boolean;

export interface PassOptions {
  readonly log: JournaledLog;
  readonly part: Cleanable;
  readonly context: Pick<LogContext, "storage" | "scheduler">;
  readonly pacer: Pacer;
  /** Whether the log is still what the part was seen in. */
  readonly wanted: () => boolean;
  readonly dedupeBytes: Bytes;
  readonly bufferBytes: Bytes;
  /** A volume with less room than this, and what a new segment may take, is left alone. */
  readonly reserveBytes: Bytes;
  readonly totals: CleanTotals;
}

/**
 * Compacts one part of a log: a pass for each map of keys that fits into memory. Rejects with GivenUp,
 * DamagedSegmentError, StorageError; the log is then what it was or compacted in part, never in between.
 */
export async function compactPart(options: PassOptions): Promise<void> {
  const { log, part } = options;
  let from = part.firstDirtyOffset;
  while (from < part.endOffset) {
    from = await new CleanPass(options, from).run();
    log.compactedTo(from);
  }
}

class CleanPass {
  readonly #options: PassOptions;
  readonly #from: Offset;
  readonly #reader: BatchReader;
  readonly #map: OffsetMap;
  readonly #retained = new RetainedTransactions();
  #aborted: AbortedTransactions | undefined;
  #mapEnd: Offset;

  constructor(options: PassOptions, from: Offset) {
    const { part, pacer, dedupeBytes, bufferBytes } = options;
    this.#options = options;
    this.#from = from;
    this.#reader = new BatchReader(bufferBytes, pacer);
    this.#map = new OffsetMap(dedupeBytes, part.endOffset - from);
    this.#mapEnd = part.endOffset;
  }

  /** @returns up to where the log is compacted now. */
  async run(): Promise<Offset> {
    const { log, context } = this.#options;
    try {
      await this.#fillMap();
      const rules: PassRules = {
        map: this.#map,
        mapEnd: this.#mapEnd,
        aborted: this.#aborted ?? new AbortedTransactions(),
        now: context.scheduler.wallNow(),
        deleteRetentionMs: log.config.deleteRetentionMs,
        remembered: (batch) => log.producers.state.remembers(batch),
      };
      const sources = this.#segments(log.logStartOffset, this.#mapEnd);
      for (const group of groupSegments(sources, this.#options.part.endOffset, log.config)) {
        await this.#rewrite(group, rules);
      }
      return this.#mapEnd;
    } catch (error) {
      if (error instanceof MalformedError) throw new DamagedSegmentError(error.message);
      throw error;
    }
  }

  /** Those with offsets in [from, end), as they are now. */
  #segments(from: Offset, end: Offset): Segment[] {
    const { segments } = this.#options.log;
    return segments.all.filter((one) => one.baseOffset < end && segments.endOf(one) > from);
  }

  /** All batches of the dirty part, in order. */
  #eachDirty(reader: BatchReader, visit: Visit): Promise<void> {
    return this.#eachOf(this.#segments(this.#from, this.#options.part.endOffset), reader, visit);
  }

  async #eachOf(segments: readonly Segment[], reader: BatchReader, visit: Visit): Promise<void> {
    const { pacer } = this.#options;
    for (const segment of segments) {
      if (!this.#options.log.segments.all.includes(segment)) throw new GivenUp("segments are gone");
      segment.hold();
      try {
        const position = await pacer.io(segment.positionFor(this.#from));
        for await (const { bytes, batches } of reader.chunks(segment, position)) {
          this.#options.totals.bytesRead += bytes.length;
          for (const batch of batches()) {
            if (batch.lastOffset < this.#from) continue;
            const more = visit(bytes, batch);
            if (!(more instanceof Promise ? await more : more)) return;
            await this.#rest();
          }
        }
      } finally {
        segment.release();
      }
    }
  }

  /** Reads the dirty part's keys, until the map is full: the pass then goes so far only. */
  async #fillMap(): Promise<void> {
    await this.#eachDirty(this.#reader, async (bytes, batch) => {
      if (batch.control || batch.count === 0) return true;
      if (batch.transactional && (await this.#abortedTransactions()).has(batch)) return true;
      if (batch.baseOffset >= this.#mapEnd) return false;
      const body = await this.#open(bytes, batch);
      for (const cursor = new RecordCursor(body, batch.count); cursor.next();) {
        const offset = batch.baseOffset + cursor.offsetDelta;
        if (cursor.hasKey && offset >= this.#from && !this.#map.put(cursor.key, offset)) {
          this.#mapEnd = offset;
          return false;
        }
        if (cursor.seen % SLICE_RECORDS === 0) await this.#rest();
      }
      return true;
    });
    if (this.#mapEnd === this.#from) throw new GivenUp("a transaction's marker is not written yet");
  }

  /** Found by a reading of the whole dirty part when it comes to a first transaction. */
  async #abortedTransactions(): Promise<AbortedTransactions> {
    if (this.#aborted !== undefined) return this.#aborted;
    const { bufferBytes, pacer, part } = this.#options;
    const found = new AbortedTransactions();
    // The buffer of the reading that asks for it stays as it is.
    const reader = new BatchReader(bufferBytes, pacer);
    await this.#eachDirty(reader, (bytes, batch) => {
      if (batch.control) found.marker(batch, isCommit(bytes, batch));
      else if (batch.transactional) found.data(batch);
      return true;
    });
    // Markers may lie behind the part, in the active segment too. One that is not committed may yet be cut off.
    const { highWatermark } = this.#options.log;
    const behind =
      found.firstOpen === undefined ? [] : this.#segments(part.endOffset, Number.MAX_SAFE_INTEGER);
    await this.#eachOf(behind, reader, (bytes, batch) => {
      if (batch.lastOffset >= highWatermark) return false;
      if (batch.control) found.marker(batch, isCommit(bytes, batch));
      return found.firstOpen !== undefined;
    });
    // What one of them decides may be in memory only: the map ends before what is undecided.
    this.#mapEnd = Math.min(this.#mapEnd, found.firstOpen ?? Infinity);
    this.#aborted = found;
    return found;
  }

  async #rest(): Promise<void> {
    if (this.#options.pacer.due) await this.#options.pacer.pause();
  }

  async #open(bytes: Uint8Array, batch: BatchHeader): Promise<Uint8Array> {
    const body = batchBody(bytes, batch);
    if (batch.codec === 0) return body;
    return this.#options.pacer.io(decompressAside(batch.codec, body, MAX_DECOMPRESSED_BYTES));
  }

  /** Makes one segment of a group, and puts it in the group's place. */
  async #rewrite(group: readonly Segment[], rules: PassRules): Promise<void> {
    const { log, context, pacer, reserveBytes, wanted } = this.#options;
    const { storage } = context;
    const [first] = group;
    if (first === undefined) return;
    const bytes = group.reduce((sum, one) => sum + one.size, 0);
    const { freeBytes } = await pacer.io(storage.usage());
    if (freeBytes < bytes + reserveBytes) throw new GivenUp("the volume has too little room");
    const { directory } = log.files;
    const path = `${directory}/${segmentName(first.baseOffset)}.log${CLEANED_SUFFIX}`;
    const createdAt = group.at(-1)?.createdAt ?? first.createdAt;
    const by = new Segment(storage, directory, first.baseOffset, 0, createdAt, CLEANED_SUFFIX);
    if (!log.segments.has(group)) throw new GivenUp("segments are gone");
    for (const segment of group) segment.hold();
    let replaced = false;
    try {
      await pacer.io(storage.remove(path));
      const writer = new SegmentWriter(by, log.config.indexIntervalBytes, pacer);
      const { changed, endOffset } = await this.#copy(group, writer, rules);
      if (!changed && group.length === 1) return;
      by.seal(endOffset);
      await pacer.io(by.syncRecords());
      // Not through the pacer: what was decided on is done to its end, whoever wants it or not.
      replaced = await log.files.replace(group, by, endOffset, wanted);
      if (!replaced) throw new GivenUp("the log has changed");
    } finally {
      for (const segment of group) segment.release();
      if (!replaced) {
        await by.close();
        await storage.remove(path);
      }
    }
  }

  async #copy(
    group: readonly Segment[],
    writer: SegmentWriter,
    rules: PassRules,
  ): Promise<{ readonly changed: boolean; readonly endOffset: Offset }> {
    const { totals } = this.#options;
    let changed = false;
    let endOffset = -1;
    for (const segment of group) {
      const { written } = segment;
      for await (const chunk of this.#reader.chunks(segment)) {
        totals.bytesRead += chunk.bytes.length;
        for (const batch of chunk.batches()) {
          const end = chunk.position + batch.position + batch.size;
          const last = segment === group.at(-1) && end === written;
          if (await this.#copyBatch(chunk.bytes, batch, last, writer, rules)) changed = true;
          endOffset = batch.lastOffset + 1;
          await this.#rest();
        }
        const before = writer.segment.written;
        await writer.flush();
        totals.bytesWritten += writer.segment.written - before;
      }
    }
    assert(endOffset >= 0, "K4: a group has a last batch, which stays");
    return { changed, endOffset };
  }

  /** @returns whether it is another batch now, or gone. */
  async #copyBatch(
    bytes: Uint8Array,
    batch: BatchHeader,
    last: boolean,
    writer: SegmentWriter,
    rules: PassRules,
  ): Promise<boolean> {
    const { totals } = this.#options;
    const verdict = await this.#judge(bytes, batch, last, rules);
    switch (verdict.kind) {
      case "keep":
        writer.keep(bytes, batch);
        break;
      case "drop":
        totals.recordsRemoved += batch.count;
        return true;
      case "empty":
        totals.recordsRemoved += batch.count;
        writer.put(
          rewriteBatch(bytes, batch, {
            body: new Uint8Array(0),
            codec: 0,
            count: 0,
            baseTimestamp: batch.baseTimestamp,
            maxTimestamp: batch.maxTimestamp,
            deleteHorizon: false,
          }),
        );
        break;
      case "rewrite": {
        totals.recordsRemoved += batch.count - verdict.count;
        const codec = batch.codec as CompressionCodec;
        const body = await this.#options.pacer.io(compressAside(codec, verdict.body));
        writer.put(rewriteBatch(bytes, batch, { ...verdict, body, codec }));
      }
    }
    this.#retained.kept(batch);
    return verdict.kind !== "keep";
  }

  async #judge(
    bytes: Uint8Array,
    batch: BatchHeader,
    last: boolean,
    rules: PassRules,
  ): Promise<Verdict> {
    const known = judgeHeader(batch, rules, last);
    if (known !== undefined) return known;
    const body = await this.#open(bytes, batch);
    const judging = batch.control
      ? judgeMarker(batch, body, rules, last, this.#retained.ended(batch))
      : judgeRecords(batch, body, rules, last);
    for (;;) {
      const step = judging.next();
      if (step.done === true) return step.value;
      await this.#rest();
    }
  }
}

/** What a transaction's marker says; its key is a version and a type, int16 each. */
function isCommit(bytes: Uint8Array, batch: BatchHeader): boolean {
  const cursor = new RecordCursor(batchBody(bytes, batch), batch.count);
  return cursor.next() && cursor.key[2] === 0 && cursor.key[3] === COMMIT;
}
