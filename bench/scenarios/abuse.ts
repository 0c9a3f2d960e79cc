import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { BrokerConfig } from "../../broker/config.ts";
import {
  createTopicsRequest,
  createTopicsResponse,
} from "../../broker/protocol/messages/create-topics.ts";
import {
  listOffsetsRequest,
  listOffsetsResponse,
} from "../../broker/protocol/messages/list-offsets.ts";
import { realScheduler, sleep } from "../../lib/clock.ts";
import { MIB } from "../../lib/units.ts";
import { freePorts } from "../../test/support/local-cluster.ts";
import { RawConnection } from "../../test/support/raw-connection.ts";
import type { AbuseName, AbuseOptions, AbuseOutcome } from "../load/abuses.ts";
import type { DiskSpeed } from "../load/slow-storage.ts";
import { GoodClient, type Latencies } from "../load/good-client.ts";

const LOAD = path.join(import.meta.dirname, "..", "load");
const PARTITIONS = 12;
const TOPIC = "abused";
const SLOW: DiskSpeed = { bytesPerSecond: 20 * MIB, syncMs: 10 };
/** Old records that consumers ask for, per partition: more than the tail holds. */
const COLD_BYTES = 20 * MIB;

interface Phase {
  readonly name: string;
  readonly what: string;
  readonly abuse?: AbuseName;
  readonly count?: number;
  readonly disk?: DiskSpeed;
  readonly seconds: number;
}

export const PHASES: readonly Phase[] = [
  { name: "alone", what: "nobody else", seconds: 10 },
  {
    name: "producers",
    what: "producers at full speed into a disk of 20 MiB/s",
    abuse: "producers",
    count: 200,
    disk: SLOW,
    seconds: 30,
  },
  {
    name: "stalled-consumers",
    what: "consumers that stop reading in the middle of an answer of a gigabyte",
    abuse: "stalledConsumers",
    count: 500,
    seconds: 30,
  },
  {
    name: "connections",
    what: "connections, a third with half a request",
    abuse: "connections",
    count: 20_000,
    seconds: 20,
  },
  {
    name: "huge-fetches",
    what: "consumers that fetch a gigabyte at once, over and over",
    abuse: "hugeFetches",
    count: 50,
    seconds: 20,
  },
];

export interface PhaseResult {
  readonly name: string;
  readonly what: string;
  readonly count: number;
  /** Largest resident memory of the broker's process. */
  readonly residentBytes: number;
  readonly latencies: Latencies;
  readonly outcome: AbuseOutcome;
}

export interface AbuseResult {
  readonly boundBytes: number;
  readonly phases: readonly PhaseResult[];
  /** Acknowledged records that are not there. */
  readonly lost: number;
  /** Requests of the well-behaved client that failed. */
  readonly failures: number;
}

/**
 * A broker under one abuse after the other, with a well-behaved client beside.
 * @param names of phases; all without any
 * @param scale divides the number of abusive connections and the seconds
 */
