import type { BatchHeader } from "../protocol/record-batch.ts";
import { DamagedError } from "./damage.ts";
import type { Segment } from "./segment.ts";
import type { Offset } from "./types.ts";
import { firstDamaged, isWhole } from "./whole-batches.ts";

/** A batch that lies somewhere, and the offset that it has or should have. */
interface Misplaced {
  readonly position: number;
  readonly offset: Offset;
}

/**
 * Where a segment is to be cut so that no batch at or after `offset` is left, and the offset behind the last one that is.
 * Headers that go on from each other, come out at the offset and are followed by one that goes on from there are what was
 * written; any others are believed only with their checksums: what lies between damage and the cut must not go with it
 * unnoticed, and nothing of behind the cut may stay because a length says so (docs/invariants.md L5).
 * @throws DamagedError
 */
export async function cutPlace(
  segment: Segment,
  offset: Offset,
): Promise<{ readonly position: number; readonly end: Offset }> {
  if (offset <= segment.baseOffset) return { position: 0, end: segment.baseOffset };
  const from = await segment.positionFor(offset - 1);
  const headers = new CutHeaders(segment, offset, from === 0);
  const scanned = await segment.scan(from, (batch) => headers.visit(batch));
  const { end, last, behind, misplaced } = headers;
  const position = misplaced?.position ?? behind?.position ?? scanned;
  const isProven =
    last === undefined || behind?.baseOffset === end || (await isWhole(segment, last.position));
  if (misplaced !== undefined || headers.gap || end !== offset || !isProven) {
    const damaged = (await firstDamaged(segment, from, position + 1)) ?? misplaced;
    if (damaged !== undefined) {
      const place = { segment: segment.baseOffset, ...damaged };
      throw new DamagedError(place, "where the log is to be cut");
    }
    if (end < offset) await segment.refuseMissing(from, segment.written);
  }
  return { position, end };
}

/** What the headers on both sides of a cut say of it, one after the other. (core) */
class CutHeaders {
  /** Behind the last batch that stays. */
  end: Offset;
  /** The last batch that stays, and the first one that does not. */
  last: BatchHeader | undefined;
  behind: BatchHeader | undefined;
  /** Offsets are missing between two that stay: rightly after compaction. */
  gap = false;
  /** A batch whose offsets cannot be what was written. */
  misplaced: Misplaced | undefined;
  readonly #segment: Segment;
  readonly #offset: Offset;
  /** Behind the last batch, and behind the one before it, as far as that is known. */
  #next: Offset | undefined;
  #expected: Offset | undefined;

  /** @param isFromStart the first batch is the segment's */
  constructor(segment: Segment, offset: Offset, isFromStart: boolean) {
    this.#segment = segment;
    this.#offset = offset;
    this.end = segment.baseOffset;
    if (isFromStart) this.#next = this.end;
  }

  /** @returns false when nothing more has to be seen */
  visit(batch: BatchHeader): boolean {
    if (this.behind !== undefined) {
      // No offset is there twice: the one that seems to lie behind the cut lies before it.
      if (this.end < this.#offset && batch.baseOffset <= this.behind.lastOffset)
        this.misplaced = { position: this.behind.position, offset: this.end };
      return false;
    }
    if (this.#isThere) {
      // Whatever it says of itself.
      this.behind = batch;
      return false;
    }
    this.misplaced = this.#misplacedBy(batch);
    if (this.misplaced !== undefined) return false;
    if (batch.lastOffset >= this.#offset) this.behind = batch;
    else this.#stays(batch);
    return true;
  }

  /** The last batch goes on from the one before it. */
  get #goesOn(): boolean {
    return this.last?.baseOffset === this.#expected;
  }

  /** Headers that go on from each other have come out at the cut. */
  get #isThere(): boolean {
    return this.last !== undefined && this.end === this.#offset && this.#goesOn;
  }

  /** Which of the last batch and this one, if the two cannot lie beside each other, or this one not in its segment. */
  #misplacedBy(batch: BatchHeader): Misplaced | undefined {
    const next = this.#next;
    if (next !== undefined && batch.baseOffset < next) {
      return this.last === undefined || this.#goesOn
        ? { position: batch.position, offset: next }
        : { position: this.last.position, offset: this.#expected ?? next };
    }
    if (this.end < this.#offset && batch.lastOffset >= this.#segment.endOffset)
      return { position: batch.position, offset: next ?? batch.baseOffset };
    return undefined;
  }

  #stays(batch: BatchHeader): void {
    this.gap ||= this.#next !== undefined && batch.baseOffset !== this.#next;
    this.#expected = this.#next ?? batch.baseOffset;
    this.#next = batch.lastOffset + 1;
    this.end = this.#next;
    this.last = batch;
  }
}
