import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { ErrorCode } from "../../broker/protocol/error-codes.ts";
import {
  apiVersionsRequest,
  apiVersionsResponse,
} from "../../broker/protocol/messages/api-versions.ts";
import { fetchRequest, fetchResponse } from "../../broker/protocol/messages/fetch.ts";
import {
  listOffsetsRequest,
  listOffsetsResponse,
} from "../../broker/protocol/messages/list-offsets.ts";
import { metadataRequest } from "../../broker/protocol/messages/metadata.ts";
import { produceRequest, produceResponse } from "../../broker/protocol/messages/produce.ts";
import { decodeResponse } from "../../broker/protocol/headers.ts";
import { buildBatch } from "../../broker/protocol/record-batch.ts";
import { brokerClusters, topics } from "../../cluster/resources.ts";
import type { Condition } from "../../kube/objects.ts";
import { eventually, LocalCluster } from "../support/local-cluster.ts";
import { bareHeader, framed, RawConnection, requestFrame } from "../support/raw-connection.ts";

const TOPIC = "orders";
const IDLE_MS = 1500;
/** What `message.max.bytes` is by default. */
const MAX_MESSAGE_BYTES = 1_048_588;
const NO_ID = "00000000-0000-0000-0000-000000000000";

/** Bytes that look like nothing, the same each time; those of the size make it more than any request may have. */
function noise(seed: number, length = 4096): Uint8Array {
  let state = seed;
  const bytes = Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
  bytes[0] = 0x40 + (seed % 0x40);
  return bytes;
}

/** A request that says it has 2^31 - 1 topics. */
function hugeArray(): Uint8Array {
  return framed(bareHeader(3, 8), Buffer.from([0x7f, 0xff, 0xff, 0xff, 1, 0, 0]));
}

/** Whatever is not the protocol ends the connection without an answer, as in Kafka, and is said once in the log. */
const REFUSED: readonly {
  readonly what: string;
  readonly bytes: Uint8Array;
  readonly log: RegExp;
}[] = [
  {
    what: "a frame of 2 GB",
    bytes: Buffer.concat([Buffer.from([0x7f, 0xff, 0xff, 0xff]), bareHeader(0, 9)]),
    log: /not the protocol.*frame of 2147483647 bytes/,
  },
  {
    what: "a frame of negative length",
    bytes: Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
    log: /not the protocol.*frame of -1 bytes/,
  },
  { what: "an empty frame", bytes: Buffer.alloc(4), log: /bad request/ },
  { what: "a header cut short", bytes: framed(Buffer.from([0, 3, 0, 9, 0])), log: /bad request/ },
  {
    what: "an unknown API",
    bytes: framed(bareHeader(999, 0)),
    log: /bad request.*API 999 is not served/,
  },
  {
    what: "an API of a negative key",
    bytes: framed(bareHeader(-1, 0)),
    log: /bad request.*API -1 is not served/,
  },
  {
    what: "an API that brokers only may use",
    bytes: framed(bareHeader(63, 0), Buffer.alloc(1)),
    log: /bad request.*API 63 is not served/,
  },
  {
    what: "a version from the future",
    bytes: framed(bareHeader(3, 99)),
    log: /bad request.*Metadata has no version 99/,
  },
  {
    what: "a negative version",
    bytes: framed(bareHeader(18, -1)),
    log: /bad request.*ApiVersions has no version -1/,
  },
  {
    what: "a request cut short",
    bytes: framed(requestFrame(metadataRequest, 8, { topics: [{ name: TOPIC }] }).slice(4, -3)),
    log: /bad request/,
  },
  { what: "an array of 2,147,483,647 elements", bytes: hugeArray(), log: /bad request/ },
  {
    what: "HTTP",
    bytes: Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    log: /not the protocol.*"spoken":"HTTP"/,
  },
  {
    what: "TLS",
    bytes: Buffer.concat([Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]), noise(1, 500)]),
    log: /not the protocol.*"spoken":"TLS"/,
  },
  ...[7, 1234, 98_765].map((seed) => ({
    what: `random bytes (${seed})`,
    bytes: noise(seed),
    log: /not the protocol/,
  })),
];

