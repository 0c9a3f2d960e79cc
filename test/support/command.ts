import { spawn } from "node:child_process";

export interface CommandOutcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; it is killed after `limitMs`, and the code is then null. */
export function run(
  file: string,
  args: readonly string[],
  {
    limitMs,
    env = {},
    input = "",
  }: {
    readonly limitMs: number;
    readonly env?: Record<string, string>;
    /** What it reads. */
    readonly input?: string;
  },
): Promise<CommandOutcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      timeout: limitMs,
      killSignal: "SIGKILL",
      env: { ...process.env, ...env },
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.once("error", reject);
    // It may end without reading all of it.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
    child.once("close", (code) => {
      resolve({
        code,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
      });
    });
  });
}
