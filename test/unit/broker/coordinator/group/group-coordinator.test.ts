import assert from "node:assert/strict";
import {
  GroupCoordinator,
  partitionOf,
  type GroupCoordinatorOptions,
} from "../../../../../broker/coordinator/group/group-coordinator.ts";
import { groupRecordFormat } from "../../../../../broker/coordinator/group/group-record-format.ts";
import { ProtocolError } from "../../../../../broker/errors.ts";
import { handleFindCoordinator } from "../../../../../broker/handlers/find-coordinator.ts";
import type { RequestContext } from "../../../../../broker/handlers/handler.ts";
import { handleOffsetCommit } from "../../../../../broker/handlers/offset-commit.ts";
import { handleOffsetFetch } from "../../../../../broker/handlers/offset-fetch.ts";
import type { TopicImage } from "../../../../../broker/metadata/view.ts";
import { ErrorCode } from "../../../../../broker/protocol/error-codes.ts";
import { silentLogger } from "../../../../../lib/logger.ts";
import { seededRandom } from "../../../../../lib/random.ts";
import { FakePartition, FakeScheduler } from "../fakes.ts";

const TOPIC_ID = "00112233-4455-6677-8899-aabbccddeeff";

/** Stores the real batches and commits at once. */
class InstantPartition extends FakePartition {
  override append(bytes: Uint8Array): ReturnType<FakePartition["append"]> {
    const copy = bytes.slice();
    const base = this.end;
    new DataView(copy.buffer).setBigInt64(0, BigInt(base));
    const count = [...groupRecordFormat.decode(copy)].reduce(
      (sum, each) => sum + each.nextOffset - base,
      0,
    );
    this.batches.push({ base, count, bytes: copy });
    this.commit();
    return { baseOffset: base, lastOffset: base + count - 1, duplicate: false, logAppendTime: -1 };
  }
}

class Harness {
  readonly scheduler = new FakeScheduler();
  readonly topics = new Map<string, TopicImage>();
  readonly partition = new InstantPartition(0, 1);
  #gone: (name: string, topicId: string) => void = () => undefined;
  readonly groups: GroupCoordinator;
  readonly context: RequestContext;

  constructor() {
    const { topics } = this;
    const endpoints = [
      { name: "plaintext", host: "b0", port: 9092, protocol: "PLAINTEXT" as const },
    ];
    const metadata = {
      topics,
      get topicsById() {
        return new Map([...topics.values()].map((topic) => [topic.topicId, topic]));
      },
      brokers: new Map([[0, { id: 0, epoch: 1, endpoints, rack: undefined, fenced: false }]]),
      brokerConfig: new Map<string, string>(),
      onTopicGone: (listener: (name: string, topicId: string) => void) => {
        this.#gone = listener;
        return () => undefined;
      },
    };
    this.groups = new GroupCoordinator({
      brokerId: 0,
      clusterName: "c",
      namespace: "n",
      scheduler: this.scheduler,
      random: seededRandom(1),
      logger: silentLogger,
      metadata,
      topicAdmin: {
        ensureInternalTopic: async (name: string) => {
          await Promise.resolve();
          this.topic(name, "11111111-1111-4111-8111-111111111111");
        },
      },
    } as unknown as GroupCoordinatorOptions);
    this.context = {
      services: { groups: this.groups, metadata, environment: { scheduler: this.scheduler } },
      clientId: "c",
      clientHost: "h",
      listener: "plaintext",
      apiVersion: 0,
    } as unknown as RequestContext;
  }

  topic(name: string, topicId: string): void {
    this.topics.set(name, {
      name,
      topicId,
      partitions: [{ partition: 0, leader: 0 }],
    } as unknown as TopicImage);
  }

  deleteTopic(name: string): void {
    const topicId = this.topics.get(name)?.topicId;
    assert.ok(topicId !== undefined);
    this.topics.delete(name);
    this.#gone(name, topicId);
  }

  async lead(): Promise<void> {
    this.topic("t", TOPIC_ID);
    await this.groups.findCoordinator("g");
    this.groups.onBecameLeader(this.partition.hosted);
    await this.scheduler.settle();
  }

  async commit(version: number, metadata = "m"): Promise<number | undefined> {
    const request = {
      groupId: "g",
      generationIdOrMemberEpoch: -1,
      memberId: "",
      groupInstanceId: null,
      retentionTimeMs: -1,
      topics: [
        {
          name: version >= 10 ? "" : "t",
          topicId: TOPIC_ID,
          partitions: [
            {
              partitionIndex: 0,
              committedOffset: 7,
              committedLeaderEpoch: 2,
              committedMetadata: metadata,
            },
          ],
        },
      ],
    };
    const response = await handleOffsetCommit(this.context, request, version);
    return response.topics[0]?.partitions[0]?.errorCode;
  }

