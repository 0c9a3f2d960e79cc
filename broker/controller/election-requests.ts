import type { ElectionRules } from "../../cluster/partition-change.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Millis } from "../../lib/units.ts";
import type { MetadataImage } from "../metadata/image.ts";
import type { RecordedPartition } from "../metadata/partition-records.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type { LeadershipStore } from "../replication/leadership-store.ts";
import { type ElectionType, requestedElection } from "./requested-election.ts";

export interface ElectionRequestsOptions {
  readonly image: MetadataImage;
  readonly store: LeadershipStore;
  readonly scheduler: Scheduler;
  readonly topicRules: (
    record: RecordedPartition,
  ) => Pick<ElectionRules, "minInSyncReplicas" | "unclean">;
}

/**
 * Elections that clients ask for (ElectLeaders). Any broker carries them out: like every change of a record they are
 * compare-and-swaps from the recorded state (docs/invariants.md C1, C4, C8), and who is there is recorded by the
 * controller, which finds soon enough that it was not so.
 */
export class ElectionRequests {
  readonly #options: ElectionRequestsOptions;

  constructor(options: ElectionRequestsOptions) {
    this.#options = options;
  }

  /** @returns the error code: NONE once the new leader is recorded, REQUEST_TIMED_OUT when it is not within `timeout`. */
  elect(topic: string, partition: number, type: ElectionType, timeout: Millis): Promise<number> {
    const { image, store, scheduler } = this.#options;
    const topicId = image.topics.get(topic)?.topicId;
    const record = topicId === undefined ? undefined : image.records.get(topicId, partition);
    if (record === undefined) return Promise.resolve(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    const rules = this.#rules(record);
    if (record.state === undefined) {
      return Promise.resolve(ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE);
    }
    const known = requestedElection(type, record.state, record.placement, rules);
    if (known.kind === "refused") return Promise.resolve(known.errorCode);
    return new Promise((resolve, reject) => {
      let given = ErrorCode.NONE as number;
      let timedOut = false;
      const timer = scheduler.after(timeout, () => {
        timedOut = true;
        resolve(ErrorCode.REQUEST_TIMED_OUT);
      });
      store
        .update(record, (state, placement) => {
          // Nobody waits for it any more: what is not written yet is not written.
          if (timedOut) return undefined;
          const election = requestedElection(type, state, placement, this.#rules(record));
          given = election.kind === "refused" ? election.errorCode : ErrorCode.NONE;
          return election.kind === "elected" ? election.state : undefined;
        })
        .then(({ kind }) => {
          timer.cancel();
          resolve(kind === "gone" ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : given);
        }, reject);
    });
  }

  #rules(record: RecordedPartition): ElectionRules {
    const { image, topicRules } = this.#options;
    return {
      ...topicRules(record),
      alive: (id) => image.brokers.get(id)?.fenced === false,
      eligible: (id) => image.brokers.get(id)?.state === "running",
    };
  }
}
