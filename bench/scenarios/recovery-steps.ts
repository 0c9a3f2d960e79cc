// The steps of recovery.ts, each a process of its own: make FOLDER PARTITIONS BYTES, load FOLDER, open FOLDER.
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { CHECKPOINT } from "../../broker/log/checkpointer.ts";
import { encodeCheckpoint, type SavedLog } from "../../broker/log/checkpoints.ts";
import { createFileStorage } from "../../broker/log/file-storage.ts";
import { openLogManager } from "../../broker/log/log-manager.ts";
import { ProducerState } from "../../broker/log/producer-state.ts";
import { segmentName } from "../../broker/log/segment.ts";
import type { LogManager } from "../../broker/log/types.ts";
import { buildBatch } from "../../broker/protocol/record-batch.ts";
import { realScheduler, sleep } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import { silentLogger } from "../../lib/logger.ts";
import { systemRandom } from "../../lib/random.ts";
import { HOUR, KIB, MIB, type Bytes } from "../../lib/units.ts";

/** What opening a volume took. */
export interface Opening {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly logs: number;
  readonly entries: number;
  /** By system calls, from the page cache or not. */
  readonly readBytes: Bytes;
  readonly residentBytes: Bytes;
}

const SEGMENTS = 5;
const TOPICS = 20;
/** Of records that are really there, at the end of each log, behind the last snapshot of its producers: the most there are. */
const WRITTEN_BYTES: Bytes = 128 * KIB;
const BATCH_BYTES: Bytes = 16 * KIB;
const INDEX_INTERVAL_BYTES = 4 * KIB;
/** What the journal holds at the kill: as much as a checkpoint lets it grow to, and again during the checkpoint. */
const JOURNAL_BYTES: Bytes = 32 * MIB;
const EPOCH = 3;

function identityOf(number: number): { topic: string; topicId: string; partition: number } {
  const topic = number % TOPICS;
  return {
    topic: `t${topic}`,
    topicId: `00000000-0000-4000-8000-${String(topic).padStart(12, "0")}`,
    partition: Math.floor(number / TOPICS),
  };
}

function batchAtOffset(baseOffset: number): Uint8Array {
  return buildBatch({
    baseOffset,
    leaderEpoch: EPOCH,
    records: [{ value: Buffer.alloc(BATCH_BYTES - 80, baseOffset), timestamp: Date.now() }],
  });
}

/** A volume as an unclean stop leaves it, every log behind a checkpoint. */
function make(folder: string, partitions: number, bytes: Bytes): void {
  const logs = new Map<string, SavedLog>();
  const segmentBytes = Math.floor(bytes / partitions / SEGMENTS);
  for (let number = 0; number < partitions; number++) {
    const { topic, topicId, partition } = identityOf(number);
    const directory = path.join(folder, `${topic}-${partition}`);
    mkdirSync(directory, { recursive: true });
    writeFileSync(path.join(directory, "partition.metadata"), `version: 0\ntopic_id: ${topicId}\n`);
    writeFileSync(path.join(directory, "leader-epoch-checkpoint"), `0\n1\n${EPOCH} 0\n`);
    let end = 0;
    for (let at = 0; at < SEGMENTS; at++) {
      const written = at === SEGMENTS - 1 ? WRITTEN_BYTES : BATCH_BYTES;
      end = makeSegment(directory, end, segmentBytes, written);
    }
    const snapshot = path.join(directory, segmentName(end - WRITTEN_BYTES / BATCH_BYTES));
    writeFileSync(`${snapshot}.snapshot`, new ProducerState().encode());
    logs.set(`${topicId}/${partition}`, {
      recoveryPoint: end,
      logStartOffset: 0,
      highWatermark: end,
      filesEnd: end,
      cleanedOffset: 0,
      segmentBytes,
      indexIntervalBytes: INDEX_INTERVAL_BYTES,
    });
  }
  const checkpoint = encodeCheckpoint({ journalPosition: 0, clean: false, logs });
  writeFileSync(path.join(folder, CHECKPOINT), checkpoint);
}

