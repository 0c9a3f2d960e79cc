import {
  type BatchHeader,
  iterateBatches,
  readRecords,
} from "../../../broker/protocol/record-batch.ts";
import type { PartitionLog } from "../../../broker/log/types.ts";
import type { PartitionModel } from "../model.ts";
import type { Report } from "./report.ts";

/** One record as it lies in one replica's log. */
export interface LogEntry {
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly value: string;
}

export interface LogContent {
  readonly entries: readonly LogEntry[];
  readonly batches: readonly BatchHeader[];
}

/** Everything in a log. */
export async function readLog(log: PartitionLog): Promise<LogContent> {
  const entries: LogEntry[] = [];
  const batches: BatchHeader[] = [];
  let offset = log.logStartOffset;
  while (offset < log.logEndOffset) {
    const read = await log.read(offset, 1 << 20, log.logEndOffset, true);
    let next = offset;
    for (const part of read.parts) {
      for (const batch of iterateBatches(part)) {
        if (batch.lastOffset < offset) continue;
        batches.push(batch);
        for (const record of readRecords(part, batch)) {
          if (record.offset < offset) continue;
          const value = Buffer.from(record.value ?? new Uint8Array(0)).toString();
          entries.push({ offset: record.offset, leaderEpoch: batch.partitionLeaderEpoch, value });
          next = record.offset + 1;
        }
      }
    }
    read.release();
    if (next === offset) break;
    offset = next;
  }
  return { entries, batches };
}

/**
 * L4 within one log: a producer's epoch never falls, and each begins with sequence 0 and goes on without a gap or a repeat.
 * Nothing expires while a simulation runs.
 */
export function checkProducers(
  where: string,
  batches: readonly BatchHeader[],
  report: Report,
): void {
  const last = new Map<number, BatchHeader>();
  for (const batch of batches) {
    const { producerId, producerEpoch, baseSequence, baseOffset } = batch;
    if (producerId < 0) continue;
    const before = last.get(producerId);
    last.set(producerId, batch);
    const same = before !== undefined && before.producerEpoch === producerEpoch;
    const expected = same ? before.baseSequence + before.lastOffsetDelta + 1 : 0;
    const falls = before !== undefined && producerEpoch < before.producerEpoch;
    if (!falls && baseSequence === expected) continue;
    const text = (one: BatchHeader): string =>
      `epoch ${String(one.producerEpoch)}, sequence ${String(one.baseSequence)}`;
    report(
      "L4",
      `${where}@${String(baseOffset)}: of producer ${String(producerId)} ${text(batch)} comes after ${before === undefined ? "nothing" : text(before)}`,
    );
  }
}

/** L3 within one log; R6 between two: from the last entry that both have with one epoch down, all is the same. */
export function checkReplicas(
  where: string,
  replicas: ReadonlyMap<number, readonly LogEntry[]>,
  report: Report,
): void {
  const all = [...replicas];
  for (const [id, entries] of all) {
    for (const [index, entry] of entries.entries()) {
      const before = entries[index - 1];
      if (before === undefined) continue;
      if (entry.offset !== before.offset + 1) {
        report("L3", `${where} on ${id}: ${before.offset} is followed by ${entry.offset}`);
      }
      if (entry.leaderEpoch < before.leaderEpoch) {
        report("L3", `${where} on ${id}@${entry.offset}: an older leader epoch follows`);
      }
    }
  }
  for (const [index, [first, a]] of all.entries()) {
    for (const [second, b] of all.slice(index + 1)) {
      const byOffset = new Map(b.map((entry) => [entry.offset, entry]));
      let agreeing = false;
      for (const mine of [...a].reverse()) {
        const its = byOffset.get(mine.offset);
        if (its === undefined) continue;
        if (!agreeing && its.leaderEpoch !== mine.leaderEpoch) continue;
        agreeing = true;
        if (its.leaderEpoch === mine.leaderEpoch && its.value === mine.value) continue;
        report(
          "R6",
          `${where}@${mine.offset}: ${first} has ${mine.value.slice(0, 40)}/${mine.leaderEpoch}, ` +
            `${second} has ${its.value.slice(0, 40)}/${its.leaderEpoch}`,
        );
        break;
      }
    }
  }
}

/** R5 and L4: what was acknowledged is there, where it was acknowledged, and nothing is there twice. */
export function checkAcknowledged(
  model: PartitionModel,
  entries: readonly LogEntry[],
  report: Report,
): void {
  const where = `${model.topic}-${model.partition}`;
  const byValue = new Map<string, number>();
  for (const { offset, value } of entries) {
    const first = byValue.get(value);
    if (first !== undefined) {
      report("L4", `${where}: ${value.slice(0, 40)} is at ${first} and at ${offset}`);
    }
    byValue.set(value, offset);
    if (!model.sent.has(value))
      report("R6", `${where}@${offset}: ${value.slice(0, 40)} never sent`);
    const seen = model.seen.get(offset);
    if (seen !== undefined && seen !== value) {
      report("R5", `${where}@${offset}: ${value.slice(0, 40)} where ${seen.slice(0, 40)} was read`);
    }
  }
  for (const { value, offset, at } of model.acked) {
    const found = byValue.get(value);
    if (found === undefined) {
      report("R5", `${where}: ${value.slice(0, 40)}, acked at ${at.toFixed(1)} ms, is lost`);
    } else if (offset >= 0 && found !== offset) {
      report("R5", `${where}: ${value.slice(0, 40)} was acked at ${offset} and is at ${found}`);
    }
  }
  const last = entries[entries.length - 1]?.offset ?? -1;
  for (const [offset, value] of model.seen) {
    if (offset > last)
      report("R5", `${where}@${offset}: ${value.slice(0, 40)} was read and is gone`);
  }
}
