import {
  ENTRY_HEADER_BYTES,
  type Entry,
  FILE_HEADER_BYTES,
  positionOf,
  readEntry,
  readFileHeader,
  syncedBeyond,
} from "./journal-format.ts";
import type { Storage } from "./storage.ts";

export const JOURNAL_DIRECTORY = "journal";

export interface JournalFile {
  readonly name: string;
  /** Journal positions of its first entry and behind its last. */
  readonly start: number;
  end: number;
}

/** A journal as it was found, up to where it is whole. */
export interface ReplayedJournal {
  /** Behind the last whole entry. */
  readonly position: number;
  readonly files: readonly JournalFile[];
  /** Files without entries, to be written on. */
  readonly spares: readonly string[];
  /** Damaged files and those that were not replayed because of them. */
  readonly forfeited: readonly string[];
  /** More than any number that a file has for a name. */
  readonly names: number;
  /** Entries that had been synced are damaged or missing: what was replayed is not all that was stable. */
  readonly damaged: boolean;
}

/**
 * Hands every whole entry from `from` on to `replay`, in order. A torn tail is left out; what was synced and is not whole
 * makes the journal a damaged one.
 * @param clean nothing behind `from` counts
 */
export async function replayJournal(
  storage: Storage,
  from: number,
  replay: (entry: Entry) => Promise<void> | void,
  clean: boolean,
): Promise<ReplayedJournal> {
  await storage.makeDirectory(JOURNAL_DIRECTORY);
  // What a killed process had made is found, and written on, before its names are on stable storage.
  await storage.syncDirectory(JOURNAL_DIRECTORY);
  const found: JournalFile[] = [];
  const stale: string[] = [];
  let highest = -1;
  for (const name of await storage.list(JOURNAL_DIRECTORY)) {
    const number = /^(\d+)\.journal$/.exec(name)?.[1];
    if (number === undefined) continue;
    highest = Math.max(highest, Number(number));
    const file = await storage.open(`${JOURNAL_DIRECTORY}/${name}`, "existing");
    const head = new Uint8Array(FILE_HEADER_BYTES);
    const filled = await file.read(0, head);
    const start = readFileHeader(head.subarray(0, filled));
    await file.close();
    if (start === undefined) stale.push(name);
    else found.push({ name, start, end: start });
  }
  found.sort((a, b) => a.start - b.start);
  let position = from;
  let damaged = false;
  for (const [index, file] of found.entries()) {
    const next = found[index + 1];
    // Wholly before the checkpoint.
    if (next !== undefined && next.start <= position) continue;
    if (file.start > position) {
      // A file is begun when all before it is synced.
      damaged = true;
      break;
    }
    const replayed = await replayFile(storage, file, position, replay);
    position = replayed.position;
    file.end = position;
    damaged ||= next === undefined && !clean && syncedBeyond(...replayed.rest);
  }
  // All before the last file was synced when that was begun. Of its own end a process that was killed may have left what
  // only memory has; it counts as stable from here on.
  const last = found.at(-1);
  if (last !== undefined && !clean) await syncFile(storage, last.name);
  for (const name of stale) damaged ||= await saysSynced(storage, name, position);
  damaged &&= !clean;
  const names = highest + 1;
  if (damaged) {
    const forfeited = [...found.map(({ name }) => name), ...stale];
    return { position, files: [], spares: [], forfeited, names, damaged };
  }
  return { position, files: found, spares: stale, forfeited: [], names, damaged };
}

/**
 * Replays one file's entries from `position`.
 * @returns the position behind the last whole one, and where in which bytes that is
 */
async function replayFile(
  storage: Storage,
  file: JournalFile,
  position: number,
  replay: (entry: Entry) => Promise<void> | void,
): Promise<{
  readonly position: number;
  readonly rest: readonly [bytes: Uint8Array, at: number, position: number];
}> {
  const skip = FILE_HEADER_BYTES + (position - file.start);
  const bytes = await contentOf(storage, file.name, skip);
  let at = 0;
  for (;;) {
    const entry = readEntry(bytes, at, position + at);
    if (entry === undefined) break;
    await replay(entry);
    at = entry.next;
  }
  return { position: position + at, rest: [bytes, at, position + at] };
}

/** Whether a file whose header cannot be read holds an entry that was made when more than `position` was synced. */
async function saysSynced(storage: Storage, name: string, position: number): Promise<boolean> {
  const bytes = await contentOf(storage, name, FILE_HEADER_BYTES);
  if (bytes.length < ENTRY_HEADER_BYTES) return false;
  const start = positionOf(bytes);
  for (let at = 0; ;) {
    const entry = readEntry(bytes, at, start + at);
    if (entry === undefined) return false;
    if (entry.syncedBefore > position) return true;
    at = entry.next;
  }
}

async function syncFile(storage: Storage, name: string): Promise<void> {
  const file = await storage.open(`${JOURNAL_DIRECTORY}/${name}`, "existing");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function contentOf(storage: Storage, name: string, skip: number): Promise<Uint8Array> {
  const open = await storage.open(`${JOURNAL_DIRECTORY}/${name}`, "existing");
  try {
    const content = new Uint8Array(Math.max(0, open.size - skip));
    const filled = await open.read(skip, content);
    return content.subarray(0, filled);
  } finally {
    await open.close();
  }
}