describe("bad input", function () {
  this.timeout(120_000);
  let cluster: LocalCluster;

  before(async () => {
    cluster = await LocalCluster.start(1);
    await setIdleTime(cluster);
    await createTopic(cluster);
  });

  after(() => cluster.remove());

  afterEach("the broker goes on, in the same process", async () => {
    assert.deepEqual(await produce(cluster, batch("still served")), ErrorCode.NONE);
    assert.equal(logOf(cluster).match(/broken invariant/g), null);
    assert.equal((await cluster.processes()).get(0), process0);
  });

  let process0: number | undefined;
  before(async () => {
    process0 = (await cluster.processes()).get(0);
    assert(process0 !== undefined);
  });

  describe("on the Kafka port, refused", () => {
    for (const { what, bytes, log } of REFUSED) {
      it(`${what}: closed, and said once`, async () => {
        const connection = await RawConnection.open(cluster.port);
        connection.write(bytes);
        assert.equal((await connection.closed).length, 0, "nothing is answered");
        await oneLine(cluster, connection, log);
      });
    }

    it("half a frame, then silence: closed after the idle time, others are served meanwhile", async () => {
      const connection = await RawConnection.open(cluster.port);
      const whole = requestFrame(metadataRequest, 8, { topics: [{ name: TOPIC }] });
      connection.write(whole.subarray(0, whole.length >> 1));
      const closed = connection.closed.then(() => "closed" as const);
      let served = 0;
      const serve = async (): Promise<"served"> => {
        assert.equal(await produce(cluster, batch("meanwhile")), ErrorCode.NONE);
        served++;
        return "served";
      };
      while ((await Promise.race([closed, serve()])) === "served");
      assert(served > 0);
      await oneLine(cluster, connection, /nothing moved.*"unfinishedRequestBytes":[1-9]/);
    });

    it("what came before it is answered, what came behind it is not looked at", async () => {
      const connection = await RawConnection.open(cluster.port);
      const good = requestFrame(apiVersionsRequest, 0, {});
      connection.write(Buffer.concat([good, framed(bareHeader(999, 0)), good]));
      await connection.frame();
      assert.equal((await connection.closed).length, 0);
      await oneLine(cluster, connection, /API 999 is not served/);
    });
  });

  describe("on the Kafka port, answered", () => {
    it("ApiVersions from the future: in version 0 with error 35 and what is spoken", async () => {
      const connection = await RawConnection.open(cluster.port);
      connection.write(framed(bareHeader(18, 99, 77)));
      const { correlationId, value } = decodeResponse(
        apiVersionsResponse,
        0,
        await connection.frame(),
      );
      assert.equal(correlationId, 77);
      assert.equal(value.errorCode, ErrorCode.UNSUPPORTED_VERSION);
      assert.deepEqual(
        value.apiKeys.map(({ apiKey }) => apiKey),
        [18],
      );
      // The client asks again on the same connection, as KIP-511 has it.
      const again = await connection.ask(apiVersionsRequest, apiVersionsResponse, 0, {});
      assert.equal(again.errorCode, ErrorCode.NONE);
      connection.destroy();
    });

    const damaged = (at: number): Uint8Array => {
      const bytes = batch("damaged");
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      return bytes;
    };
    const CODES: readonly (readonly [string, () => Uint8Array, number])[] = [
      ["a batch with a wrong checksum", () => damaged(70), ErrorCode.CORRUPT_MESSAGE],
      ["a batch cut short", () => batch("short").slice(0, -1), ErrorCode.CORRUPT_MESSAGE],
      ["a batch that claims 2 GB", () => damaged(8), ErrorCode.CORRUPT_MESSAGE],
      ["half a header of a batch", () => batch("x").slice(0, 30), ErrorCode.CORRUPT_MESSAGE],
      ["no batch at all", () => new Uint8Array(0), ErrorCode.INVALID_RECORD],
      ["random bytes for a batch", () => noise(3), ErrorCode.CORRUPT_MESSAGE],
      [
        "a batch of one byte more than message.max.bytes",
        () => batchOfSize(MAX_MESSAGE_BYTES + 1),
        ErrorCode.MESSAGE_TOO_LARGE,
      ],
      ["one of just as many", () => batchOfSize(MAX_MESSAGE_BYTES), ErrorCode.NONE],
    ];
    for (const [what, bytes, code] of CODES) {
      it(`${what}: error ${code}, and the connection stays`, async () => {
        const connection = await RawConnection.open(cluster.port);
        assert.equal(await produceOn(connection, bytes()), code);
        assert.equal(await produceOn(connection, batch("good")), ErrorCode.NONE);
        if (code === ErrorCode.CORRUPT_MESSAGE) await oneLine(cluster, connection, /batch refused/);
        connection.destroy();
      });
    }

    it("none of it is in the log of the partition", async () => {
      const connection = await RawConnection.open(cluster.port);
      const before = await endOffset(connection);
      for (const [, bytes, code] of CODES) {
        if (code !== ErrorCode.NONE) await produceOn(connection, bytes());
      }
      assert.equal(await endOffset(connection), before);
      connection.destroy();
    });

    it("a request that is refused in the middle of many answers: those before it come whole and in order", async () => {
      const connection = await RawConnection.open(cluster.port);
      const frames = Array.from({ length: 50 }, (_, i) =>
        framed(bareHeader(3, 8, i), Buffer.from([0, 0, 0, 0, 0, 0, 0])),
      );
      connection.write(Buffer.concat([...frames, framed(bareHeader(1, 99))]));
      for (let i = 0; i < frames.length; i++) {
        assert.equal(Buffer.from(await connection.frame()).readInt32BE(), i);
      }
      assert.equal((await connection.closed).length, 0);
      await oneLine(cluster, connection, /Fetch has no version 99/);
    });

    it("a fetch of 2 GB from a million years ahead: OFFSET_OUT_OF_RANGE", async () => {
      const connection = await RawConnection.open(cluster.port);
      const { responses } = await connection.ask(fetchRequest, fetchResponse, 4, {
        replicaId: -1,
        maxWaitMs: 2_147_483_647,
        minBytes: 2_147_483_647,
        maxBytes: 2_147_483_647,
        isolationLevel: 0,
        topics: [
          {
            topic: TOPIC,
            partitions: [{ partition: 0, fetchOffset: 2 ** 52, partitionMaxBytes: 2_147_483_647 }],
          },
        ],
      });
      assert.equal(responses[0]?.partitions[0]?.errorCode, ErrorCode.OFFSET_OUT_OF_RANGE);
      connection.destroy();
    });
  });

  describe("through the Kubernetes API", () => {
    it("a Topic with 0 partitions: refused by its schema, with the field", async () => {
      const { status, body } = await post(cluster, "topics", topic("none", { partitions: 0 }));
      assert.equal(status, 422);
      assert.match(body.message ?? "", /spec\.partitions.*greater than or equal to 1/);
      assert.equal((await get(cluster, "topics", "none")).status, 404);
    });

    it("a Topic with more replicas than brokers: a condition with its reason, and no partitions", async () => {
      const { status } = await post(cluster, "topics", topic("wide", { replicas: 5 }));
      assert.equal(status, 201);
      const ready = await condition(cluster, "wide");
      assert.equal(ready.status, "False");
      assert.equal(ready.reason, "NotEnoughBrokers");
      assert.match(ready.message, /5/);
    });

    it("a Topic of a cluster that does not exist: a condition with its reason", async () => {
      const { status } = await post(cluster, "topics", topic("lonely", { cluster: "elsewhere" }));
      assert.equal(status, 201);
      const ready = await condition(cluster, "lonely");
      assert.equal(ready.status, "False");
      assert.equal(ready.reason, "ClusterNotFound");
      assert.match(ready.message, /elsewhere/);
    });

    it("unknown fields: refused when validation is strict, as kubectl asks for; else left out", async () => {
      const odd = { ...topic("odd", {}), spec: { cluster: "local", partitions: 1, colour: "red" } };
      const strict = await post(cluster, "topics?fieldValidation=Strict", odd);
      assert.equal(strict.status, 400);
      assert.match(strict.body.message ?? "", /unknown field "spec\.colour"/);
      assert.equal((await get(cluster, "topics", "odd")).status, 404);
      assert.equal((await post(cluster, "topics", odd)).status, 201);
      const { body } = await get(cluster, "topics", "odd");
      assert.deepEqual(body.spec, { cluster: "local", partitions: 1 });
    });

    for (const [what, content, expected] of [
      ["not JSON", "{", 400],
      ["another kind", JSON.stringify({ apiVersion: "v1", kind: "Pod" }), 400],
      ["no name", JSON.stringify({ ...topic("x", {}), metadata: {} }), 422],
      ["a spec that is a number", JSON.stringify({ ...topic("x", {}), spec: 7 }), 422],
    ] as const) {
      it(`${what}: ${expected}`, async () => {
        assert.equal((await send(cluster, "topics", "POST", content)).status, expected);
      });
    }
  });
});

