import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import path from "node:path";
import { createTcpNetwork } from "../../broker/network/tcp-network.ts";
import { RpcClient } from "../../broker/network/rpc-client.ts";
import { ErrorCode, errorName } from "../../broker/protocol/error-codes.ts";
import {
  initProducerIdRequest,
  initProducerIdResponse,
} from "../../broker/protocol/messages/init-producer-id.ts";
import { produceRequest, produceResponse } from "../../broker/protocol/messages/produce.ts";
import type { CompressionCodec } from "../../broker/protocol/compression.ts";
import { buildBatch } from "../../broker/protocol/record-batch.ts";
import { topics } from "../../cluster/resources.ts";
import { realScheduler } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/logger.ts";
import { eventually, LocalCluster } from "../support/local-cluster.ts";
import { run } from "../support/command.ts";
import { kafkaToolsClassPath, needs } from "../support/tools.ts";

const TOPIC = "dumped";
const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"] as const;
const BATCHES = 120;
const RECORDS = 20;
const DUMP = "org.apache.kafka.tools.DumpLogSegments";
/** What the tool prints, with exit code 0, when something does not fit. */
const COMPLAINT =
  /mismatch|non-consecutive|isvalid: false|corrupt|exception|invalid bytes|out of order|error/i;

/** Segments that a broker has written, killed once on the way, read by Apache Kafka's own tool. */
describe("Kafka's DumpLogSegments on our segments", function () {
  this.timeout(180_000);
  let cluster: LocalCluster | undefined;
  let files: readonly string[] = [];
  let directory = "";

  before(async function () {
    needs(this, "kafka-tools");
    cluster = await LocalCluster.start(1);
    await createTopic(cluster);
    const producer = await initProducer(cluster.port);
    await produce(cluster.port, producer, 0, BATCHES / 2);
    await killAndWait(cluster);
    await produce(cluster.port, producer, BATCHES / 2, BATCHES);
    await cluster.down();
    directory = path.join(cluster.directory, "volumes", "data-local-0", `${TOPIC}-0`);
    files = readdirSync(directory);
  });

  after(() => cluster?.remove());

  const named = (extension: string): string[] => files.filter((name) => name.endsWith(extension));

  /** What the tool says of all files with these extensions, complaints apart: there may be none. */
  const dump = async (extensions: readonly string[], ...options: string[]): Promise<string[]> => {
    const names = extensions.flatMap(named);
    assert(names.length >= extensions.length, `there are files ${extensions.join(" ")}`);
    const paths = names.map((name) => path.join(directory, name)).join(",");
    const { code, stdout, stderr } = await run(
      "java",
      [
        "-Xmx256m",
        "-XX:+UseSerialGC",
        "-cp",
        kafkaToolsClassPath,
        DUMP,
        ...options,
        "--files",
        paths,
      ],
      { limitMs: 120_000 },
    );
    assert.equal(code, 0, stderr);
    for (const name of names) assert(stdout.includes(name), `${name} was read`);
    const lines = withoutFalseAlarms(`${stdout}\n${stderr}`.split("\n"));
    for (const line of lines) assert(!COMPLAINT.test(line), line);
    return lines;
  };

  it("several segments were rolled", () => {
    assert(named(".log").length > 3, files.join(" "));
  });

  it("reads every record of every codec, each batch valid and in its place", async () => {
    const lines = await dump([".log"], "--deep-iteration", "--print-data-log");
    const batches = lines.filter((line) => line.startsWith("baseOffset: "));
    assert.equal(batches.length, BATCHES);
    for (const [i, line] of batches.entries()) {
      const first = i * RECORDS;
      const last = first + RECORDS - 1;
      assert(line.startsWith(`baseOffset: ${first} lastOffset: ${last} count: ${RECORDS} `), line);
      assert(line.includes(` baseSequence: ${first} lastSequence: ${last} `), line);
      assert(line.includes(` compresscodec: ${CODECS[i % CODECS.length] ?? ""} `), line);
      assert(line.endsWith(" isvalid: true"), line);
    }
    const records = lines.filter((line) => line.startsWith("| offset: "));
    assert.equal(records.length, BATCHES * RECORDS);
    for (const [i, line] of records.entries()) {
      assert(line.startsWith(`| offset: ${i} `), line);
      assert(line.includes(` key: key-${i} payload: value-${i}-`), line);
      assert(line.includes(" headerKeys: [header-name]"), line);
    }
  });

  it("finds the indexes sane", async () => {
    const lines = await dump([".index", ".timeindex"], "--index-sanity-check");
    const passed = lines.filter((line) => line.endsWith("passed sanity check."));
    assert.equal(passed.length, named(".index").length + named(".timeindex").length);
  });

  it("finds what each entry of an index points to", async () => {
    await dump([".index", ".timeindex"], "--verify-index-only");
    const lines = await dump([".index", ".timeindex"]);
    assert(lines.filter((line) => /^offset: \d+ position: \d+$/.test(line)).length > BATCHES / 10);
    assert(lines.filter((line) => /^timestamp: \d+ offset: \d+$/.test(line)).length > BATCHES / 10);
  });

  it("reads the producer snapshot", async () => {
    const producers = (await dump([".snapshot"])).filter((line) => line.startsWith("producerId: "));
    assert.match(producers.at(-1) ?? "", new RegExp(` lastSequence: ${BATCHES * RECORDS - 1} `));
  });
});

