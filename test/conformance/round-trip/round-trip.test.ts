import assert from "node:assert/strict";
import { Kafka, logLevel } from "kafkajs";
import { run } from "../../support/command.ts";
import { LocalCluster } from "../../support/local-cluster.ts";
import { needs } from "../../support/tools.ts";
import { type ClientProgram, programs } from "./programs.ts";

const RECORDS = 100_000;
/** The first member leaves after this many. */
const HALF = 50_000;

/** A line that a program printed of a record that it read. */
interface Seen {
  readonly position: string;
  readonly key: string;
  readonly number: number;
}

describe("round trip of 100,000 records through a group, resumed half-way", () => {
  let cluster: LocalCluster;

  before(async () => {
    cluster = await LocalCluster.start(3);
  });

  after(async () => {
    await cluster.remove();
  });

  for (const program of programs) {
    it(`${program.name}: all records exactly once, in order per key`, async function () {
      needs(this, ...program.tools);
      const topic = `round-trip-${program.name.replaceAll(/[^A-Za-z]/g, "-")}`;
      await createTopic(cluster.bootstrap, topic);
      await call(program, "produce", cluster.bootstrap, topic, String(RECORDS));
      const first = await consume(program, cluster.bootstrap, topic, HALF);
      assert.equal(first.length, HALF);
      const second = await consume(program, cluster.bootstrap, topic, RECORDS - HALF);
      checkWhole([...first, ...second]);
    });
  }
});

/** One member of the group reads `count` records, commits and leaves. */
async function consume(
  program: ClientProgram,
  bootstrap: string,
  topic: string,
  count: number,
): Promise<readonly Seen[]> {
  const printed = await call(program, "consume", bootstrap, topic, `${topic}-group`, String(count));
  return printed
    .trim()
    .split("\n")
    .map((line) => {
      const [partition = "", offset = "", key = "", number = ""] = line.split(" ");
      return { position: `${partition} ${offset}`, key, number: Number(number) };
    });
}

/** Every record is there, none twice, and those of a key in the order in which they were produced. */
function checkWhole(seen: readonly Seen[]): void {
  assert.equal(seen.length, RECORDS);
  assert.equal(new Set(seen.map(({ position }) => position)).size, RECORDS, "a position twice");
  assert.equal(new Set(seen.map(({ number }) => number)).size, RECORDS, "a record twice");
  const lastOfKey = new Map<string, number>();
  for (const { key, number } of seen) {
    assert.equal(key, `k${number % 997}`);
    const last = lastOfKey.get(key) ?? -1;
    assert(number > last, `${number} of ${key} came after ${last}`);
    lastOfKey.set(key, number);
  }
}

async function createTopic(bootstrap: string, topic: string): Promise<void> {
  const kafka = new Kafka({ brokers: bootstrap.split(","), logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({
    waitForLeaders: true,
    topics: [{ topic, numPartitions: 12, replicationFactor: 3 }],
  });
  await admin.disconnect();
}

async function call(program: ClientProgram, ...args: readonly string[]): Promise<string> {
  const [file, ...before] = program.command;
  const { code, stdout, stderr } = await run(file, [...before, ...args], { limitMs: 120_000 });
  assert.equal(code, 0, `${program.name} ${args.join(" ")}: ${stderr.slice(-2000)}`);
  return stdout;
}
