import { topics } from "../cluster/resources.ts";
import type { Topic } from "../cluster/topic.ts";
import type { JsonPatchOperation, KubeApi } from "../kube/api.ts";
import {
  AlreadyExistsError,
  ConflictError,
  ForbiddenError,
  InvalidError,
  KubeError,
  NotFoundError,
  UnknownOutcomeError,
} from "../kube/errors.ts";
import { type Scheduler, sleep } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import { ProtocolError } from "./errors.ts";
import { ErrorCode } from "./protocol/error-codes.ts";

/** Lost races before a change is given up: each means that somebody else's change went in. */
const MAX_ATTEMPTS = 20;
const RETRY_MS = 20;

/** Which Topic object: its name, and its uid, so that a topic made anew under the name is not taken for it. */
export interface TopicRef {
  readonly objectName: string;
  readonly topicId: string;
}

/**
 * Changes of Topic objects' specs by compare-and-swap on `metadata.generation`, which grows with each change of a spec and
 * not with those of the status: what somebody else changed meanwhile is read and decided on again, and never lost.
 */
export class TopicWriter {
  readonly #kube: KubeApi;
  readonly #namespace: string;
  readonly #scheduler: Scheduler;
  readonly #random: Random;

  constructor(options: {
    readonly kube: KubeApi;
    readonly namespace: string;
    readonly scheduler: Scheduler;
    readonly random: Random;
  }) {
    this.#kube = options.kube;
    this.#namespace = options.namespace;
    this.#scheduler = options.scheduler;
    this.#random = options.random;
  }

  /**
   * @param decide what to do to the spec that was read, nothing if it is right as it is; its ProtocolErrors are the
   * caller's. May be asked several times.
   * @returns the Topic as it is after the change. Throws ProtocolError: UNKNOWN_TOPIC_OR_PARTITION when it is gone,
   * INVALID_REQUEST when its rules refuse the change, REQUEST_TIMED_OUT when it could not be written.
   */
  async update(
    { objectName, topicId }: TopicRef,
    decide: (spec: Topic["spec"]) => readonly JsonPatchOperation[],
  ): Promise<Topic> {
    let refused: { readonly generation: number | undefined; readonly error: unknown } | undefined;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (attempt > 0) await sleep(this.#scheduler, RETRY_MS * (0.5 + this.#random.next()));
      const topic = await translated(() => this.#kube.get(topics, this.#namespace, objectName));
      if (topic.metadata.uid !== topicId) {
        throw new ProtocolError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
      }
      const { generation } = topic.metadata;
      // Refused on the very spec that was tested: it was not for a race.
      if (refused !== undefined && refused.generation === generation) {
        throw kubeRefusal(refused.error);
      }
      refused = undefined;
      const operations = decide(topic.spec);
      if (operations.length === 0) return topic;
      try {
        return await this.#kube.jsonPatch(topics, this.#namespace, objectName, [
          { op: "test", path: "/metadata/uid", value: topicId },
          { op: "test", path: "/metadata/generation", value: generation },
          ...operations,
        ]);
      } catch (error) {
        if (error instanceof InvalidError) refused = { generation, error };
        // Of a write whose outcome is unknown the next read shows whether anything is left to be done.
        else if (!(error instanceof ConflictError || error instanceof UnknownOutcomeError)) {
          throw kubeRefusal(error);
        }
      }
    }
    throw new ProtocolError(ErrorCode.REQUEST_TIMED_OUT, "Others keep changing the topic.");
  }
}

/** A call to the API with its refusals in Kafka's words. */
export async function translated<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw kubeRefusal(error);
  }
}

function kubeRefusal(error: unknown): unknown {
  if (error instanceof AlreadyExistsError) return new ProtocolError(ErrorCode.TOPIC_ALREADY_EXISTS);
  if (error instanceof NotFoundError) {
    return new ProtocolError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  }
  if (error instanceof InvalidError) {
    return new ProtocolError(ErrorCode.INVALID_REQUEST, error.message);
  }
  if (error instanceof ForbiddenError) {
    return new ProtocolError(ErrorCode.TOPIC_AUTHORIZATION_FAILED, error.message);
  }
  if (error instanceof KubeError || error instanceof UnknownOutcomeError) {
    return new ProtocolError(ErrorCode.REQUEST_TIMED_OUT, error.message);
  }
  return error;
}
