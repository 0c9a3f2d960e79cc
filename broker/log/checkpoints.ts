import { crc32c } from "../../lib/crc32c.ts";
import type { Bytes } from "../../lib/units.ts";
import { DEFAULT_LOG_CONFIG } from "./log-options.ts";
import type { Offset } from "./types.ts";

/** What the segments are known to hold, and from where the journal has the rest. */
export interface Checkpoint {
  readonly journalPosition: number;
  /** It was the last one before an orderly stop. */
  readonly clean: boolean;
  /** By `topicId/partition`. */
  readonly logs: ReadonlyMap<string, SavedLog>;
}

/** One log as of a checkpoint. */
export interface SavedLog {
  /** All before it is in segments, on stable storage. */
  readonly recoveryPoint: Offset;
  readonly logStartOffset: Offset;
  readonly highWatermark: Offset;
  /** Behind the last batch before the recovery point: it is below that if the log was cut in a gap. */
  readonly filesEnd: Offset;
  /** Up to where the log was compacted. */
  readonly cleanedOffset: Offset;
  /** segment.bytes and index.interval.bytes: the topic's configuration is not known yet at recovery. */
  readonly segmentBytes: Bytes;
  readonly indexIntervalBytes: Bytes;
}

const CLEAN = "clean";

/** Text: a line of checksum, the journal position, `clean` if it is, then a line a log. (pure) */
export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const lines = [String(checkpoint.journalPosition)];
  if (checkpoint.clean) lines.push(CLEAN);
  for (const [key, log] of checkpoint.logs) {
    const { recoveryPoint, logStartOffset, highWatermark, filesEnd, cleanedOffset } = log;
    const offsets = [recoveryPoint, logStartOffset, highWatermark, filesEnd, cleanedOffset];
    lines.push([key, ...offsets, log.segmentBytes, log.indexIntervalBytes].join(" "));
  }
  const body = Buffer.from(lines.join("\n"));
  return Buffer.concat([Buffer.from(`forebay-checkpoint 1 ${crc32c(body)}\n`), body]);
}

/** Empty when there is none. Throws on a damaged one: it is written atomically, so the volume is at fault. */
export function decodeCheckpoint(content: Uint8Array | undefined): Checkpoint {
  if (content === undefined) return { journalPosition: 0, clean: true, logs: new Map() };
  const text = Buffer.from(content);
  const end = text.indexOf("\n");
  const body = text.subarray(end + 1);
  const crc = /^forebay-checkpoint 1 (\d+)$/.exec(text.subarray(0, end).toString())?.[1];
  if (crc === undefined || Number(crc) !== crc32c(body)) throw new Error("damaged checkpoint file");
  const [position, ...lines] = body.toString().split("\n");
  const logs = new Map<string, SavedLog>();
  for (const line of lines) {
    const [key, ...numbers] = line.split(" ");
    const [recoveryPoint, logStartOffset, highWatermark, ...later] = numbers.map(Number);
    if (key === undefined || recoveryPoint === undefined) continue;
    if (logStartOffset === undefined || highWatermark === undefined) continue;
    // These are missing in what was written before there was compaction, or before they were saved.
    const [filesEnd, cleanedOffset, segmentBytes, indexIntervalBytes] = later;
    logs.set(key, {
      recoveryPoint,
      logStartOffset,
      highWatermark,
      filesEnd: filesEnd ?? recoveryPoint,
      cleanedOffset: cleanedOffset ?? 0,
      segmentBytes: segmentBytes ?? DEFAULT_LOG_CONFIG.segmentBytes,
      indexIntervalBytes: indexIntervalBytes ?? DEFAULT_LOG_CONFIG.indexIntervalBytes,
    });
  }
  return { journalPosition: Number(position), clean: lines[0] === CLEAN, logs };
}
