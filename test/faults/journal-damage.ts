import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { FILE_HEADER_BYTES, readEntry, readFileHeader } from "../../broker/log/journal-format.ts";
import type { Random } from "../../lib/random.ts";
import { flip } from "./volumes.ts";

/** Of the entries that a later one calls synced, one of so many of the last is damaged: older ones are not needed any more. */
const OF_THE_LAST = 300;

interface Found {
  readonly file: string;
  readonly at: number;
  readonly bytes: number;
  readonly position: number;
  readonly syncedBefore: number;
}

/**
 * Turns around a bit of an entry that is known to have been synced: the last ones could as well have been torn by a crash.
 * @returns what was done
 */
export function damageJournal(folder: string, random: Random): string {
  const entries = readdirSync(folder)
    .filter((name) => name.endsWith(".journal"))
    .flatMap((name) => entriesOf(path.join(folder, name)))
    .sort((a, b) => a.position - b.position);
  const synced = entries.reduce((most, entry) => Math.max(most, entry.syncedBefore), 0);
  const sure = entries.filter(({ position, bytes }) => position + bytes <= synced);
  const one = sure[sure.length - 1 - random.below(Math.min(sure.length, OF_THE_LAST))];
  if (one === undefined) return "no entry of the journal";
  flip(one.file, one.at + random.below(one.bytes), random);
  const behind = entries.length - entries.indexOf(one) - 1;
  return `a bit in the journal, in front of ${behind} more entries,`;
}

function entriesOf(file: string): Found[] {
  const bytes = readFileSync(file);
  const start = readFileHeader(bytes.subarray(0, FILE_HEADER_BYTES));
  if (start === undefined) return [];
  const found: Found[] = [];
  for (let at = FILE_HEADER_BYTES; ;) {
    const position = start + at - FILE_HEADER_BYTES;
    const entry = readEntry(bytes, at, position);
    if (entry === undefined) return found;
    const { syncedBefore, next } = entry;
    found.push({ file, at, bytes: next - at, position, syncedBefore });
    at = next;
  }
}
