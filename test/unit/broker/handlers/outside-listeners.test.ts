import assert from "node:assert/strict";
import { handleDescribeCluster } from "../../../../broker/handlers/describe-cluster.ts";
import { LeaderHints } from "../../../../broker/handlers/common.ts";
import { handleFindCoordinator } from "../../../../broker/handlers/find-coordinator.ts";
import { handleMetadata } from "../../../../broker/handlers/metadata.ts";
import { errorName } from "../../../../broker/protocol/error-codes.ts";
import {
  describeClusterRequest,
  describeClusterResponse,
} from "../../../../broker/protocol/messages/describe-cluster.ts";
import {
  findCoordinatorRequest,
  findCoordinatorResponse,
} from "../../../../broker/protocol/messages/find-coordinator.ts";
import {
  metadataRequest,
  metadataResponse,
} from "../../../../broker/protocol/messages/metadata.ts";
import type { GroupCoordinator } from "../../../../broker/coordinator/group/group-coordinator.ts";
import type { ListenerSpec, ListenerStatus } from "../../../../cluster/listeners.ts";
import { ask, HandlerWorld } from "./fakes.ts";

const TOPIC = "00000000-0000-4000-8000-000000000001";
const SPEC: readonly ListenerSpec[] = [{ name: "outside", port: 9094, type: "nodeport" }];
const at = (id: number, host: string, port: number) => ({ id, host, port });

/** Brokers 0 and 1, each leading a partition of topic a; what is known of listener `outside` is found. */
function worldOf(...found: ListenerStatus["brokers"]): HandlerWorld {
  const world = new HandlerWorld();
  world.listeners(SPEC, [{ name: "outside", brokers: found }]);
  for (const id of [0, 1]) world.broker(id);
  world.topic("a", [{}, { placement: { replicas: [1] } }], { topicId: TOPIC });
  return world;
}

/** What a client of the listener is told: brokers, and leader or error of each partition. */
async function told(world: HandlerWorld, listener: string, version = 12): Promise<unknown[]> {
  const { brokers, topics } = await ask(
    ...([world, handleMetadata, metadataRequest, metadataResponse, version] as const),
    { topics: [{ name: "a" }] },
    listener,
  );
  return [
    brokers.map(({ nodeId, host, port }) => `${nodeId}=${host}:${port}`),
    topics.flatMap(({ partitions }) =>
      partitions.map((one) => (one.errorCode === 0 ? one.leaderId : errorName(one.errorCode))),
    ),
  ];
}

const INSIDE = [
  ["0=broker-0:9093", "1=broker-1:9093"],
  [0, 1],
];
const OUTSIDE = [
  ["0=198.51.100.1:30001", "1=198.51.100.2:30002"],
  [0, 1],
];
const BOTH = [at(0, "198.51.100.1", 30_001), at(1, "198.51.100.2", 30_002)];

describe("clients from outside", () => {
  it("are told the addresses of the listener that they came in by, and others those of theirs", async () => {
    const world = worldOf(...BOTH);
    assert.deepEqual(await told(world, "outside"), OUTSIDE);
    assert.deepEqual(await told(world, "plaintext"), INSIDE);
  });

  it("hear of a broker that has moved without a restart", async () => {
    const world = worldOf(...BOTH);
    const moved = at(1, "198.51.100.3", 30_002);
    world.listeners(SPEC, [{ name: "outside", brokers: [at(0, "198.51.100.1", 30_001), moved] }]);
    const expected = [
      ["0=198.51.100.1:30001", "1=198.51.100.3:30002"],
      [0, 1],
    ];
    assert.deepEqual(await told(world, "outside"), expected);
    // A broker that registers anew keeps it.
    world.broker(1);
    assert.deepEqual(await told(world, "outside"), expected);
  });

  const unknown: readonly (readonly [number, string])[] = [
    [5, "LEADER_NOT_AVAILABLE"],
    [6, "LISTENER_NOT_FOUND"],
    [12, "LISTENER_NOT_FOUND"],
  ];
  for (const [version, error] of unknown) {
    it(`a leader without an address there is ${error} in version ${version}`, async () => {
      const world = worldOf(at(0, "198.51.100.1", 30_001));
      const expected = [["0=198.51.100.1:30001"], [0, error]];
      assert.deepEqual(await told(world, "outside", version), expected);
      assert.deepEqual(await told(world, "plaintext", version), INSIDE);
    });
  }

  const wrong: readonly (readonly [string, ListenerSpec, string])[] = [
    ["is not in the spec", { name: "outside", port: 9094, type: "nodeport" }, "gone"],
    [
      "has the name of the brokers' own",
      { name: "internal", port: 9099, type: "nodeport" },
      "internal",
    ],
    [
      "has the name of that inside",
      { name: "plaintext", port: 9099, type: "nodeport" },
      "plaintext",
    ],
    ["is none from outside", { name: "other", port: 9094, type: "internal" }, "other"],
    ["has a port of the brokers' own", { name: "other", port: 9093, type: "nodeport" }, "other"],
  ];
  for (const [what, spec, name] of wrong) {
    it(`nobody is told of a listener that ${what}, and it is not opened`, async () => {
      const world = worldOf();
      world.listeners(
        [spec],
        [{ name, brokers: [at(0, "192.0.2.66", 1), at(1, "192.0.2.66", 2)] }],
      );
      assert.deepEqual([...world.image.outside.keys()], name === "gone" ? ["outside"] : []);
      assert.deepEqual(await told(world, "plaintext"), INSIDE);
      for (const [, { endpoints }] of world.image.brokers) {
        assert.deepEqual(
          endpoints.map((one) => one.name),
          ["internal", "plaintext"],
        );
      }
    });
  }

  it("find a coordinator, describe the cluster and are sent to leaders by that listener", async () => {
    const world = worldOf(...BOTH);
    const coordinator = world.image.brokers.get(1);
    const groups = { findCoordinator: () => Promise.resolve(coordinator) };
    world.extra = { groups: groups as unknown as GroupCoordinator };
    const found = await ask(
      ...([world, handleFindCoordinator, findCoordinatorRequest, findCoordinatorResponse] as const),
      4,
      { keyType: 0, coordinatorKeys: ["g"] },
      "outside",
    );
    const [one] = found.coordinators;
    assert.deepEqual([one?.nodeId, one?.host, one?.port], [1, "198.51.100.2", 30_002]);
    const cluster = await ask(
      ...([world, handleDescribeCluster, describeClusterRequest, describeClusterResponse] as const),
      2,
      {},
      "outside",
    );
    assert.deepEqual(
      cluster.brokers.map(({ brokerId, host, port }) => [brokerId, host, port]),
      [
        [0, "198.51.100.1", 30_001],
        [1, "198.51.100.2", 30_002],
      ],
    );
    const hints = new LeaderHints(world.context("outside"));
    assert.deepEqual(hints.for("a", TOPIC, 1), { leaderId: 1, leaderEpoch: 0 });
    assert.deepEqual(hints.endpoints, [
      { nodeId: 1, host: "198.51.100.2", port: 30_002, rack: null },
    ]);
  });
});
