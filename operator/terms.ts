import type { KubeApi } from "../kube/api.ts";
import type { Scheduler } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import { leaderOnlyApi } from "./leader-only-api.ts";
import { LeaderElector } from "./leader-elector.ts";
import type { Operator } from "./operator.ts";

export interface TermsOptions {
  /** For the Lease. */
  readonly kube: KubeApi;
  /** What one term acts by. It is closed at its end, so that nothing that was on its way is sent later. */
  readonly connect: () => KubeApi & { close(): void };
  readonly namespace: string;
  /** Of the Lease. */
  readonly name: string;
  /** Unique to this process, also among former lives of its pod. */
  readonly identity: string;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  /** Acts, with an API that takes its writes as long as the term lasts. */
  readonly lead: (kube: KubeApi) => Operator;
}

/**
 * The times in which this process leads, one after the other (edge). When the Lease is lost, what was begun is stopped and
 * cut off from the API, its caches go, and the process is one of those that wait. It does not end itself: the API that was
 * away for long was so for every process, and one that ends again and again is started later each time, by minutes, when
 * somebody should act at last.
 */
export class Terms {
  readonly #options: TermsOptions;
  #elector: LeaderElector;
  #current: { readonly operator: Operator; end(): void; synced: boolean } | undefined;
  #seen = false;

  constructor(options: TermsOptions) {
    this.#options = options;
    this.#elector = this.#candidate();
  }

  start(): void {
    this.#elector.start();
  }

  get leading(): boolean {
    return this.#elector.leading;
  }

  get operator(): Operator | undefined {
    return this.#current?.operator;
  }

  /** It acts on what it has read, or waits and has seen the Lease; once seen it may be out of sight. */
  get ready(): boolean {
    this.#seen ||= this.#elector.settled;
    return this.#current?.synced ?? this.#seen;
  }

  /** Gives the Lease back. */
  async stop(): Promise<void> {
    this.#current?.operator.stop();
    await this.#elector.stop();
    this.#end();
  }

  #candidate(): LeaderElector {
    const { lead, connect, ...common } = this.#options;
    const elector: LeaderElector = new LeaderElector({
      ...common,
      onLeading: () => {
        const kube = connect();
        const operator = lead(leaderOnlyApi(kube, () => elector.leading));
        const term = {
          operator,
          synced: false,
          end: () => {
            operator.stop();
            kube.close();
          },
        };
        this.#current = term;
        void operator.synced.then(() => {
          term.synced = true;
        });
      },
      onLost: () => {
        this.#seen = true;
        this.#end();
        this.#elector = this.#candidate();
        this.#elector.start();
      },
    });
    return elector;
  }

  #end(): void {
    this.#current?.end();
    this.#current = undefined;
  }
}