  async fetch(version: number, all = false): Promise<unknown> {
    const topics = all
      ? null
      : [{ name: version >= 10 ? "" : "t", topicId: TOPIC_ID, partitionIndexes: [0, 1] }];
    const group = { groupId: "g", memberId: null, memberEpoch: -1, topics };
    const request = { groupId: "g", topics, groups: [group], requireStable: false };
    const response = await handleOffsetFetch(this.context, request, version);
    return version >= 8 ? response.groups[0]?.topics : response.topics;
  }
}

const found = {
  partitionIndex: 0,
  committedOffset: 7,
  committedLeaderEpoch: 2,
  metadata: "m",
  errorCode: 0,
};
const none = {
  partitionIndex: 1,
  committedOffset: -1,
  committedLeaderEpoch: -1,
  metadata: "",
  errorCode: 0,
};

describe("GroupCoordinator", () => {
  it("chooses partitions as Kafka does", () => {
    for (const name of ["", "my-group", "consumer-ä", "a".repeat(300)]) {
      let hash = 0n;
      for (let i = 0; i < name.length; i++)
        hash = BigInt.asIntN(32, hash * 31n + BigInt(name.charCodeAt(i)));
      const positive = hash < 0n ? -hash : hash;
      assert.equal(partitionOf(name, 50), Number(positive % 50n));
    }
    // "polygenelubricants".hashCode() is Integer.MIN_VALUE, whose absolute value Java does not have.
    assert.equal(partitionOf("polygenelubricants", 50), 0);
  });

  it("creates the offsets topic at the first FindCoordinator and names its leader", async () => {
    const harness = new Harness();
    const request = { key: "", keyType: 0, coordinatorKeys: ["g", ""] };
    const response = await handleFindCoordinator(harness.context, request, 4);
    assert.deepEqual(
      response.coordinators.map(({ key, nodeId, host, port, errorCode }) => [
        key,
        nodeId,
        host,
        port,
        errorCode,
      ]),
      [
        ["g", 0, "b0", 9092, ErrorCode.NONE],
        ["", -1, "", -1, ErrorCode.INVALID_GROUP_ID],
      ],
    );
    const transactional = await handleFindCoordinator(
      harness.context,
      { ...request, key: "x", keyType: 1 },
      2,
    );
    assert.equal(transactional.errorCode, ErrorCode.UNSUPPORTED_VERSION);
  });

  it("answers NOT_COORDINATOR for groups it does not lead", async () => {
    const harness = new Harness();
    await assert.rejects(
      harness.groups.describe("g"),
      (error) => error instanceof ProtocolError && error.errorCode === ErrorCode.NOT_COORDINATOR,
    );
  });

  for (const [commit, fetch] of [
    [2, 1],
    [9, 7],
    [9, 9],
    [10, 10],
  ] as const) {
    it(`gives with OffsetFetch ${String(fetch)} what OffsetCommit ${String(commit)} stored`, async () => {
      const harness = new Harness();
      await harness.lead();
      assert.equal(await harness.commit(commit), ErrorCode.NONE);
      const topics = (await harness.fetch(fetch)) as { partitions: unknown[] }[];
      assert.deepEqual(topics[0]?.partitions, [found, none]);
    });
  }

  it("gives all offsets of a group for null topics", async () => {
    const harness = new Harness();
    await harness.lead();
    await harness.commit(9);
    assert.deepEqual(await harness.fetch(9, true), [
      { name: "t", topicId: TOPIC_ID, partitions: [found] },
    ]);
  });

  it("refuses metadata over 4,096 characters and unknown topics", async () => {
    const harness = new Harness();
    await harness.lead();
    assert.equal(await harness.commit(9, "m".repeat(4_097)), ErrorCode.OFFSET_METADATA_TOO_LARGE);
    harness.deleteTopic("t");
    assert.equal(await harness.commit(9), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    assert.equal(await harness.commit(10), ErrorCode.UNKNOWN_TOPIC_ID);
  });

  it("forgets offsets of a deleted topic, and a later topic of that name has none", async () => {
    const harness = new Harness();
    await harness.lead();
    await harness.commit(9);
    harness.deleteTopic("t");
    harness.topic("t", "99999999-9999-4999-8999-999999999999");
    const topics = (await harness.fetch(9)) as { partitions: { committedOffset: number }[] }[];
    assert.equal(topics[0]?.partitions[0]?.committedOffset, -1);
    assert.equal(harness.partition.batches.length, 2);
  });

  it("loads what it wrote in Kafka's format, lists, describes and deletes it", async () => {
    const harness = new Harness();
    await harness.lead();
    await harness.commit(9);
    const next = new InstantPartition(0, 2, harness.partition.batches);
    harness.groups.onBecameLeader(next.hosted);
    await harness.scheduler.settle();
    assert.deepEqual(await harness.groups.list(), [
      { groupId: "g", protocolType: "", state: "Empty" },
    ]);
    assert.equal((await harness.groups.describe("g"))?.state, "Empty");
    assert.equal(await harness.groups.deleteGroup("g"), ErrorCode.NONE);
    assert.equal(await harness.groups.describe("g"), undefined);
    assert.equal(await harness.groups.deleteGroup("g"), ErrorCode.GROUP_ID_NOT_FOUND);
  });
});
