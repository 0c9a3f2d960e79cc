import assert from "node:assert/strict";
import { handleFetch } from "../../../../broker/handlers/fetch.ts";
import { ErrorCode } from "../../../../broker/protocol/error-codes.ts";
import { fetchRequest, fetchResponse } from "../../../../broker/protocol/messages/fetch.ts";
import { ask, type FakeHosted, HandlerWorld } from "./fakes.ts";
import { bytesOf, fetch, requestOf, VERSION } from "./fetch-asked.ts";

describe("fetch from the nearest replica (KIP-392)", () => {
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
      assert.equal(answer.responses[0]?.partitions[0]?.errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER);
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
