import { crc32c } from "../../lib/crc32c.ts";
import type { Offset } from "./types.ts";

/** What the segments are known to hold, and from where the journal has the rest. */
export interface Checkpoint {
  readonly journalPosition: number;
  /** By `topicId/partition`. */
  readonly logs: ReadonlyMap<
    string,
    {
      readonly recoveryPoint: Offset;
      readonly logStartOffset: Offset;
      readonly highWatermark: Offset;
    }
  >;
}

/** Text: a line of checksum, the journal position, then a line a log. (pure) */
export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const lines = [String(checkpoint.journalPosition)];
  for (const [key, log] of checkpoint.logs) {
    lines.push(`${key} ${log.recoveryPoint} ${log.logStartOffset} ${log.highWatermark}`);
  }
  const body = Buffer.from(lines.join("\n"));
  return Buffer.concat([Buffer.from(`forebay-checkpoint 1 ${crc32c(body)}\n`), body]);
}

/** Empty when there is none. Throws on a damaged one: it is written atomically, so the volume is at fault. */
export function decodeCheckpoint(content: Uint8Array | undefined): Checkpoint {
  if (content === undefined) return { journalPosition: 0, logs: new Map() };
  const text = Buffer.from(content);
  const end = text.indexOf("\n");
  const body = text.subarray(end + 1);
  const crc = /^forebay-checkpoint 1 (\d+)$/.exec(text.subarray(0, end).toString())?.[1];
  if (crc === undefined || Number(crc) !== crc32c(body)) throw new Error("damaged checkpoint file");
  const [position, ...lines] = body.toString().split("\n");
  const logs = new Map<
    string,
    { recoveryPoint: Offset; logStartOffset: Offset; highWatermark: Offset }
  >();
  for (const line of lines) {
    const [key, recoveryPoint, logStartOffset, highWatermark] = line.split(" ");
    if (key === undefined || highWatermark === undefined) continue;
    logs.set(key, {
      recoveryPoint: Number(recoveryPoint),
      logStartOffset: Number(logStartOffset),
      highWatermark: Number(highWatermark),
    });
  }
  return { journalPosition: Number(position), logs };
}
