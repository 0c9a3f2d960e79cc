import { spawnSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import type { Random } from "../../lib/random.ts";
import { MIB, type Bytes } from "../../lib/units.ts";

/** Room for the spare files of a journal and some minutes of load; a broker keeps a twentieth of it free. */
const VOLUME_BYTES: Bytes = 768 * MIB;
const BALLAST = "ballast";

/** Where a broker's volume is in the folder of a `forebay local`. */
export function volumeOf(directory: string, broker: number): string {
  return path.join(directory, "volumes", `data-local-${broker}`);
}

/** Puts a small file system, an ext4 in a sparse file, where a broker's volume will be (edge; needs root). */
export function mountSmall(directory: string, broker: number): void {
  const folder = volumeOf(directory, broker);
  const image = path.join(directory, `volume-${broker}.ext4`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(image, "");
  truncateSync(image, VOLUME_BYTES);
  run("mkfs.ext4", ["-q", "-F", "-m", "0", image]);
  run("mount", ["-o", "loop", image, folder]);
}

export function unmount(directory: string, broker: number): void {
  run("umount", ["--lazy", volumeOf(directory, broker)]);
}

/** Fills a volume so that only `leave` bytes are free. */
export function fill(directory: string, broker: number, leave: Bytes): void {
  const folder = volumeOf(directory, broker);
  const { bavail, bsize } = statfsSync(folder);
  const bytes = bavail * bsize - leave;
  if (bytes <= 0) return;
  // What of it does not fit is left out: then the volume is as full as it can be.
  spawnSync("fallocate", ["-l", String(bytes), path.join(folder, BALLAST)]);
}

export function empty(directory: string, broker: number): void {
  rmSync(path.join(volumeOf(directory, broker), BALLAST), { force: true });
}

/** Size of a volume and what is free of it. */
export function roomOf(
  directory: string,
  broker: number,
): { readonly capacity: Bytes; readonly free: Bytes } {
  const { blocks, bavail, bsize } = statfsSync(volumeOf(directory, broker));
  return { capacity: blocks * bsize, free: bavail * bsize };
}

/** Folders of a broker's logs whose topic begins with `topic`. */
export function logFolders(directory: string, broker: number, topic: string): string[] {
  const volume = volumeOf(directory, broker);
  return readdirSync(volume)
    .filter((name) => name.startsWith(topic) && /-\d+$/.test(name))
    .map((name) => path.join(volume, name));
}

/** The newest segments of these logs that are not empty. */
export function activeSegments(directory: string, broker: number, topic: string): string[] {
  return logFolders(directory, broker, topic).flatMap((folder) => segmentsOf(folder).slice(-1));
}

/** Those that nothing is appended to any more. */
export function closedSegments(directory: string, broker: number, topic: string): string[] {
  return logFolders(directory, broker, topic).flatMap((folder) => segmentsOf(folder).slice(0, -1));
}

function segmentsOf(folder: string): string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".log"))
    .sort()
    .map((file) => path.join(folder, file))
    .filter((file) => statSync(file).size > 0);
}

export function journalFolder(directory: string, broker: number): string {
  return path.join(volumeOf(directory, broker), "journal");
}

/** Turns one bit of a file around, as disks do that are not well. */
export function flip(file: string, position: number, random: Random): void {
  const fd = openSync(file, "r+");
  try {
    const byte = Buffer.alloc(1);
    readSync(fd, byte, 0, 1, position);
    byte[0] = (byte[0] ?? 0) ^ (1 << random.below(8));
    writeSync(fd, byte, 0, 1, position);
  } finally {
    closeSync(fd);
  }
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
}
