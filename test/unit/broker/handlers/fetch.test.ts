import assert from "node:assert/strict";
import { handleFetch } from "../../../../broker/handlers/fetch.ts";
import { HeldAnswer } from "../../../../broker/handlers/handler.ts";
import { ErrorCode } from "../../../../broker/protocol/error-codes.ts";
import { AnswerMemory } from "../../../../broker/network/answer-memory.ts";
import {
  type FetchRequest,
  fetchRequest,
  type FetchResponse,
  fetchResponse,
} from "../../../../broker/protocol/messages/fetch.ts";
import { deferred } from "../network/fakes.ts";
import { ask, type FakeHosted, HandlerWorld, TOPIC_ID } from "./fakes.ts";

interface Asked {
  readonly partitions: readonly { readonly partition: number; readonly offset?: number }[];
  readonly maxWaitMs?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
  readonly sessionId?: number;
  readonly sessionEpoch?: number;
  readonly leaderEpoch?: number;
  readonly rackId?: string;
  readonly replicaId?: number;
}

const VERSION = 17;

function requestOf(asked: Asked): Parameters<typeof fetchRequest.encode>[0] {
  const {
    maxWaitMs = 500,
    minBytes = 1,
    maxBytes = 1 << 20,
    sessionId = 0,
    sessionEpoch = -1,
  } = asked;
  return {
    maxWaitMs,
    minBytes,
    maxBytes,
    sessionId,
    sessionEpoch,
    rackId: asked.rackId ?? "",
    replicaState: { replicaId: asked.replicaId ?? -1, replicaEpoch: 1 },
    topics: [
      {
        topic: "a",
        topicId: TOPIC_ID,
        partitions: asked.partitions.map(({ partition, offset = 0 }) => ({
          partition,
          fetchOffset: offset,
          currentLeaderEpoch: asked.leaderEpoch ?? -1,
          partitionMaxBytes: 1 << 20,
        })),
      },
    ],
  };
}

function fetch(world: HandlerWorld, asked: Asked, version = VERSION): Promise<FetchResponse> {
  const listener = (asked.replicaId ?? -1) < 0 ? "plaintext" : "internal";
  return ask(world, handleFetch, fetchRequest, fetchResponse, version, requestOf(asked), listener);
}

/** Partition and bytes of records, in the order of the answer. */
function bytesOf(answer: FetchResponse): [number, number][] {
  return answer.responses.flatMap(({ partitions }) =>
    partitions.map(({ partitionIndex, records }): [number, number] => [
      partitionIndex,
      records?.length ?? 0,
    ]),
  );
}

function worldOf(partitions: number): { world: HandlerWorld; hosted: FakeHosted[] } {
  const world = new HandlerWorld();
  world.broker(0);
  world.broker(1, "b");
  world.topic(
    "a",
    Array.from({ length: partitions }, () => ({})),
  );
  const hosted = Array.from({ length: partitions }, (_, at) => world.host("a", at));
  return { world, hosted };
}

