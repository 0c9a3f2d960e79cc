import assert from "node:assert/strict";
import { handleApiVersions } from "../../../../broker/handlers/api-versions.ts";
import { handleMetadata } from "../../../../broker/handlers/metadata.ts";
import { ErrorCode, errorName } from "../../../../broker/protocol/error-codes.ts";
import {
  apiVersionsRequest,
  apiVersionsResponse,
} from "../../../../broker/protocol/messages/api-versions.ts";
import {
  metadataRequest,
  type MetadataResponse,
  metadataResponse,
} from "../../../../broker/protocol/messages/metadata.ts";
import type { TopicAdmin } from "../../../../broker/topic-admin.ts";
import { API_VERSION } from "../../../../cluster/resources.ts";
import { ask, HandlerWorld } from "./fakes.ts";

function metadata(
  world: HandlerWorld,
  version: number,
  names: readonly string[],
): Promise<MetadataResponse> {
  return ask(world, handleMetadata, metadataRequest, metadataResponse, version, {
    topics: names.map((name) => ({ name })),
  });
}

describe("metadata", () => {
  it("has a bounded number of topics created by one request, each once", async () => {
    const world = new HandlerWorld();
    world.broker(0);
    const created: string[] = [];
    world.extra = {
      topicAdmin: {
        autoCreate: (name: string) => {
          created.push(name);
          world.topic(name, [{}], { topicId: `00000000-0000-4000-8000-${name.padStart(12, "0")}` });
          return Promise.resolve();
        },
      } as unknown as TopicAdmin,
    };
    const names = Array.from({ length: 30 }, (_, at) => String(at));
    const answer = await metadata(world, 12, [...names, ...names]);
    assert.deepEqual(created, names.slice(0, 20));
    assert.deepEqual(
      answer.topics.map(({ name, errorCode }) => [name, errorName(errorCode)]),
      names.map((name, at) => [name, at < 20 ? "NONE" : "LEADER_NOT_AVAILABLE"]),
    );
    assert.equal(
      (await metadata(world, 12, names)).topics.filter((one) => one.errorCode !== 0).length,
      0,
    );
  });

  it("tells of partitions once they have had a leader, and of a topic with the first", async () => {
    const world = new HandlerWorld();
    world.broker(0);
    const never = { partitionEpoch: -1, leader: -1 };
    const lost = { partitionEpoch: 4, leader: -1 };
    const id = (at: number) => `00000000-0000-4000-8000-00000000000${at}`;
    world.topic("new", [{ state: never }], { topicId: id(1) });
    world.topic("growing", [{}, { state: lost }, { state: never }, {}], { topicId: id(2) });
    const told = ({ topics }: MetadataResponse) =>
      topics.map(({ name, errorCode, partitions }) => [
        name,
        errorName(errorCode),
        partitions.map((one) => errorName(one.errorCode)),
      ]);
    const growing = ["growing", "NONE", ["NONE", "LEADER_NOT_AVAILABLE"]];
    assert.deepEqual(told(await metadata(world, 12, ["new", "growing"])), [
      ["new", "LEADER_NOT_AVAILABLE", []],
      growing,
    ]);
    const all = await ask(world, handleMetadata, metadataRequest, metadataResponse, 12, {
      topics: null,
    });
    assert.deepEqual(told(all), [growing]);
  });

  const rebootstrap: readonly [string, number, "running" | "fenced", number][] = [
    ["knows somebody to go to", 13, "running", ErrorCode.NONE],
    ["knows nobody to go to (KIP-1102)", 13, "fenced", ErrorCode.REBOOTSTRAP_REQUIRED],
  ];
  for (const [name, version, state, expected] of rebootstrap) {
    it(`${expected === ErrorCode.NONE ? "answers" : "sends the client to its bootstrap servers"} when it ${name}`, async () => {
      const world = new HandlerWorld();
      world.broker(0, undefined, state);
      assert.equal((await metadata(world, version, [])).errorCode, expected);
    });
  }
});

describe("API versions", () => {
  const uid = "00112233-4455-6677-8899-aabbccddeeff";
  const clusterId = Buffer.from(uid.replaceAll("-", ""), "hex").toString("base64url");
  const cases: readonly {
    readonly name: string;
    readonly version: number;
    readonly clusterId?: string;
    readonly nodeId?: number;
    readonly software?: string;
    readonly expected: number;
  }[] = [
    { name: "to one that knows nothing yet", version: 5, expected: ErrorCode.NONE },
    { name: "to one that means it", version: 5, clusterId, nodeId: 0, expected: ErrorCode.NONE },
    {
      name: "to one that means another broker of the cluster (KIP-1242)",
      version: 5,
      clusterId,
      nodeId: 1,
      expected: ErrorCode.REBOOTSTRAP_REQUIRED,
    },
    {
      name: "to one that means another cluster",
      version: 5,
      clusterId: "another",
      nodeId: 0,
      expected: ErrorCode.REBOOTSTRAP_REQUIRED,
    },
    {
      name: "to one that names a cluster and no broker",
      version: 5,
      clusterId,
      expected: ErrorCode.INVALID_REQUEST,
    },
    {
      name: "to one that names a broker only",
      version: 5,
      nodeId: 0,
      expected: ErrorCode.INVALID_REQUEST,
    },
    {
      name: "to one without a proper name",
      version: 3,
      software: "a b",
      expected: ErrorCode.INVALID_REQUEST,
    },
    { name: "to one too old to say", version: 2, expected: ErrorCode.NONE },
  ];
  for (const { name, version, software = "client", expected, ...broker } of cases) {
    it(`are answered with ${errorName(expected)} ${name}`, async () => {
      const world = new HandlerWorld();
      world.image.absorbCluster({
        apiVersion: API_VERSION,
        kind: "BrokerCluster",
        metadata: { name: "test", uid },
        spec: { brokers: 1 },
      });
      const answer = await ask(
        world,
        handleApiVersions(() => true),
        apiVersionsRequest,
        apiVersionsResponse,
        version,
        { clientSoftwareName: software, clientSoftwareVersion: "1.0", ...broker },
      );
      assert.equal(errorName(answer.errorCode), errorName(expected));
      assert.equal(answer.apiKeys.length > 0, expected === ErrorCode.NONE);
    });
  }
});