/** Offsets as if the hole held batches of the same size. @returns the offset behind the segment */
function makeSegment(directory: string, base: number, bytes: Bytes, written: Bytes): number {
  const name = path.join(directory, segmentName(base));
  const batches: Uint8Array[] = [];
  const count = Math.floor(written / BATCH_BYTES);
  const skipped = Math.max(0, Math.floor(bytes / BATCH_BYTES) - count);
  for (let at = 0; at < count; at++) batches.push(batchAtOffset(base + skipped + at));
  const size = (batches[0]?.length ?? 0) * (skipped + count);
  const batchBytes = size / (skipped + count);
  const fd = openSync(`${name}.log`, "w");
  ftruncateSync(fd, skipped * batchBytes);
  writeSync(fd, Buffer.concat(batches), 0, count * batchBytes, skipped * batchBytes);
  closeSync(fd);
  // An entry for each batch, as each is longer than the interval.
  if (batchBytes < INDEX_INTERVAL_BYTES) throw new Error("batches are too small");
  const index = Buffer.alloc(8 * (skipped + count - 1));
  const time = Buffer.alloc(12 * (skipped + count - 1));
  const now = Date.now() - HOUR;
  for (let at = 1; at < skipped + count; at++) {
    index.writeInt32BE(at, 8 * (at - 1));
    index.writeInt32BE(at * batchBytes, 8 * (at - 1) + 4);
    time.writeBigInt64BE(BigInt(now + at), 12 * (at - 1));
    time.writeInt32BE(at, 12 * (at - 1) + 8);
  }
  writeFileSync(`${name}.index`, index);
  writeFileSync(`${name}.timeindex`, time);
  return base + skipped + count;
}

function open(folder: string, checkpoints: boolean, logger: Logger): Promise<LogManager> {
  return createFileStorage(folder).then((storage) =>
    openLogManager({
      storage,
      scheduler: realScheduler,
      random: systemRandom,
      logger,
      panic: (error) => {
        console.error(error);
        process.exit(70);
      },
      ...(checkpoints ? {} : { options: { checkpointMs: HOUR, checkpointBytes: 1024 * MIB } }),
    }),
  );
}

/** Appends to all logs what no checkpoint covers. Its process ends without a stop. */
async function load(folder: string): Promise<void> {
  const checkpoint = path.join(folder, CHECKPOINT);
  const before = readFileSync(checkpoint);
  const manager = await open(folder, false, silentLogger);
  // The first one follows a start: what the round before has left is covered then, and rounds are alike.
  while (readFileSync(checkpoint).equals(before)) await sleep(realScheduler, 20);
  const logs = [...manager.logs];
  const batch = batchAtOffset(0);
  for (let bytes = 0; bytes < JOURNAL_BYTES; bytes += batch.length) {
    const log = logs[(bytes / batch.length) % logs.length];
    log?.appendAsLeader(batch, EPOCH, "client");
    if (bytes % MIB < batch.length) await manager.flush();
  }
  await manager.flush();
}

async function timed(folder: string): Promise<Opening> {
  let entries = 0;
  const logger: Logger = {
    ...silentLogger,
    info: (message, fields) => {
      if (message === "logs recovered") entries = Number(fields?.["entries"]);
    },
  };
  const before = readSoFar();
  const started = performance.now();
  const cpu = process.cpuUsage();
  const manager = await open(folder, true, logger);
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    seconds,
    cpuSeconds: (user + system) / 1e6,
    logs: [...manager.logs].length,
    entries,
    readBytes: readSoFar() - before,
    residentBytes: process.memoryUsage().rss,
  };
}

function readSoFar(): Bytes {
  try {
    return Number(/rchar: (\d+)/.exec(readFileSync("/proc/self/io", "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

const [name, folder = "", partitions, bytes] = process.argv.slice(2);
switch (name) {
  case "make":
    make(folder, Number(partitions), Number(bytes));
    break;
  case "load":
    await load(folder);
    break;
  case "open":
    console.log(JSON.stringify(await timed(folder)));
    break;
  default:
    process.exitCode = 2;
}
// Without a stop: the next one finds what a kill leaves.
process.exit();
