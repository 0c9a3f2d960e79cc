import { mkdir, open, readFile, readdir, rename, unlink } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import path from "node:path";
import type { KubeObject } from "../../kube/objects.ts";
import { crc32c } from "../../lib/crc32c.ts";
import type { ObjectStore, StoreChange } from "./object-store.ts";

/** A journal is replaced by a snapshot when it is larger than this. */
const SNAPSHOT_AFTER_BYTES = 16 * 1024 * 1024;

/** One line of a journal: `r` the resource, `v` the revision, `o` the object, `d` when it was removed. */
interface Entry {
  readonly r: string;
  readonly v: number;
  readonly o: KubeObject;
  readonly d?: true;
}

interface Snapshot {
  /** The first journal whose entries are not in the snapshot. */
  readonly journal: number;
  readonly revision: number;
  readonly objects: readonly { readonly resource: string; readonly object: KubeObject }[];
}

/**
 * Keeps an object store in a directory (edge): `snapshot.json`, and `journal-<n>` with one checksummed line for each write
 * since. Writes of many callers share one sync. A torn last line, of a write that was never answered, is cut on load.
 */
export class JournalStore {
  readonly #directory: string;
  readonly #store: ObjectStore;
  #file: FileHandle;
  #number: number;
  #bytes = 0;
  #pending: string[] = [];
  #flushing: Promise<void> | undefined;
  #unsubscribe: () => void = () => undefined;

  private constructor(directory: string, store: ObjectStore, file: FileHandle, number: number) {
    this.#directory = directory;
    this.#store = store;
    this.#file = file;
    this.#number = number;
  }

  /** Loads the directory into the empty `store` and follows it from then on. @throws Error when a file is damaged inside. */
  static async open(directory: string, store: ObjectStore): Promise<JournalStore> {
    await mkdir(directory, { recursive: true });
    const names = await readdir(directory);
    let first = 0;
    if (names.includes("snapshot.json")) {
      const text = await readFile(path.join(directory, "snapshot.json"), "utf8");
      const snapshot = JSON.parse(text) as Snapshot;
      for (const { resource, object } of snapshot.objects) {
        store.restore(resource, object, true, snapshot.revision);
      }
      first = snapshot.journal;
    }
    const numbers = names
      .map((name) => Number(/^journal-(\d+)$/.exec(name)?.[1] ?? -1))
      .filter((number) => number >= 0)
      .sort((a, b) => a - b);
    for (const number of numbers) {
      const file = path.join(directory, journalName(number));
      if (number < first) await unlink(file);
      else await replay(file, store, number === numbers.at(-1));
    }
    const number = Math.max(first, numbers.at(-1) ?? 0);
    const file = await open(path.join(directory, journalName(number)), "a");
    const journal = new JournalStore(directory, store, file, number);
    journal.#bytes = (await file.stat()).size;
    await syncDirectory(directory);
    journal.#unsubscribe = store.onChange((change) => {
      journal.#pending.push(line(change));
    });
    return journal;
  }

  /** Resolves when all writes made so far are on disk; rejects when the disk fails, and from then on always. */
  flush(): Promise<void> {
    if (this.#flushing !== undefined) {
      // What came after the running sync began needs another one, which all of these callers share.
      return this.#flushing.then(() =>
        this.#pending.length === 0 ? this.#flushing : this.flush(),
      );
    }
    if (this.#pending.length === 0) return Promise.resolve();
    this.#flushing = this.#flushPending().then(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    await this.flush();
    await this.#file.close();
  }

  async #flushPending(): Promise<void> {
    const text = this.#pending.join("");
    this.#pending = [];
    await this.#file.appendFile(text);
    await this.#file.datasync();
    this.#bytes += Buffer.byteLength(text);
    if (this.#bytes >= SNAPSHOT_AFTER_BYTES) await this.#snapshot();
  }

  /** The next journal is opened first, so that the snapshot and the journals after it are complete at any crash. */
  async #snapshot(): Promise<void> {
    const old = this.#file;
    const number = this.#number + 1;
    const file = await open(path.join(this.#directory, journalName(number)), "a");
    // From here no await until the state is taken: what is pending is in the state already, and may also be replayed.
    const snapshot: Snapshot = { journal: number, ...this.#store.dump() };
    this.#file = file;
    this.#number = number;
    this.#bytes = 0;
    const temporary = path.join(this.#directory, "snapshot.json.new");
    const target = await open(temporary, "w");
    await target.writeFile(JSON.stringify(snapshot));
    await target.sync();
    await target.close();
    await rename(temporary, path.join(this.#directory, "snapshot.json"));
    await syncDirectory(this.#directory);
    await old.close();
    await unlink(path.join(this.#directory, journalName(number - 1)));
  }
}

function journalName(number: number): string {
  return `journal-${String(number)}`;
}

function line(change: StoreChange): string {
  const entry: Entry = {
    r: change.resource,
    v: change.revision,
    o: change.object,
    ...(change.type === "DELETED" ? { d: true } : {}),
  };
  const json = JSON.stringify(entry);
  return `${checksum(json)} ${json}\n`;
}

function checksum(text: string): string {
  return (crc32c(Buffer.from(text)) >>> 0).toString(16).padStart(8, "0");
}

async function replay(file: string, store: ObjectStore, isLast: boolean): Promise<void> {
  const data = await readFile(file);
  let position = 0;
  while (position < data.length) {
    const end = data.indexOf(10, position);
    const text = end < 0 ? "" : data.toString("utf8", position, end);
    const json = text.slice(9);
    if (end < 0 || text.slice(0, 8) !== checksum(json)) break;
    const entry = JSON.parse(json) as Entry;
    store.restore(entry.r, entry.o, entry.d !== true, entry.v);
    position = end + 1;
  }
  if (position === data.length) return;
  // Only the end of the newest journal can be torn: a whole line after the damage means that the disk lost data.
  const rest = data.indexOf(10, position);
  if (!isLast || (rest >= 0 && rest < data.length - 1)) {
    throw new Error(`${file} is damaged at byte ${String(position)}`);
  }
  const handle = await open(file, "r+");
  await handle.truncate(position);
  await handle.sync();
  await handle.close();
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  await handle.sync();
  await handle.close();
}
