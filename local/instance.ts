import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { realScheduler, sleep } from "../lib/clock.ts";
import { MINUTE, SECOND, type Millis } from "../lib/units.ts";
import { ProcessRecords } from "./kubelet/process-records.ts";
import { identityOf, isRunning, sendSignal, type ProcessIdentity } from "./process-identity.ts";

/** The name of the BrokerCluster that `forebay local` makes. */
export const LOCAL_CLUSTER = "local";

/** What a running `forebay local` says of itself in its folder. */
export interface Instance extends ProcessIdentity {
  readonly state: "starting" | "ready" | "failed";
  /** What went wrong, for `failed`; what a person wants to know, for `ready`. */
  readonly text?: string;
}

const STOP_DEADLINE: Millis = 2 * MINUTE;
const ORPHAN_GRACE: Millis = 30 * SECOND;
const POLL: Millis = 20;

/** Somebody else has the folder. */
export class AlreadyRunningError extends Error {
  override readonly name = "AlreadyRunningError";
}

/** One folder of `forebay local`: who runs in it (edge). */
export class InstanceFile {
  readonly #file: string;

  constructor(directory: string) {
    this.#file = path.join(directory, "instance.json");
  }

  /** The one that runs now, if any. */
  running(): Instance | undefined {
    const found = this.read();
    return found !== undefined && isRunning(found) ? found : undefined;
  }

  /** What was written last, whether its process runs or not. */
  read(): Instance | undefined {
    try {
      const value = JSON.parse(readFileSync(this.#file, "utf8")) as Partial<Instance>;
      const { pid, started, state, text } = value;
      if (typeof pid !== "number" || typeof started !== "string") return undefined;
      if (state !== "starting" && state !== "ready" && state !== "failed") return undefined;
      return { pid, started, state, ...(typeof text === "string" ? { text } : {}) };
    } catch {
      // None, or not ours: whoever starts next writes it anew.
      return undefined;
    }
  }

  /**
   * Takes the folder for this process. @throws AlreadyRunningError; Error when the folder cannot be written
   */
  take(): void {
    const own = identityOf(process.pid);
    if (own === undefined) throw new Error("this process has no identity");
    const folder = path.dirname(this.#file);
    try {
      mkdirSync(folder, { recursive: true });
      const lock = `${this.#file}.lock`;
      this.#lock(lock, own);
      try {
        const other = this.running();
        if (other !== undefined) {
          throw new AlreadyRunningError(`${folder} is in use by process ${String(other.pid)}`);
        }
        this.write({ ...own, state: "starting" });
      } finally {
        rmSync(lock, { force: true });
      }
    } catch (error) {
      if (error instanceof AlreadyRunningError) throw error;
      const { code } = error as NodeJS.ErrnoException;
      throw new Error(`cannot write to ${folder}${code === undefined ? "" : ` (${code})`}`, {
        cause: error,
      });
    }
  }

  write(instance: Instance): void {
    writeFileSync(`${this.#file}.new`, JSON.stringify(instance));
    renameSync(`${this.#file}.new`, this.#file);
  }

  remove(): void {
    rmSync(this.#file, { force: true });
  }

  /** Two that start at once: one makes the lock; a lock whose maker has died is nobody's. */
  #lock(lock: string, own: ProcessIdentity): void {
    try {
      writeFileSync(lock, JSON.stringify(own), { flag: "wx" });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      let holder: ProcessIdentity | undefined;
      try {
        holder = JSON.parse(readFileSync(lock, "utf8")) as ProcessIdentity;
      } catch {
        holder = undefined;
      }
      if (holder !== undefined && isRunning(holder)) {
        throw new AlreadyRunningError(
          `${path.dirname(lock)} is in use by process ${String(holder.pid)}`,
        );
      }
      rmSync(lock, { force: true });
      writeFileSync(lock, JSON.stringify(own), { flag: "wx" });
    }
  }
}

/** The broker processes that are alive, by broker id. */
export function listBrokers(
  directory: string,
): Promise<readonly { readonly id: number; readonly pid: number }[]> {
  const brokers = new ProcessRecords(directory).running().flatMap(({ namespace, pod, pid }) => {
    const match = new RegExp(`^${LOCAL_CLUSTER}-(\\d+)$`).exec(pod);
    return match === null || namespace !== "default" ? [] : [{ id: Number(match[1]), pid }];
  });
  return Promise.resolve(brokers.sort((a, b) => a.id - b.id));
}

/** Stops what runs in a folder, in order, and waits for it. @returns whether anything ran */
export async function stopInstance(directory: string): Promise<boolean> {
  const running = new InstanceFile(directory).running();
  if (running !== undefined) {
    sendSignal(running, "SIGTERM");
    // One that is frozen would never see it.
    sendSignal(running, "SIGCONT");
    const deadline = realScheduler.now() + STOP_DEADLINE;
    while (isRunning(running)) {
      if (realScheduler.now() > deadline) {
        throw new Error(`process ${String(running.pid)} has not stopped in two minutes`);
      }
      await sleep(realScheduler, POLL);
    }
  }
  // Brokers whose parent was killed.
  const orphans = await new ProcessRecords(directory).endOrphans(realScheduler, ORPHAN_GRACE);
  return running !== undefined || orphans > 0;
}
