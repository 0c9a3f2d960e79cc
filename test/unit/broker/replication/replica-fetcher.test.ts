import assert from "node:assert/strict";
import { ErrorCode } from "../../../../broker/protocol/error-codes.ts";
import { decodeRequestHeader, encodeResponse } from "../../../../broker/protocol/headers.ts";
import { fetchRequest, fetchResponse } from "../../../../broker/protocol/messages/fetch.ts";
import type { Partition } from "../../../../broker/replication/partition.ts";
import { ReplicaFetcher } from "../../../../broker/replication/replica-fetcher.ts";
import { Gate } from "../../../../lib/gate.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { type Answering, PortNetwork } from "../../../support/port-network.ts";
import { LOG } from "../../../support/log-volume.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

const SOURCE = 0;
const WAIT_MS = 100;

/** A network where the leader is at some ports, and at all others a broker that leads nothing. */
class World {
  readonly scheduler = new VirtualScheduler();
  readonly ports = new PortNetwork(
    this.scheduler,
    (port) => (request) => this.#answer(port, request),
  );
  /** Fetches that the leader has answered. */
  served = 0;
  /** Where the leader is. */
  leaderPort = 1;
  /** Where it is said to be. */
  toldPort = 1;
  readonly fetcher: ReplicaFetcher;

  constructor() {
    const { scheduler } = this;
    this.fetcher = new ReplicaFetcher(SOURCE, {
      self: 1,
      ownEpoch: () => 1,
      network: this.ports.network,
      scheduler,
      logger: silentLogger,
      endpoint: () => ({ name: "internal", host: "h", port: this.toldPort, protocol: "PLAINTEXT" }),
      flush: () => Promise.resolve(),
      intake: new Gate(() => true),
      fetchWaitMaxMs: WAIT_MS,
      fetchMaxBytes: 1000,
      partitionMaxBytes: 1000,
      requestTimeoutMs: 1000,
      panic: (error) => {
        throw error;
      },
      uncleanAllowed: () => false,
    });
  }

  /** What the leader says, or a broker that leads nothing. */
  #answer(port: number, request: Buffer): ReturnType<Answering> {
    const { apiVersion, correlationId, bodyOffset } = decodeRequestHeader(request);
    const { topics } = fetchRequest.decode(request, bodyOffset, apiVersion);
    const isLeader = port === this.leaderPort;
    if (isLeader) this.served++;
    const answer = encodeResponse(fetchResponse, apiVersion, correlationId, {
      sessionId: 7,
      responses: topics.map(({ topicId, partitions }) => ({
        topicId,
        partitions: partitions.map(({ partition }) => ({
          partitionIndex: partition,
          errorCode: isLeader ? ErrorCode.NONE : ErrorCode.NOT_LEADER_OR_FOLLOWER,
          highWatermark: 0,
          records: null,
        })),
      })),
    });
    return { after: isLeader ? WAIT_MS : 1, answer };
  }

  follow(): void {
    const log = {
      stableOffset: 0,
      logEndOffset: 0,
      logStartOffset: 0,
      lastRecordEpoch: -1,
      held: false,
    };
    const partition = { ...LOG, log, closed: false, followHighWatermark: () => undefined };
    this.fetcher.follow(partition as unknown as Partition, 0);
  }
}

describe("replica fetcher", () => {
  it("goes to where its leader is now, though another broker answers at the address of before", async () => {
    const world = new World();
    world.leaderPort = 2;
    world.follow();
    await world.scheduler.advance(300);
    assert.deepEqual(world.ports.connected, [1]);
    world.toldPort = 2;
    await world.scheduler.advance(300);
    assert.deepEqual(world.ports.connected, [1, 2]);
    assert.ok(world.served > 0);
    world.fetcher.stop();
  });

  it("connects anew when all is refused for a second: a name may lead somewhere else by then", async () => {
    const world = new World();
    world.leaderPort = -1;
    world.follow();
    await world.scheduler.advance(900);
    assert.deepEqual(world.ports.connected, [1]);
    await world.scheduler.advance(300);
    assert.deepEqual(world.ports.connected, [1, 1]);
    world.leaderPort = 1;
    await world.scheduler.advance(5000);
    assert.deepEqual(world.ports.connected, [1, 1], "stays with who serves");
    assert.ok(world.served > 10);
    world.fetcher.stop();
  });

  it("stays with who has served, whatever is refused later", async () => {
    const world = new World();
    world.follow();
    await world.scheduler.advance(500);
    const { served } = world;
    assert.ok(served > 0);
    world.leaderPort = -1;
    await world.scheduler.advance(5000);
    world.leaderPort = 1;
    await world.scheduler.advance(500);
    assert.deepEqual(world.ports.connected, [1]);
    assert.ok(world.served > served);
    world.fetcher.stop();
  });
});