function topic(name: string, spec: Record<string, unknown>): Record<string, unknown> {
  return {
    apiVersion: "forebay.dev/v1alpha1",
    kind: "Topic",
    metadata: { name },
    spec: { cluster: "local", partitions: 1, ...spec },
  };
}

interface ApiAnswer {
  readonly status: number;
  readonly body: {
    readonly message?: string;
    readonly spec?: unknown;
    readonly status?: { readonly conditions?: readonly Condition[] };
  };
}

async function send(
  cluster: LocalCluster,
  resource: string,
  method: string,
  content?: string,
): Promise<ApiAnswer> {
  const server = /server: (\S+)/.exec(readFileSync(cluster.kubeconfig, "utf8"))?.[1] ?? "";
  const url = `${server}/apis/forebay.dev/v1alpha1/namespaces/default/${resource}`;
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method, headers, ...(content ? { body: content } : {}) });
  return { status: response.status, body: (await response.json()) as ApiAnswer["body"] };
}

function post(cluster: LocalCluster, resource: string, object: unknown): Promise<ApiAnswer> {
  return send(cluster, resource, "POST", JSON.stringify(object));
}

function get(cluster: LocalCluster, resource: string, name: string): Promise<ApiAnswer> {
  return send(cluster, `${resource}/${name}`, "GET");
}

