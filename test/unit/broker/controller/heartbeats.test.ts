import assert from "node:assert/strict";
import type { Holder } from "../../../../broker/controller/controller-lease.ts";
import { HeartbeatSender } from "../../../../broker/controller/heartbeats.ts";
import { NOTHING_SEEN } from "../../../../broker/metadata/stale-watch.ts";
import { ErrorCode } from "../../../../broker/protocol/error-codes.ts";
import { decodeRequestHeader, encodeResponse } from "../../../../broker/protocol/headers.ts";
import { brokerHeartbeatResponse } from "../../../../broker/protocol/messages/broker-heartbeat.ts";
import { Contact } from "../../../../broker/replication/contact.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { PortNetwork } from "../../../support/port-network.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

const INTERVAL_MS = 100;
const CONTROLLER: Holder = { id: 0, epoch: 2 };

/** A broker whose controller, by the Lease, is `CONTROLLER`; what its Broker object says of it may be of before. */
class World {
  readonly scheduler = new VirtualScheduler();
  /** Where the controller's process is; elsewhere another broker answers, unless it is in `refusing`. */
  controllerPort = 2;
  readonly refusing = new Set<number>();
  toldPort = 1;
  toldEpoch = 1;
  inTouch = 0;
  dead = 0;
  readonly ports = new PortNetwork(this.scheduler, (port) =>
    this.refusing.has(port)
      ? undefined
      : (request) => {
          const { apiVersion, correlationId } = decodeRequestHeader(request);
          const isController = port === this.controllerPort;
          if (isController) this.inTouch++;
          const errorCode = isController ? ErrorCode.NONE : ErrorCode.NOT_CONTROLLER;
          return {
            after: 1,
            answer: encodeResponse(brokerHeartbeatResponse, apiVersion, correlationId, {
              errorCode,
              isFenced: false,
              isCaughtUp: true,
            }),
          };
        },
  );
  readonly heartbeats = new HeartbeatSender({
    self: 1,
    epoch: 1,
    network: this.ports.network,
    scheduler: this.scheduler,
    logger: silentLogger,
    intervalMs: INTERVAL_MS,
    sessionTimeoutMs: 1000,
    contact: new Contact(1000, 0),
    endpoint: () => ({ name: "internal", host: "h", port: this.toldPort, protocol: "PLAINTEXT" }),
    registeredEpoch: () => this.toldEpoch,
    onControllerDead: () => {
      this.dead++;
    },
    onControllerResigned: () => undefined,
    onNotController: () => undefined,
    onFenced: () => undefined,
    onBehind: () => undefined,
    reads: () => 0,
    newest: () => NOTHING_SEEN,
    onNewest: () => undefined,
    onSuperseded: () => undefined,
    onShouldShutDown: () => undefined,
  });

  constructor(...refusing: readonly number[]) {
    for (const port of refusing) this.refusing.add(port);
    this.heartbeats.start();
    this.heartbeats.setController(CONTROLLER);
  }
}

describe("heartbeats", () => {
  it("go to where the controller is now, though another broker answers at the address of before", async () => {
    const world = new World();
    await world.scheduler.advance(5 * INTERVAL_MS);
    assert.deepEqual(world.ports.connected, [1]);
    assert.equal(world.inTouch, 0);
    world.toldPort = 2;
    world.toldEpoch = 2;
    await world.scheduler.advance(5 * INTERVAL_MS);
    assert.deepEqual(world.ports.connected, [1, 2]);
    assert.ok(world.inTouch >= 4);
    world.heartbeats.stop();
  });

  it("prove a controller's death by a refusal at its own address, not at that of its process of before", async () => {
    const world = new World(1, 2);
    await world.scheduler.advance(5 * INTERVAL_MS);
    assert.ok(world.ports.connected.length >= 4, "tried each time");
    assert.equal(world.dead, 0);
    world.toldPort = 2;
    world.toldEpoch = 2;
    await world.scheduler.advance(INTERVAL_MS);
    assert.equal(world.dead, 1);
    world.heartbeats.stop();
  });
});