describe("fetch", () => {
  it("gives a broker that repairs its copy what is not committed too, and consumers do not get it", async () => {
    const { world, hosted } = worldOf(1);
    const [first] = hosted;
    assert.ok(first !== undefined);
    world.append(first, 4);
    first.highWatermark = 1;
    const asked = requestOf({ partitions: [{ partition: 0 }], maxWaitMs: 0, minBytes: 0 });
    for (const [listener, bytes] of [
      ["internal", 40],
      ["plaintext", 10],
    ] as const) {
      const answer = await ask(
        ...([world, handleFetch, fetchRequest, fetchResponse] as const),
        ...([VERSION, asked, listener] as const),
      );
      assert.deepEqual(bytesOf(answer), [[0, bytes]], listener);
    }
  });

  it("is answered as soon as there are records, and waits for nothing afterwards", async () => {
    const { world, hosted } = worldOf(2);
    const [first] = hosted;
    assert.ok(first !== undefined);
    const answering = fetch(world, { partitions: [{ partition: 0 }, { partition: 1 }] });
    await world.scheduler.advance(100);
    assert.equal(world.waiting, 2);
    world.append(first, 2);
    assert.deepEqual(bytesOf(await answering), [
      [0, 20],
      [1, 0],
    ]);
    assert.ok(world.scheduler.now() < 500);
    assert.deepEqual([world.waiting, world.connection.listeners], [0, 0]);
    assert.deepEqual(
      hosted.map(({ fakeLog }) => fakeLog.held),
      [0, 0],
    );
  });

  it("notices what was appended to one partition while another was still read from disk", async () => {
    const { world, hosted } = worldOf(2);
    const [first, second] = hosted;
    assert.ok(first !== undefined && second !== undefined);
    const disk = deferred<undefined>();
    second.fakeLog.gate = disk.promise;
    const answering = fetch(world, { partitions: [{ partition: 0 }, { partition: 1 }] });
    await world.scheduler.advance(1);
    assert.equal(first.fakeLog.reads, 1);
    world.append(first, 1);
    disk.resolve(undefined);
    assert.deepEqual(bytesOf(await answering), [
      [0, 10],
      [1, 0],
    ]);
    assert.ok(world.scheduler.now() < 500, "not at the end of its wait");
  });

  it("notices that leadership was lost meanwhile", async () => {
    const { world, hosted } = worldOf(2);
    const [first, second] = hosted;
    assert.ok(first !== undefined && second !== undefined);
    const disk = deferred<undefined>();
    second.fakeLog.gate = disk.promise;
    const answering = fetch(world, { partitions: [{ partition: 0 }, { partition: 1 }] });
    await world.scheduler.advance(1);
    first.isLeader = false;
    world.progress(first);
    disk.resolve(undefined);
    const answer = await answering;
    assert.equal(answer.responses[0]?.partitions[0]?.errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER);
    assert.ok(world.scheduler.now() < 500);
  });

  it("answers empty records, never null ones, where there are none to give", async () => {
    const { world, hosted } = worldOf(3);
    const [, , elsewhere] = hosted;
    assert.ok(elsewhere !== undefined);
    elsewhere.isLeader = false;
    const asked = [
      { partition: 0 },
      { partition: 1, offset: 99 },
      { partition: 2 },
      { partition: 3 },
    ];
    const answer = await fetch(world, { partitions: asked, maxWaitMs: 0 });
    assert.deepEqual(
      answer.responses[0]?.partitions.map(({ errorCode, records }) => [errorCode, records?.length]),
      [
        [ErrorCode.NONE, 0],
        [ErrorCode.OFFSET_OUT_OF_RANGE, 0],
        [ErrorCode.NOT_LEADER_OR_FOLLOWER, 0],
        [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0],
      ],
    );
  });

  it("gives memory back when the client has gone while it was read", async () => {
    const { world, hosted } = worldOf(2);
    const [first, second] = hosted;
    assert.ok(first !== undefined && second !== undefined);
    world.append(first, 1);
    const disk = deferred<undefined>();
    first.fakeLog.gate = disk.promise;
    const request = fetchRequest.decode(
      fetchRequest.encode(requestOf({ partitions: [{ partition: 0 }, { partition: 1 }] }), VERSION),
      0,
      VERSION,
    );
    const answering = handleFetch(world.context(), request, VERSION);
    assert.ok(answering instanceof Promise);
    await world.scheduler.advance(1);
    world.connection.close();
    disk.resolve(undefined);
    const answer = await world.scheduler.until(answering);
    // Its connection drops the answer, and thereby gives it back.
    if (answer instanceof HeldAnswer) answer.release();
    assert.deepEqual([first.fakeLog.held, second.fakeLog.reads], [0, 0]);
  });

  it("gives memory back when a read fails", async () => {
    const { world, hosted } = worldOf(2);
    const [first, second] = hosted;
    assert.ok(first !== undefined && second !== undefined);
    world.append(first, 1);
    second.fakeLog.gate = Promise.reject(new Error("the volume failed"));
    await assert.rejects(fetch(world, { partitions: [{ partition: 0 }, { partition: 1 }] }), {
      message: "the volume failed",
    });
    assert.equal(first.fakeLog.held, 0);
    assert.equal(world.connection.listeners, 0);
  });

  it("gives each partition of a session its turn when an answer holds but one", async () => {
    const { world, hosted } = worldOf(3);
    for (const one of hosted) world.append(one, 5);
    const partitions = [{ partition: 0 }, { partition: 1 }, { partition: 2 }];
    const first = await fetch(world, { partitions, sessionEpoch: 0, maxBytes: 10 });
    const turns = [first];
    for (const sessionEpoch of [1, 2, 3]) {
      const { sessionId } = first;
      turns.push(await fetch(world, { partitions: [], sessionId, sessionEpoch, maxBytes: 10 }));
    }
    assert.deepEqual(
      turns.map((answer) => bytesOf(answer).find(([, bytes]) => bytes > 0)),
      [0, 1, 2, 0].map((partition) => [partition, 10]),
    );
  });

  describe("from the nearest replica (KIP-392)", () => {
    const SELECTOR = "org.apache.kafka.common.replica.RackAwareReplicaSelector";

    /** Brokers 0 in rack a (under test), 1 in b, 2 in c; all in sync. */
    function racks(
      config: Readonly<Record<string, string>> = { "replica.selector.class": SELECTOR },
    ): {
      world: HandlerWorld;
      hosted: FakeHosted;
    } {
      const world = new HandlerWorld(config);
      for (const [id, rack] of ["a", "b", "c"].entries()) world.broker(id, rack);
      world.topic("a", [{ placement: { replicas: [0, 1, 2] } }]);
      const hosted = world.host("a", 0);
      hosted.fakeLog.logEndOffset = 100;
      hosted.highWatermark = 90;
      hosted.followers = [1, 2].map((id) => ({
        id,
        logStartOffset: 0,
        logEndOffset: 90,
        caughtUpAt: 0,
      }));
      return { world, hosted };
    }

    const cases: readonly {
      readonly name: string;
      readonly rackId: string;
      readonly version?: number;
      readonly config?: Readonly<Record<string, string>>;
      readonly change?: (world: HandlerWorld, hosted: FakeHosted) => void;
      readonly sentTo: number;
    }[] = [
      { name: "sends a consumer to the replica in its rack", rackId: "b", sentTo: 1 },
      { name: "does so from version 11 on", rackId: "b", version: 11, sentTo: 1 },
      { name: "keeps one that is in its own rack", rackId: "a", sentTo: -1 },
      { name: "keeps one in whose rack there is none", rackId: "d", sentTo: -1 },
      { name: "keeps one that does not say where it is", rackId: "", sentTo: -1 },
      { name: "keeps all unless it is configured", rackId: "b", config: {}, sentTo: -1 },
      {
        name: "does not send it to a broker that is stopping",
        rackId: "b",
        change: (world) => {
          world.broker(1, "b", "draining");
        },
        sentTo: -1,
      },
      {
        name: "does not send it to one that lacks the offset",
        rackId: "b",
        change: (_, hosted) => {
          hosted.followers = [{ id: 1, logStartOffset: 0, logEndOffset: 49, caughtUpAt: 0 }];
        },
        sentTo: -1,
      },
    ];
    for (const { name, rackId, version = VERSION, config, change, sentTo } of cases) {
      it(name, async () => {
        const { world, hosted } = racks(config);
        change?.(world, hosted);
        const asked = { partitions: [{ partition: 0, offset: 50 }], rackId };
        const answer = await fetch(world, asked, version);
        const partition = answer.responses[0]?.partitions[0];
        assert.equal(partition?.preferredReadReplica, sentTo);
        assert.equal(partition.records?.length, sentTo < 0 ? 400 : 0);
        assert.ok(world.scheduler.now() < 500, "at once");
      });
    }

    it("lets a follower answer up to the high watermark that it knows, and waits there", async () => {
      const { world, hosted } = racks();
      hosted.isLeader = false;
      hosted.leader = 1;
      assert.deepEqual(
        bytesOf(await fetch(world, { rackId: "a", partitions: [{ partition: 0, offset: 50 }] })),
        [[0, 400]],
      );
      const answering = fetch(world, { rackId: "a", partitions: [{ partition: 0, offset: 90 }] });
      await world.scheduler.advance(100);
      assert.equal(world.waiting, 1);
      hosted.highWatermark = 95;
      world.progress(hosted);
      assert.deepEqual(bytesOf(await answering), [[0, 50]]);
      assert.ok(world.scheduler.now() < 500);
    });

    const refusals: readonly [string, number, string, (hosted: FakeHosted) => void][] = [
      [
        "to consumers of versions before 11",
        10,
        "a",
        (hosted) => {
          hosted.leader = 1;
        },
      ],
      [
        "to consumers that do not say where they are",
        VERSION,
        "",
        (hosted) => {
          hosted.leader = 1;
        },
      ],
      [
        "while it knows no leader",
        VERSION,
        "a",
        (hosted) => {
          hosted.leader = -1;
        },
      ],
      [
        "while it is out of touch",
        VERSION,
        "a",
        (hosted) => {
          hosted.leader = 1;
          hosted.outOfTouch = true;
        },
      ],
    ];
    for (const [name, version, rackId, change] of refusals) {
      it(`has a follower answer nothing ${name}`, async () => {
        const { world, hosted } = racks();
        hosted.isLeader = false;
        change(hosted);
        const answer = await fetch(world, { rackId, partitions: [{ partition: 0 }] }, version);
        assert.equal(
          answer.responses[0]?.partitions[0]?.errorCode,
          ErrorCode.NOT_LEADER_OR_FOLLOWER,
        );
      });
    }

    for (const configured of [true, false]) {
      it(`${configured ? "tells" : "does not tell"} a follower at once how far is committed ${configured ? "when consumers read there" : "otherwise"}`, async () => {
        const { world, hosted } = racks(configured ? undefined : {});
        const asked = { replicaId: 1, partitions: [{ partition: 0, offset: 100 }] };
        const first = await fetch(world, { ...asked, sessionEpoch: 0, maxWaitMs: 0 });
        const next = ask(
          world,
          handleFetch,
          fetchRequest,
          fetchResponse,
          VERSION,
          requestOf({ ...asked, sessionId: first.sessionId, sessionEpoch: 1 }),
          "internal",
        );
        await world.scheduler.advance(100);
        hosted.highWatermark = 100;
        world.progress(hosted);
        const answer = await next;
        assert.equal(answer.responses[0]?.partitions[0]?.highWatermark, 100);
        assert.equal(world.scheduler.now() < 500, configured);
      });
    }
  });

  describe("tells the leader to one who asked another broker (KIP-951)", () => {
    const cases: readonly {
      readonly name: string;
      readonly version: number;
      readonly leaderEpoch?: number;
      readonly leader: number;
      readonly code: number;
      readonly told: readonly [number, number];
      readonly nodes: readonly number[];
    }[] = [
      {
        name: "from version 16 on",
        version: 16,
        leader: 1,
        code: ErrorCode.NOT_LEADER_OR_FOLLOWER,
        told: [1, 7],
        nodes: [1],
      },
      {
        name: "not before",
        version: 15,
        leader: 1,
        code: ErrorCode.NOT_LEADER_OR_FOLLOWER,
        told: [-1, -1],
        nodes: [],
      },
      {
        name: "when the client's leader epoch is old",
        version: 16,
        leaderEpoch: 6,
        leader: 0,
        code: ErrorCode.FENCED_LEADER_EPOCH,
        told: [0, 7],
        nodes: [0],
      },
      {
        name: "but not when the client knows more than this broker",
        version: 16,
        leaderEpoch: 8,
        leader: 0,
        code: ErrorCode.UNKNOWN_LEADER_EPOCH,
        told: [-1, -1],
        nodes: [],
      },
      {
        name: "and nobody when there is none",
        version: 17,
        leader: -1,
        code: ErrorCode.NOT_LEADER_OR_FOLLOWER,
        told: [-1, -1],
        nodes: [],
      },
    ];
    for (const { name, version, leaderEpoch, leader, code, told, nodes } of cases) {
      it(name, async () => {
        const world = new HandlerWorld();
        world.broker(0);
        world.broker(1, "b");
        world.topic("a", [{ placement: { replicas: [0, 1] }, state: { leader, leaderEpoch: 7 } }]);
        world.host("a", 0);
        const answer = await fetch(
          world,
          {
            partitions: [{ partition: 0 }],
            ...(leaderEpoch === undefined ? {} : { leaderEpoch }),
          },
          version,
        );
        const partition = answer.responses[0]?.partitions[0];
        assert.equal(partition?.errorCode, code);
        assert.deepEqual(
          [partition.currentLeader.leaderId, partition.currentLeader.leaderEpoch],
          told,
        );
        assert.deepEqual(
          answer.nodeEndpoints.map(({ nodeId }) => nodeId),
          nodes,
        );
        if (nodes[0] === 1)
          assert.deepEqual(answer.nodeEndpoints[0], {
            nodeId: 1,
            host: "broker-1",
            port: 9093,
            rack: "b",
          });
      });
    }
  });
});

