import assert from "node:assert/strict";
import { Controller } from "../../../../broker/controller/controller.ts";
import { MetadataImage } from "../../../../broker/metadata/image.ts";
import type { LeadershipStore } from "../../../../broker/replication/leadership-store.ts";
import { API_VERSION } from "../../../../cluster/resources.ts";
import type { KubeApi } from "../../../../kube/api.ts";
import { CONTROLLER_OPTIONS } from "../../../support/controller-options.ts";
import { PortNetwork } from "../../../support/port-network.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";
import { KeptLog } from "../network/fakes.ts";

/** Broker 0 as the controller, and broker 1, which nobody answers for. */
class World {
  readonly scheduler = new VirtualScheduler();
  readonly image = new MetadataImage();
  readonly log = new KeptLog();
  readonly ports = new PortNetwork(this.scheduler, () => undefined);
  readonly controller = new Controller({
    ...CONTROLLER_OPTIONS,
    kube: { jsonPatch: () => new Promise(() => undefined) } as unknown as KubeApi,
    image: this.image,
    scheduler: this.scheduler,
    logger: this.log,
    store: {} as unknown as LeadershipStore,
    network: this.ports.network,
    endpoint: () => ({ name: "internal", host: "h", port: 7, protocol: "PLAINTEXT" }),
  });

  /** What this broker knows of broker 1, and with it its address, is of this epoch. */
  register(epoch: number): void {
    this.image.absorbBroker({
      apiVersion: API_VERSION,
      kind: "Broker",
      metadata: { name: "c-1", resourceVersion: String(epoch) },
      spec: { cluster: "c", id: 1 },
      status: { epoch, state: "fenced", endpoints: [] },
    });
  }

  get gone(): number {
    return this.log.lines.filter(({ message }) => message === "broker is gone").length;
  }
}

describe("the controller's probes", () => {
  it("prove a process gone by a refusal at its own address, not at that of the process of before", async () => {
    const world = new World();
    world.register(1);
    world.controller.setActive(true);
    world.controller.heartbeat(1, 2, false);
    world.controller.probe(1, 2);
    await world.scheduler.advance(50);
    assert.equal(world.gone, 0);
    world.register(2);
    world.controller.probe(1, 2);
    await world.scheduler.advance(50);
    assert.equal(world.gone, 1);
    assert.deepEqual(world.ports.connected, [7]);
  });
});
