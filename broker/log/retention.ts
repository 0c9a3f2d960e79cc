import type { Bytes, EpochMillis } from "../../lib/units.ts";
import type { LogConfig, Offset } from "./types.ts";

export interface SegmentFacts {
  readonly baseOffset: Offset;
  readonly bytes: Bytes;
  readonly maxTimestamp: EpochMillis;
}

/**
 * Up to which offset whole segments may go by retention.ms and retention.bytes: never the active segment, never
 * beyond the high watermark. (pure) @returns undefined when all stay.
 */
export function segmentsToDrop(
  segments: readonly SegmentFacts[],
  config: Pick<LogConfig, "retentionMs" | "retentionBytes" | "delete">,
  highWatermark: Offset,
  now: EpochMillis,
): Offset | undefined {
  if (!config.delete) return undefined;
  let bytes = segments.reduce((sum, one) => sum + one.bytes, 0);
  let upTo: Offset | undefined;
  for (let i = 0; i + 1 < segments.length; i++) {
    const segment = segments[i];
    const next = segments[i + 1];
    if (segment === undefined || next === undefined || next.baseOffset > highWatermark) break;
    const old = config.retentionMs >= 0 && now - segment.maxTimestamp > config.retentionMs;
    const much = config.retentionBytes >= 0 && bytes - segment.bytes >= config.retentionBytes;
    if (!old && !much) break;
    bytes -= segment.bytes;
    upTo = next.baseOffset;
  }
  return upTo;
}
