import assert from "node:assert/strict";
import { MetadataImage } from "../../../../broker/metadata/image.ts";
import { StaleWatch } from "../../../../broker/metadata/stale-watch.ts";
import { MetadataWatcher } from "../../../../broker/metadata/watcher.ts";
import { leadershipShards } from "../../../../cluster/resources.ts";
import type { KubeApi } from "../../../../kube/api.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { createMemoryKubeApi } from "../../../../local/api/memory-kube-api.ts";
import { ObjectStore } from "../../../../local/api/object-store.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";
import { shardOf } from "../../../support/recorded-slices.ts";

describe("a watch that brings nothing", () => {
  it("is noticed when it lacks for a second what others know", () => {
    const stale = new StaleWatch();
    assert.equal(stale.look(5, 5, 0), false);
    assert.equal(stale.look(5, 7, 100), false);
    assert.equal(stale.look(5, 8, 1099), false);
    assert.equal(stale.look(5, 8, 1100), true);
  });

  it("is given time again when it has caught up, and more time the longer it does not", () => {
    const stale = new StaleWatch();
    stale.look(5, 7, 0);
    assert.equal(stale.look(5, 7, 1000), true);
    assert.equal(stale.look(5, 7, 2500), false, "twice as long");
    assert.equal(stale.look(5, 7, 3000), true);
    assert.equal(stale.look(7, 7, 3100), false);
    assert.equal(stale.look(7, 9, 3200), false);
    assert.equal(stale.look(7, 9, 4200), true, "as patient as in the beginning");
  });

  it("is replaced by a list, and what it had missed is known", async () => {
    const scheduler = new VirtualScheduler();
    const store = new ObjectStore({ scheduler, random: seededRandom(1) });
    const api = createMemoryKubeApi({ store, scheduler });
    let silent = false;
    const watch: KubeApi["watch"] = (resource, namespace, options, handlers) =>
      api.watch(resource, namespace, options, {
        ...handlers,
        onEvent: (event) => {
          if (!silent) handlers.onEvent(event);
        },
      });
    const kube = { list: api.list.bind(api), watch } as unknown as KubeApi;
    const image = new MetadataImage();
    const watcher = new MetadataWatcher({
      kube,
      namespace: "default",
      clusterName: "c",
      image,
      scheduler,
      random: seededRandom(2),
      logger: silentLogger,
      onLease: () => undefined,
      panic: (error) => {
        throw error;
      },
    });
    void watcher.start();
    await scheduler.advance(100);
    silent = true;
    const { metadata } = store.create(leadershipShards, "default", shardOf("c", {}));
    await scheduler.advance(60_000);
    assert.equal(image.shards.size, 0, "nobody has said that there is anything");
    image.heardOfShardVersion(Number(metadata.resourceVersion));
    await scheduler.advance(1500);
    assert.equal(image.shards.size, 1);
    watcher.stop();
  });
});
