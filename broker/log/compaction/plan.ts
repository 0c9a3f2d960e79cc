import type { Bytes, EpochMillis } from "../../../lib/units.ts";
import type { LogConfig, Offset } from "../types.ts";

/** What a plan looks at in a segment; `Segment` is one. */
export interface SegmentFacts {
  readonly baseOffset: Offset;
  readonly size: Bytes;
  /** Of the larger index. */
  readonly indexBytes: Bytes;
  /** Of its first batch, -1 when not known. */
  readonly firstTimestamp: EpochMillis;
  readonly maxTimestamp: EpochMillis;
}

/** What a plan looks at in a log. */
export interface LogFacts {
  /** Oldest first; the last is the active one. */
  readonly segments: readonly SegmentFacts[];
  readonly logStartOffset: Offset;
  readonly cleanedOffset: Offset;
  /** Nothing at or above it may be compacted: last stable offset, or end of what a checkpoint has. */
  readonly limit: Offset;
}

/** The part of a log that compaction would go through. */
export interface Cleanable {
  /** First offset that was not compacted before. */
  readonly firstDirtyOffset: Offset;
  /** A segment's base offset; above `firstDirtyOffset`. */
  readonly endOffset: Offset;
  /** Share of its bytes that are dirty. */
  readonly dirtyRatio: number;
  /** Something has waited for longer than `max.compaction.lag.ms`. */
  readonly overdue: boolean;
}

/** Positions and relative offsets in Kafka's indexes are 32-bit. */
const MAX_SEGMENT = 2 ** 31 - 1;

/** What could be compacted of a log now; undefined when nothing. (pure) */
export function cleanablePart(
  log: LogFacts,
  config: Pick<LogConfig, "minCompactionLagMs" | "maxCompactionLagMs">,
  now: EpochMillis,
): Cleanable | undefined {
  const { segments, logStartOffset, limit } = log;
  // Beyond the log's end it would be of another history.
  const beyond = log.cleanedOffset > (segments.at(-1)?.baseOffset ?? 0);
  const firstDirtyOffset = Math.max(beyond ? 0 : log.cleanedOffset, logStartOffset);
  let endOffset = firstDirtyOffset;
  let cleanBytes = 0;
  let dirtyBytes = 0;
  let oldest = Infinity;
  for (const [i, segment] of segments.entries()) {
    const end = segments[i + 1]?.baseOffset;
    if (end === undefined || end > limit) break;
    if (end <= firstDirtyOffset) {
      cleanBytes += segment.size;
      continue;
    }
    const young =
      config.minCompactionLagMs > 0 && segment.maxTimestamp > now - config.minCompactionLagMs;
    if (young) break;
    dirtyBytes += segment.size;
    endOffset = end;
    const { firstTimestamp, maxTimestamp } = segment;
    oldest = Math.min(oldest, firstTimestamp < 0 ? maxTimestamp : firstTimestamp);
  }
  if (endOffset === firstDirtyOffset || dirtyBytes === 0) return undefined;
  const dirtyRatio = dirtyBytes / (cleanBytes + dirtyBytes);
  const overdue = oldest < now - config.maxCompactionLagMs;
  return { firstDirtyOffset, endOffset, dirtyRatio, overdue };
}

/** Whether it is worth the work: `min.cleanable.dirty.ratio` or `max.compaction.lag.ms`. (pure) */
export function isDue(part: Cleanable, config: Pick<LogConfig, "minCleanableDirtyRatio">): boolean {
  return part.overdue || part.dirtyRatio > config.minCleanableDirtyRatio;
}

/**
 * Neighbouring segments that become one each: together no larger than a segment and its indexes may be. (pure)
 * @param segments those to be compacted, oldest first
 * @param endOffset where the last of them ends
 */
export function groupSegments<S extends SegmentFacts>(
  segments: readonly S[],
  endOffset: Offset,
  config: Pick<LogConfig, "segmentBytes" | "maxIndexBytes">,
): S[][] {
  const groups: S[][] = [];
  let bytes = 0;
  let indexBytes = 0;
  let base = 0;
  for (const [i, segment] of segments.entries()) {
    const end = segments[i + 1]?.baseOffset ?? endOffset;
    bytes += segment.size;
    indexBytes += segment.indexBytes;
    const fits =
      bytes <= Math.min(config.segmentBytes, MAX_SEGMENT) &&
      indexBytes <= config.maxIndexBytes &&
      end - 1 - base <= MAX_SEGMENT;
    const last = groups.at(-1);
    if (fits && last !== undefined) last.push(segment);
    else {
      groups.push([segment]);
      bytes = segment.size;
      indexBytes = segment.indexBytes;
      base = segment.baseOffset;
    }
  }
  return groups;
}
