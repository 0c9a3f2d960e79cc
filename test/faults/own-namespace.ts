import { spawn, spawnSync } from "node:child_process";

/** Set in a process that has a network and mounts of its own. */
const INSIDE = "FOREBAY_FAULTS_INSIDE";
const NEEDED = ["unshare", "ip", "nft", "mount", "umount", "mkfs.ext4"];

/** Whether this process has a network and mounts that nobody else sees. */
export function isInside(): boolean {
  return process.env[INSIDE] !== undefined;
}

/** Why faults of the network and of volumes cannot be made on this machine; undefined if they can. */
export function whyNot(): string | undefined {
  if (process.platform !== "linux") return "only on Linux";
  if (process.getuid?.() !== 0) return "only as root";
  const missing = NEEDED.filter((tool) => spawnSync("which", [tool]).status !== 0);
  if (missing.length > 0) return `not here: ${missing.join(", ")}`;
  const script = "ip link set lo up && nft add table ip forebay_faults";
  const { status, stderr } = spawnSync("unshare", ["--net", "--mount", "sh", "-c", script], {
    encoding: "utf8",
  });
  return status === 0 ? undefined : `no namespaces: ${stderr.trim()}`;
}

/**
 * Runs this program once more, with a network and mounts of its own: they are gone with its last process, whatever
 * becomes of it. @returns its exit code
 */
export function runInside(program: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const script = 'ip link set lo up && exec "$0" "$@"';
    const child = spawn(
      "unshare",
      ["--net", "--mount", "sh", "-c", script, process.execPath, program, ...args],
      { stdio: "inherit", env: { ...process.env, [INSIDE]: "1" } },
    );
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.on(signal, () => child.kill(signal));
    }
    child.once("error", reject);
    child.once("exit", (code) => {
      resolve(code ?? 1);
    });
  });
}
