import { AlreadyExistsError, ConflictError } from "../../kube/errors.ts";
import { WorkQueue, type WorkQueueOptions } from "../../kube/work-queue.ts";
import type { OperatorOptions } from "../operator.ts";

export interface ReconcileQueueOptions {
  /** Reconciles one key; what it throws is logged, and the key comes back after its back-off. */
  readonly handler: (key: string) => Promise<void>;
  /** The field that has the key in the log, as `topic`. */
  readonly field: string;
  /** What the log says when somebody else wrote meanwhile, as `a topic is looked at again`. */
  readonly again: string;
  /** What the log says of any other error, as `a topic could not be reconciled`. */
  readonly failed: string;
  /** Keys handled at the same time; default 1. */
  readonly concurrency?: number;
}

/** A controller's work queue, which says in the log what could not be done. */
export function reconcileQueue(
  { scheduler, random, logger }: Pick<OperatorOptions, "scheduler" | "random" | "logger">,
  { handler, field, again, failed, concurrency }: ReconcileQueueOptions,
): WorkQueue {
  const onError: WorkQueueOptions["onError"] = (key, error, failures) => {
    const message = error instanceof Error ? error.message : String(error);
    const fields = { [field]: key, failures, error: message };
    // Somebody else wrote meanwhile: looked at again, nothing is wrong.
    if (error instanceof ConflictError || error instanceof AlreadyExistsError) {
      logger.debug(again, fields);
    } else logger.warn(failed, fields);
  };
  const bound = concurrency === undefined ? {} : { concurrency };
  return new WorkQueue({ scheduler, random, handler, onError, ...bound });
}
