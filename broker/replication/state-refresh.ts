import { CLUSTER_LABEL, leadershipShards } from "../../cluster/resources.ts";
import type { KubeApi } from "../../kube/api.ts";
import { sleep } from "../../lib/clock.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Millis } from "../../lib/units.ts";
import type { MetadataImage } from "../metadata/image.ts";
import type { Contact } from "./contact.ts";

const RETRY_MS: Millis = 100;

/**
 * Reads the recorded state of all partitions by a quorum read after contact has lapsed (R7), again and again until it
 * succeeds. What was decided meanwhile, above all another leader, takes effect in the image before contact counts.
 */
export class StateRefresh {
  readonly #kube: KubeApi;
  readonly #namespace: string;
  readonly #clusterName: string;
  readonly #image: MetadataImage;
  readonly #contact: Contact;
  readonly #scheduler: Scheduler;
  readonly #logger: Logger;
  /** How often it has been read. */
  reads = 0;
  #running = false;
  #stopped = false;

  constructor(options: {
    readonly kube: KubeApi;
    readonly namespace: string;
    readonly clusterName: string;
    readonly image: MetadataImage;
    readonly contact: Contact;
    readonly scheduler: Scheduler;
    readonly logger: Logger;
  }) {
    this.#kube = options.kube;
    this.#namespace = options.namespace;
    this.#clusterName = options.clusterName;
    this.#image = options.image;
    this.#contact = options.contact;
    this.#scheduler = options.scheduler;
    this.#logger = options.logger;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Does nothing while it is at it already. Never rejects. */
  async run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    this.#logger.info("contact had lapsed: reading the recorded state");
    while (this.#contact.lapsed && !this.#stopped) {
      const askedAt = this.#scheduler.now();
      try {
        const { items } = await this.#kube.list(leadershipShards, this.#namespace, {
          labelSelector: `${CLUSTER_LABEL}=${this.#clusterName}`,
        });
        if (this.#stopped) break;
        for (const shard of items) this.#image.absorbShard(shard);
        this.reads++;
        this.#contact.refreshed(askedAt);
      } catch (error) {
        this.#logger.debug("recorded state not read yet", { error: String(error) });
        await sleep(this.#scheduler, RETRY_MS);
      }
    }
    this.#running = false;
  }
}