/**
 * The tool of 4.3.1 takes -1 for the offset before each file, not only before the log's first, and so complains of every
 * later segment's first record; those complaints, and no others, are left out.
 */
function withoutFalseAlarms(lines: readonly string[]): string[] {
  return lines.filter((line, at) => {
    const first = /^Non-consecutive offsets in .*\/0*(\d+)\.log$/.exec(line)?.[1];
    return first === undefined || lines[at + 1] !== `  -1 is followed by ${first}`;
  });
}

async function createTopic(cluster: LocalCluster): Promise<void> {
  const kube = await cluster.kube();
  try {
    await kube.create(topics, "default", {
      apiVersion: "forebay.dev/v1alpha1",
      kind: "Topic",
      metadata: { name: TOPIC },
      spec: {
        cluster: "local",
        partitions: 1,
        config: { "segment.bytes": "32768", "index.interval.bytes": "1024" },
      },
    });
    await eventually(async () => {
      const { status } = await kube.get(topics, "default", TOPIC);
      const ready = status?.conditions?.find(({ type }) => type === "Ready");
      return ready?.status === "True" ? true : undefined;
    }, "the topic is ready");
  } finally {
    kube.close();
  }
}

interface Producer {
  readonly id: number;
  readonly epoch: number;
}

/** Does something with a connection of its own. */
async function withClient<T>(port: number, use: (client: RpcClient) => Promise<T>): Promise<T> {
  const client = await RpcClient.connect({
    network: createTcpNetwork({ logger: silentLogger }),
    scheduler: realScheduler,
    host: "127.0.0.1",
    port,
    clientId: "dump-log",
    timeout: 10_000,
  });
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

function initProducer(port: number): Promise<Producer> {
  return withClient(
    port,
    (client) =>
      new Promise((resolve, reject) => {
        client.send(
          initProducerIdRequest,
          initProducerIdResponse,
          4,
          {
            transactionalId: null,
            transactionTimeoutMs: 60_000,
            producerId: -1,
            producerEpoch: -1,
          },
          10_000,
          ({ producerId, producerEpoch }) => resolve({ id: producerId, epoch: producerEpoch }),
          reject,
        );
      }),
  );
}

/** Batches `from` to `to`, every codec in turn, each of `RECORDS` records of some hundred bytes. */
async function produce(port: number, producer: Producer, from: number, to: number): Promise<void> {
  const batch = (at: number): Uint8Array =>
    buildBatch({
      producerId: producer.id,
      producerEpoch: producer.epoch,
      baseSequence: at * RECORDS,
      compression: (at % CODECS.length) as CompressionCodec,
      records: Array.from({ length: RECORDS }, (_, i) => recordOf(at * RECORDS + i)),
    });
  // A broker that has just started does not lead at once; the producer being idempotent, a repeat does no harm.
  await eventually(
    () =>
      withClient(port, (client) => append(client, batch(from))).then(
        () => true,
        () => undefined,
      ),
    "the first batch is acknowledged",
  );
  await withClient(port, async (client) => {
    for (let at = from + 1; at < to; at++) await append(client, batch(at));
  });
}

function recordOf(i: number): Parameters<typeof buildBatch>[0]["records"][number] {
  return {
    key: Buffer.from(`key-${i}`),
    value: Buffer.from(`value-${i}-${"abcdefghij".repeat(10 + (i % 7))}`),
    // Not in order within a batch, and equal over some: the time index is to hold the largest so far.
    timestamp: 1_700_000_000_000 + Math.floor(i / 50) * 1000 - (i % 3),
    headers: [{ key: "header-name", value: Buffer.from("header-value") }],
  };
}

function append(client: RpcClient, records: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    client.send(
      produceRequest,
      produceResponse,
      9,
      {
        transactionalId: null,
        acks: -1,
        timeoutMs: 10_000,
        topicData: [
          {
            name: TOPIC,
            topicId: "00000000-0000-0000-0000-000000000000",
            partitionData: [{ index: 0, records }],
          },
        ],
      },
      10_000,
      ({ responses }) => {
        const code =
          responses[0]?.partitionResponses[0]?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR;
        if (code === ErrorCode.NONE) resolve();
        else reject(new Error(errorName(code)));
      },
      reject,
    );
  });
}

/** kill -9; the kubelet starts it again. */
async function killAndWait(cluster: LocalCluster): Promise<void> {
  const pid = (await cluster.processes()).get(0);
  assert(pid !== undefined);
  process.kill(pid, "SIGKILL");
  await eventually(async () => {
    const now = (await cluster.processes()).get(0);
    return now !== undefined && now !== pid ? now : undefined;
  }, "the broker is started again");
}
