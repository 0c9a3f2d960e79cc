import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { sleep } from "../../lib/clock.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Millis } from "../../lib/units.ts";
import { isRunning, sendSignal } from "../process-identity.ts";
import type { ProcessIdentity } from "../process-identity.ts";

/** A process that was started for a pod; kept on disk so that whoever comes next knows of it. */
export interface ProcessRecord extends ProcessIdentity {
  readonly namespace: string;
  readonly pod: string;
  readonly uid: string;
}

/** The processes of the pods of one folder, one file each (edge). */
export class ProcessRecords {
  readonly #folder: string;

  constructor(directory: string) {
    this.#folder = path.join(directory, "run");
  }

  /** Written before anything else can happen to the process: a kill of ours must not leave it unknown. */
  write(record: ProcessRecord): void {
    mkdirSync(this.#folder, { recursive: true });
    const file = this.#file(record);
    writeFileSync(`${file}.new`, JSON.stringify(record));
    renameSync(`${file}.new`, file);
  }

  remove(record: { readonly namespace: string; readonly pod: string }): void {
    rmSync(this.#file(record), { force: true });
  }

  /** Those whose process still runs; the others are forgotten. */
  running(): readonly ProcessRecord[] {
    let files: string[];
    try {
      files = readdirSync(this.#folder).filter((file) => file.endsWith(".json"));
    } catch {
      return [];
    }
    return files.sort().flatMap((file) => {
      const record = parsed(path.join(this.#folder, file));
      return record !== undefined && isRunning(record) ? [record] : [];
    });
  }

  /** Ends what an earlier kubelet left behind: SIGTERM, after `grace` SIGKILL. @returns how many there were */
  async endOrphans(scheduler: Scheduler, grace: Millis): Promise<number> {
    const orphans = this.running();
    for (const orphan of orphans) {
      sendSignal(orphan, "SIGTERM");
      // One that is frozen would never see it.
      sendSignal(orphan, "SIGCONT");
    }
    const deadline = scheduler.now() + grace;
    while (orphans.some(isRunning)) {
      if (scheduler.now() >= deadline) for (const orphan of orphans) sendSignal(orphan, "SIGKILL");
      await sleep(scheduler, 20);
    }
    for (const orphan of orphans) this.remove(orphan);
    return orphans.length;
  }

  #file({ namespace, pod }: { readonly namespace: string; readonly pod: string }): string {
    return path.join(this.#folder, `${namespace}_${pod}.json`);
  }
}

function parsed(file: string): ProcessRecord | undefined {
  try {
    const value = JSON.parse(readFileSync(file, "utf8")) as Partial<ProcessRecord>;
    const { pid, started, namespace, pod, uid } = value;
    if (typeof pid !== "number" || typeof started !== "string") return undefined;
    if (typeof namespace !== "string" || typeof pod !== "string") return undefined;
    return { pid, started, namespace, pod, uid: typeof uid === "string" ? uid : "" };
  } catch {
    // Removed meanwhile; a torn file cannot be, since it is renamed into place.
    return undefined;
  }
}