export async function abuse(
  names: readonly string[],
  scale = 1,
  onPhase: (result: PhaseResult, boundBytes: number) => void = () => undefined,
): Promise<AbuseResult> {
  const folder = mkdtempSync(path.join(tmpdir(), "forebay-abuse-"));
  const port = await freePorts(60);
  const config = new BrokerConfig();
  const boundBytes = memoryBound(config);
  // As patient as the phases are long.
  const patience = config.number("forebay.slow.client.ms") / scale;
  const broker = new Child("abused-broker.ts", [
    folder,
    String(port),
    JSON.stringify({ "forebay.slow.client.ms": String(Math.round(patience)) }),
  ]);
  const abuser = new Child("abuser.ts", []);
  try {
    await Promise.all([broker.said("ready"), abuser.said("ready")]);
    await createTopics(port);
    const acknowledged = await fill(abuser, port);
    const records = Math.min(...acknowledged);
    const good = new GoodClient(port, "good", { topic: TOPIC, partitions: PARTITIONS, records });
    good.start();
    const phases: PhaseResult[] = [];
    for (const phase of PHASES) {
      if (names.length > 0 && !names.includes(phase.name)) continue;
      const count = Math.ceil((phase.count ?? 0) / scale);
      if (phase.disk !== undefined) broker.tell({ kind: "disk", speed: phase.disk });
      good.take();
      const memory = watchMemory(broker.pid);
      if (phase.abuse !== undefined) await start(abuser, phase.abuse, port, count);
      await sleep(realScheduler, (1000 * phase.seconds) / scale);
      const latencies = good.take();
      const outcome = phase.abuse === undefined ? {} : await stop(abuser);
      const residentBytes = memory();
      for (const [i, more] of (outcome.acknowledged ?? []).entries())
        acknowledged[i] = (acknowledged[i] ?? 0) + more;
      broker.tell({ kind: "disk", speed: null });
      const { name, what } = phase;
      const result = { name, what, count, residentBytes, latencies, outcome };
      onPhase(result, boundBytes);
      phases.push(result);
      await sleep(realScheduler, 2000 / scale);
    }
    await good.stop();
    const lost = (await lostOf(port, acknowledged)) + notRead(good);
    return { boundBytes, phases, lost, failures: good.failures };
  } finally {
    abuser.end();
    broker.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a broker may need in all, as docs/memory.md adds it up. */
function memoryBound(config: BrokerConfig): number {
  const number = (name: string): number => config.number(name);
  return (
    130 * MIB +
    number("forebay.tail.bytes") +
    number("queued.max.request.bytes") +
    number("socket.request.max.bytes") +
    number("forebay.answer.max.bytes") +
    number("max.connections") * 20 * 1024
  );
}

/** Writes what cold reads are to find. @returns records acknowledged, by partition */
async function fill(abuser: Child, port: number): Promise<number[]> {
  const before = new Array<number>(PARTITIONS).fill(0);
  await start(abuser, "producers", port, PARTITIONS);
  const connection = await RawConnection.open(port);
  for (;;) {
    const ends = await endOffsets(connection);
    // A record is 650 bytes.
    if (Math.min(...ends) * 650 > COLD_BYTES) break;
    await sleep(realScheduler, 200);
  }
  connection.destroy();
  const { acknowledged } = await stop(abuser);
  return before.map((_, i) => acknowledged?.[i] ?? 0);
}

async function start(abuser: Child, name: AbuseName, port: number, count: number): Promise<void> {
  const options: AbuseOptions = { port, topic: TOPIC, partitions: PARTITIONS, count };
  abuser.tell({ kind: "start", name, options });
  await abuser.said("started");
}

async function stop(abuser: Child): Promise<AbuseOutcome> {
  abuser.tell({ kind: "stop" });
  return (await abuser.said("stopped")).outcome ?? {};
}

async function createTopics(port: number): Promise<void> {
  const connection = await RawConnection.open(port);
  const { topics } = await connection.ask(createTopicsRequest, createTopicsResponse, 5, {
    topics: [
      {
        name: TOPIC,
        numPartitions: PARTITIONS,
        replicationFactor: 1,
        assignments: [],
        configs: [],
      },
      { name: "good", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] },
    ],
    timeoutMs: 10_000,
    validateOnly: false,
  });
  for (const { name, errorCode } of topics) {
    if (errorCode !== 0) throw new Error(`topic ${name}: error ${errorCode}`);
  }
  connection.destroy();
}

async function endOffsets(connection: RawConnection): Promise<number[]> {
  const { topics } = await connection.ask(listOffsetsRequest, listOffsetsResponse, 5, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [
      {
        name: TOPIC,
        partitions: Array.from({ length: PARTITIONS }, (_, partitionIndex) => ({
          partitionIndex,
          currentLeaderEpoch: -1,
          timestamp: -1,
        })),
      },
    ],
  });
  return (topics[0]?.partitions ?? []).map(({ offset }) => offset);
}

async function lostOf(port: number, acknowledged: readonly number[]): Promise<number> {
  const connection = await RawConnection.open(port);
  const ends = await endOffsets(connection);
  connection.destroy();
  return acknowledged.reduce((sum, count, i) => sum + Math.max(0, count - (ends[i] ?? 0)), 0);
}

/** Acknowledged values that the well-behaved client has not read, in the order of their writing. */
function notRead({ acknowledged, read }: GoodClient): number {
  let at = 0;
  let missing = 0;
  for (const value of acknowledged) {
    const found = read.indexOf(value, at);
    if (found < 0) missing++;
    else at = found + 1;
  }
  return missing;
}

/** Looks at a process's resident memory; the largest is given when asked. */
function watchMemory(pid: number): () => number {
  let most = 0;
  const look = (): void => {
    const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    most = Math.max(most, Number(kib ?? 0) * 1024);
  };
  const timer = setInterval(look, 50);
  return () => {
    look();
    clearInterval(timer);
    return most;
  };
}

interface Said {
  readonly kind: string;
  readonly outcome?: AbuseOutcome;
}

/** A process of bench/load that is talked to. */
class Child {
  readonly #process: ChildProcess;
  readonly #said: Said[] = [];
  #heard: () => void = () => undefined;
  #ended = false;

  constructor(file: string, args: readonly string[]) {
    this.#process = fork(path.join(LOAD, file), [...args], { stdio: "inherit" });
    this.#process.on("message", (message: Said) => {
      this.#said.push(message);
      this.#heard();
    });
    this.#process.once("exit", () => {
      this.#ended = true;
      this.#heard();
    });
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  tell(command: object): void {
    this.#process.send(command);
  }

  /** The next message, which is to be of that kind. */
  async said(kind: string): Promise<Said> {
    for (;;) {
      const next = this.#said.shift();
      if (next?.kind === kind) return next;
      if (next !== undefined) throw new Error(`${next.kind} instead of ${kind}`);
      if (this.#ended) throw new Error(`it ended before it was ${kind}`);
      await new Promise<void>((resolve) => (this.#heard = resolve));
    }
  }

  end(): void {
    this.#process.kill("SIGKILL");
  }
}
