import { crc32c } from "../../../lib/crc32c.ts";
import { Segment, segmentName } from "../segment.ts";
import type { SegmentList } from "../segment-list.ts";
import { type Storage, StorageError } from "../storage.ts";
import type { Offset } from "../types.ts";

/** What a segment's file is called until it takes the place of others. */
export const CLEANED_SUFFIX = ".cleaned";
const SWAP_FILE = "cleaner-swap";

/** One segment takes the place of neighbours (docs/compaction.md, "The swap"). */
interface Swap {
  /** Base offset of the first of the old segments and of the new one. */
  readonly baseOffset: Offset;
  /** Behind the last batch of the last of the old segments and of the new one. */
  readonly endOffset: Offset;
  /** Base offsets of the old segments. */
  readonly old: readonly Offset[];
}

/**
 * Puts `by`, which lies in its file under another name and is synced, in the place of `old`, in memory and on disk. Runs in
 * the order of the log's files.
 * @param endOffset behind the last batch
 * @param still whether the log is what `by` was made of; looked at last when the swap is decided on
 * @returns false when it is not. Rejects with StorageError, when nothing has changed; what goes wrong after that is given
 * to `panic`, as recovery has to finish it.
 */
export async function swapSegments(options: {
  readonly storage: Storage;
  readonly directory: string;
  readonly segments: SegmentList;
  readonly old: readonly Segment[];
  readonly by: Segment;
  readonly endOffset: Offset;
  readonly still: () => boolean;
  readonly panic: (error: unknown) => never;
}): Promise<boolean> {
  const { storage, directory, segments, old, by, endOffset, still } = options;
  const possible = (): boolean => still() && segments.has(old);
  if (!possible()) return false;
  // From here on readers of the old ones need no names: those come to mean other files.
  for (const segment of old) await segment.openForGood();
  const path = `${directory}/${SWAP_FILE}`;
  const bases = old.map(({ baseOffset }) => baseOffset);
  let decided = false;
  try {
    await storage.writeFileAtomic(
      path,
      encodeSwap({ baseOffset: by.baseOffset, endOffset, old: bases }),
    );
    decided = possible();
  } finally {
    if (!decided) {
      await storage.remove(path);
      await storage.syncDirectory(directory);
    }
  }
  if (!decided) return false;
  try {
    segments.replace(old, by);
    await by.install();
    await storage.syncDirectory(directory);
    const [first, ...others] = old;
    await first?.retire();
    for (const segment of others) await segment.removeRecords();
    await storage.syncDirectory(directory);
    await storage.remove(path);
    await storage.syncDirectory(directory);
  } catch (error) {
    options.panic(error);
  }
  return true;
}

/**
 * Brings a log's folder to where a swap had got or would have, before anything of it is read, and removes what an
 * unfinished pass has left. Throws StorageError when what says so is damaged: it is written atomically.
 * @returns the names in the folder
 */
export async function recoverSwap(storage: Storage, directory: string): Promise<readonly string[]> {
  const names = await storage.list(directory);
  const path = `${directory}/${SWAP_FILE}`;
  const content = names.includes(SWAP_FILE) ? await storage.readFile(path) : undefined;
  if (content !== undefined) {
    const swap = decodeSwap(content);
    const name = `${segmentName(swap.baseOffset)}.log`;
    const base = `${directory}/${segmentName(swap.baseOffset)}`;
    let done = names.includes(`${name}${CLEANED_SUFFIX}`);
    if (done) await storage.rename(`${base}.log${CLEANED_SUFFIX}`, `${base}.log`);
    else if (names.includes(name)) {
      // If the rename got lost after it was done, none of the old ones was removed yet.
      done = (await endOfFile(storage, directory, swap.baseOffset)) === swap.endOffset;
    }
    if (done) {
      for (const extension of ["index", "timeindex"]) await storage.remove(`${base}.${extension}`);
      await storage.syncDirectory(directory);
      for (const offset of swap.old) {
        if (offset === swap.baseOffset) continue;
        for (const extension of ["log", "index", "timeindex", "txnindex"]) {
          await storage.remove(`${directory}/${segmentName(offset)}.${extension}`);
        }
      }
      await storage.syncDirectory(directory);
    }
    await storage.remove(path);
    await storage.syncDirectory(directory);
  }
  const unfinished = names.filter((name) => name.endsWith(CLEANED_SUFFIX));
  for (const name of unfinished) await storage.remove(`${directory}/${name}`);
  const same = content === undefined && unfinished.length === 0;
  return same ? names : storage.list(directory);
}

/** Behind the last whole batch of a segment's file; -1 when there is none. */
async function endOfFile(storage: Storage, directory: string, baseOffset: Offset): Promise<Offset> {
  const file = await storage.open(`${directory}/${segmentName(baseOffset)}.log`, "existing");
  const { size } = file;
  await file.close();
  const segment = new Segment(storage, directory, baseOffset, size, 0);
  let end = -1;
  await segment.scan(0, (batch) => {
    end = batch.lastOffset + 1;
    return undefined;
  });
  await segment.close();
  return end;
}

/** Text: a checksum, then base offset, end offset and the old segments' base offsets. (pure) */
export function encodeSwap({ baseOffset, endOffset, old }: Swap): Uint8Array {
  const body = Buffer.from([baseOffset, endOffset, ...old].join(" "));
  return Buffer.concat([Buffer.from(`forebay-swap 1 ${crc32c(body)}\n`), body]);
}

/** Throws StorageError. (pure) */
export function decodeSwap(content: Uint8Array): Swap {
  const text = Buffer.from(content);
  const end = text.indexOf("\n");
  const body = text.subarray(end + 1);
  const crc = /^forebay-swap 1 (\d+)$/.exec(text.subarray(0, end).toString())?.[1];
  const [baseOffset, endOffset, ...old] = body.toString().split(" ").map(Number);
  if (baseOffset === undefined || endOffset === undefined || crc !== String(crc32c(body))) {
    throw new StorageError("EIO", "damaged cleaner-swap file");
  }
  return { baseOffset, endOffset, old };
}
