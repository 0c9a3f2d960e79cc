import type { BrokerId } from "../../cluster/broker.ts";
import type { PartitionSlice } from "../../cluster/partition-slice.ts";
import { partitionSlices } from "../../cluster/resources.ts";
import type { KubeApi } from "../../kube/api.ts";
import { createInformer, type Informer } from "../../kube/informer.ts";
import { realScheduler } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/logger.ts";
import { systemRandom } from "../../lib/random.ts";

/** Watches which replicas are copied to where, from its start on. */
export class ReplicaArrivals {
  /** Replicas that were copied, also those that did not stay. */
  moved = 0;
  /** Most partitions that were on the move at the same time. */
  most = 0;
  readonly #informer: Informer<PartitionSlice>;
  /** Where each partition's replicas were when it was seen last. */
  readonly #holders = new Map<string, readonly BrokerId[]>();
  readonly #moving = new Map<string, number>();

  constructor(kube: KubeApi, namespace: string) {
    this.#informer = createInformer({
      api: kube,
      resource: partitionSlices,
      namespace,
      scheduler: realScheduler,
      random: systemRandom,
      logger: silentLogger,
    });
    this.#informer.onChange(({ object, type }) => {
      if (type !== "DELETED") this.#look(object);
    });
    this.#informer.start();
  }

  get synced(): Promise<void> {
    return this.#informer.synced;
  }

  stop(): void {
    this.#informer.stop();
  }

  #look({ metadata, spec }: PartitionSlice): void {
    let moving = 0;
    for (const [at, { replicas, adding = [], removing = [] }] of spec.partitions.entries()) {
      const key = `${metadata.uid ?? ""} ${at}`;
      const before = this.#holders.get(key);
      if (before !== undefined) {
        this.moved += replicas.filter((id) => !before.includes(id)).length;
      }
      this.#holders.set(key, replicas);
      if (adding.length + removing.length > 0) moving++;
    }
    this.#moving.set(metadata.uid ?? "", moving);
    this.most = Math.max(
      this.most,
      [...this.#moving.values()].reduce((sum, one) => sum + one, 0),
    );
  }
}