describe("fetch: memory for what is not in memory", () => {
  /** A world whose log answers from its files, and some megabytes for reads and answers. */
  function coldWorld(): { world: HandlerWorld; hosted: FakeHosted[]; answers: AnswerMemory } {
    const { world, hosted } = worldOf(2);
    const answers = new AnswerMemory(4_000_000);
    world.answers = answers;
    for (const one of hosted) world.append(one, 1000);
    const [cold] = hosted;
    if (cold !== undefined) cold.fakeLog.gate = Promise.resolve();
    return { world, hosted, answers };
  }

  it("is counted until the answer was sent", async () => {
    const { world, answers } = coldWorld();
    const result = await handleFetch(
      { ...world.context(), apiVersion: VERSION },
      decoded({ partitions: [{ partition: 0 }] }),
      VERSION,
    );
    assert.ok(result instanceof HeldAnswer);
    assert(answers.usedBytes > 10_000);
    result.release();
    assert.equal(answers.usedBytes, 0);
  });

  it("of which half is taken gives each fetch something, and then nothing more", async () => {
    const { world, hosted, answers } = coldWorld();
    for (const one of hosted) one.fakeLog.gate = Promise.resolve();
    const both = { partitions: [{ partition: 0 }, { partition: 1 }] };
    assert.deepEqual(bytesOf(await fetch(world, both)), [
      [0, 10_000],
      [1, 10_000],
    ]);
    answers.hold(2_000_000);
    assert.deepEqual(bytesOf(await fetch(world, both)), [
      [0, 10_000],
      [1, 0],
    ]);
  });

  it("when there is none what is in memory is answered, and the rest is as if nothing were there", async () => {
    const { world, answers } = coldWorld();
    answers.hold(4_000_000);
    let short = 0;
    answers.onShort = () => short++;
    const answer = await fetch(world, { partitions: [{ partition: 0 }, { partition: 1 }] });
    assert.deepEqual(bytesOf(answer), [
      [0, 0],
      [1, 10_000],
    ]);
    assert.equal(short, 1);
    assert.equal(answers.usedBytes, 4_000_000);
  });

  it("that comes back is promised to as many as there is room for, in order, and to none that has gone", async () => {
    const { world, answers } = coldWorld();
    answers.hold(4_000_000);
    const asked = { partitions: [{ partition: 0 }], maxWaitMs: 1000 };
    const waiting = Array.from({ length: 5 }, () => fetch(world, asked));
    await world.scheduler.advance(100);
    assert.equal(answers.room.waiting, 5);
    answers.giveBack(2_000_000);
    assert.equal(answers.room.waiting, 3, "two reads of a megabyte");
    // The others are told as the first are sent; what was promised to those whose connection breaks is nobody's.
    world.connection.close();
    await world.scheduler.advance(2000);
    await Promise.all(waiting);
    assert.equal(answers.room.waiting, 0);
    assert.equal(answers.usedBytes, 2_000_000);
  });

  it("is waited for as long as the fetch may wait, and then answered without", async () => {
    for (const comes of [true, false]) {
      const { world, answers } = coldWorld();
      answers.hold(4_000_000);
      const answering = fetch(world, { partitions: [{ partition: 0 }], maxWaitMs: 500 });
      await world.scheduler.advance(400);
      assert.equal(answers.room.waiting, 1);
      if (comes) answers.giveBack(4_000_000);
      await world.scheduler.advance(100);
      assert.deepEqual(bytesOf(await answering), [[0, comes ? 10_000 : 0]]);
      assert.equal(answers.room.waiting, 0);
    }
  });
});

/** A request as the handler gets it. */
function decoded(asked: Asked): FetchRequest {
  return fetchRequest.decode(fetchRequest.encode(requestOf(asked), VERSION), 0, VERSION);
}
