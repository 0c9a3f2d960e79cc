import type { Random } from "../../lib/random.ts";
import { readSmall, type Storage } from "./storage.ts";
import type { LogIdentity } from "./types.ts";

const META = "meta.properties";
const PARTITION_METADATA = "partition.metadata";

/** Who a volume is: made once, and how often it was opened since. */
export interface VolumeIdentity {
  readonly storageId: string;
  readonly storageGeneration: number;
}

/** The volume's identity, its generation grown by one; made on an empty volume. */
export async function identifyVolume(storage: Storage, random: Random): Promise<VolumeIdentity> {
  const text = await storage.readFile(META);
  const values = new Map(
    Buffer.from(text ?? new Uint8Array(0))
      .toString()
      .split("\n")
      .map((line) => line.split("=", 2) as [string, string]),
  );
  await storage.makeDirectory(".");
  return recordIdentity(storage, {
    storageId: values.get("storage.id") ?? newStorageId(random),
    storageGeneration: Number(values.get("storage.generation") ?? 0) + 1,
  });
}

/** Makes it another volume: what the cluster counted on when it was the old one is not all there (C6). */
export function disownVolume(storage: Storage, random: Random): Promise<VolumeIdentity> {
  return recordIdentity(storage, { storageId: newStorageId(random), storageGeneration: 1 });
}

function newStorageId(random: Random): string {
  return Buffer.from(random.uuid()).toString("hex");
}

async function recordIdentity(storage: Storage, identity: VolumeIdentity): Promise<VolumeIdentity> {
  const lines = [
    "version=1",
    `storage.id=${identity.storageId}`,
    `storage.generation=${String(identity.storageGeneration)}`,
  ];
  await storage.writeFileAtomic(META, Buffer.from(`${lines.join("\n")}\n`));
  return identity;
}

/** The folder of a log, as Kafka names it. */
export function logDirectory(identity: LogIdentity): string {
  return `${identity.topic}-${String(identity.partition)}`;
}

/** The name that the folder of a deleted log has until it is gone. */
export function doomedDirectory(directory: string, random: Random): string {
  return `${directory}.${Buffer.from(random.uuid()).toString("hex")}-delete`;
}

/** Folders of logs. What is left of deleted ones is removed on the way. */
export async function logDirectories(storage: Storage): Promise<string[]> {
  const names: string[] = [];
  for (const name of await storage.list(".")) {
    if (name.endsWith("-delete")) await storage.removeTree(name);
    else if (/-\d+$/.test(name)) names.push(name);
  }
  return names;
}

/** Whose log is in a folder, undefined if nobody's. */
export async function readIdentity(
  storage: Storage,
  directory: string,
): Promise<LogIdentity | undefined> {
  const content = await readSmall(storage, `${directory}/${PARTITION_METADATA}`);
  const topicId = /topic_id: ([0-9a-f-]{36})/.exec(
    Buffer.from(content ?? new Uint8Array(0)).toString(),
  )?.[1];
  const match = /^(.+)-(\d+)$/.exec(directory);
  if (topicId === undefined || match?.[1] === undefined) return undefined;
  return { topic: match[1], topicId, partition: Number(match[2]) };
}

/** Makes the folder of a log, new, and says in it whose it is. Torn by a crash it is nobody's. */
export async function makeLogDirectory(storage: Storage, identity: LogIdentity): Promise<void> {
  const directory = logDirectory(identity);
  await storage.makeDirectory(directory);
  const metadata = Buffer.from(`version: 0\ntopic_id: ${identity.topicId}\n`);
  const file = await storage.open(`${directory}/${PARTITION_METADATA}`, "create");
  try {
    file.writeSync(0, [metadata]);
    // In no order: until all three are done nothing is written to the log.
    await Promise.all([file.sync(), storage.syncDirectory(directory), storage.syncDirectory(".")]);
  } finally {
    await file.close();
  }
}

/** What a log is known by on this volume. */
export function logKey(topicId: string, partition: number): string {
  return `${topicId}/${String(partition)}`;
}