function condition(cluster: LocalCluster, name: string): Promise<Condition> {
  return eventually(async () => {
    const { body } = await get(cluster, "topics", name);
    return body.status?.conditions?.find(({ type }) => type === "Ready");
  }, `a condition of ${name}`);
}

/** All that the broker's process has logged. */
function logOf(cluster: LocalCluster): string {
  const folder = path.join(cluster.directory, "logs");
  const names = readdirSync(folder).filter((name) => name.startsWith("local-0"));
  return names.map((name) => readFileSync(path.join(folder, name), "utf8")).join("\n");
}

/** Waits for the one line that the broker logs of a connection, and looks that it says what it should. */
async function oneLine(
  cluster: LocalCluster,
  connection: RawConnection,
  log: RegExp,
): Promise<void> {
  const about = `"${connection.local}"`;
  const lines = await eventually(() => {
    const found = logOf(cluster)
      .split("\n")
      .filter((line) => line.includes(about));
    return Promise.resolve(found.length > 0 ? found : undefined);
  }, `a line about ${about}`);
  assert.equal(lines.length, 1, lines.join("\n"));
  // Fields are in the order of their names.
  const { message, ...rest } = JSON.parse(lines[0] ?? "") as { readonly message: string };
  assert.match(`${message} ${JSON.stringify(rest)}`, log);
}

/** Short enough for a test to wait for it; the operator starts the broker anew with it. */
async function setIdleTime(cluster: LocalCluster): Promise<void> {
  const before = (await cluster.processes()).get(0);
  const kube = await cluster.kube();
  try {
    await kube.jsonPatch(brokerClusters, "default", "local", [
      {
        op: "add",
        path: "/spec/config/connections.max.idle.ms",
        value: String(IDLE_MS),
      },
    ]);
    await eventually(async () => {
      const now = (await cluster.processes()).get(0);
      const { status } = await kube.get(brokerClusters, "default", "local");
      return now !== undefined && now !== before && status?.readyBrokers === 1 ? now : undefined;
    }, "the broker has its new configuration");
  } finally {
    kube.close();
  }
}

async function createTopic(cluster: LocalCluster): Promise<void> {
  const kube = await cluster.kube();
  try {
    await kube.create(topics, "default", {
      apiVersion: "forebay.dev/v1alpha1",
      kind: "Topic",
      metadata: { name: TOPIC },
      spec: { cluster: "local", partitions: 1 },
    });
    await eventually(async () => {
      const ready = await condition(cluster, TOPIC);
      return ready.status === "True" ? true : undefined;
    }, "the topic is ready");
  } finally {
    kube.close();
  }
}

function batch(value: string): Uint8Array {
  return buildBatch({ records: [{ value: Buffer.from(value), timestamp: Date.now() }] });
}

/** A batch of exactly so many bytes. */
function batchOfSize(size: number): Uint8Array {
  const overhead = batch("x".repeat(size - 100)).length - (size - 100);
  const bytes = batch("x".repeat(size - overhead));
  assert.equal(bytes.length, size);
  return bytes;
}

async function produceOn(connection: RawConnection, records: Uint8Array): Promise<number> {
  const { responses } = await connection.ask(produceRequest, produceResponse, 9, {
    transactionalId: null,
    acks: -1,
    timeoutMs: 10_000,
    topicData: [{ name: TOPIC, topicId: NO_ID, partitionData: [{ index: 0, records }] }],
  });
  return responses[0]?.partitionResponses[0]?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR;
}

/** The partition's log end offset. */
async function endOffset(connection: RawConnection): Promise<number | undefined> {
  const { topics: found } = await connection.ask(listOffsetsRequest, listOffsetsResponse, 2, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
  });
  assert.equal(found[0]?.partitions[0]?.errorCode, ErrorCode.NONE);
  return found[0].partitions[0].offset;
}

async function produce(cluster: LocalCluster, records: Uint8Array): Promise<number> {
  const connection = await RawConnection.open(cluster.port);
  try {
    return await produceOn(connection, records);
  } finally {
    connection.destroy();
  }
}
