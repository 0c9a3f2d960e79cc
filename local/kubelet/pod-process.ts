import { spawn } from "node:child_process";
import { constants } from "node:os";
import { identityOf, sendSignal, type ProcessIdentity } from "../process-identity.ts";
import type { ProcessEnvironment } from "./container-environment.ts";

/** How this program is started once more: the interpreter with its options, and the program's file. */
export interface ProgramEntry {
  readonly command: string;
  readonly args: readonly string[];
}

export interface PodProcess {
  readonly identity: ProcessIdentity;
  signal(name: NodeJS.Signals): void;
}

/**
 * Starts a container's process (edge), in a session of its own: a Ctrl-C at the terminal is for this process, which
 * then ends the others in order.
 * @param output descriptor of the log file
 * @throws Error when it cannot be started
 */
export function startPodProcess(
  entry: ProgramEntry,
  { args, env }: ProcessEnvironment,
  output: number,
  onExit: (exitCode: number, signal: number | undefined) => void,
): Promise<PodProcess> {
  return new Promise((resolve, reject) => {
    const child = spawn(entry.command, [...entry.args, ...args], {
      env: { ...env },
      detached: true,
      stdio: ["ignore", output, output],
    });
    child.once("error", reject);
    child.once("spawn", () => {
      const { pid } = child;
      const identity = pid === undefined ? undefined : identityOf(pid);
      // Without an identity it has ended already: `exit` says how.
      const known = identity ?? { pid: pid ?? 0, started: "" };
      resolve({
        identity: known,
        signal: (name) => {
          sendSignal(known, name);
        },
      });
    });
    child.once("exit", (code, signal) => {
      const number = signal === null ? undefined : constants.signals[signal];
      onExit(code ?? 128 + (number ?? 0), number);
    });
  });
}
