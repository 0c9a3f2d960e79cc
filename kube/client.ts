import type { Scheduler } from "../lib/clock.ts";
import { sleep } from "../lib/clock.ts";
import { systemRandom } from "../lib/random.ts";
import type { Random } from "../lib/random.ts";
import type { Millis } from "../lib/units.ts";
import type {
  DeleteOptions,
  JsonPatchOperation,
  KubeApi,
  ListOptions,
  ObjectList,
  Resource,
  WatchHandle,
  WatchHandlers,
  WatchOptions,
  WriteOptions,
} from "./api.ts";
import { KubeError, UnknownOutcomeError, kubeErrorFor } from "./errors.ts";
import type { KubeObject } from "./objects.ts";
import { queryOf, resourcePath } from "./paths.ts";
import { NotSentError, Transport } from "./transport.ts";
import type { KubeRequest, KubeResponse, KubeServer } from "./transport.ts";

export interface KubeClientOptions extends KubeServer {
  readonly scheduler: Scheduler;
  /** Spreads retries; default the system's. */
  readonly random?: Random;
  /** Of each call with all its retries; default 10 s. */
  readonly deadlineMs?: Millis;
  /** A watch in which nothing is heard for this long is broken; default 90 s, more than a bookmark. */
  readonly watchIdleMs?: Millis;
}

const PAGE_SIZE = 500;
const FIRST_RETRY_MS: Millis = 50;
const LONGEST_RETRY_MS: Millis = 2_000;

/**
 * The Kubernetes API over HTTP (edge): connections are kept, each call has a deadline, lists are paged, and reads and
 * writes that surely had no effect (not sent, 429) are tried again with jitter until the deadline.
 */
export function createKubeClient(options: KubeClientOptions): KubeApi & { close(): void } {
  return new KubeClient(options);
}

class KubeClient implements KubeApi {
  readonly #options: KubeClientOptions;
  readonly #transport: Transport;
  readonly #random: Random;
  #closed = false;

  constructor(options: KubeClientOptions) {
    this.#options = options;
    this.#transport = new Transport(options, options.scheduler);
    this.#random = options.random ?? systemRandom;
  }

  close(): void {
    this.#closed = true;
    this.#transport.close();
  }

  async get<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
  ): Promise<T> {
    const path = resourcePath(resource, namespace, name);
    return (await this.#call({ method: "GET", path })) as T;
  }

  async list<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    options: ListOptions = {},
  ): Promise<ObjectList<T>> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#listPages(resource, namespace, options);
      } catch (error) {
        // The continue token outlived the history: a list of pages of different versions would not be consistent.
        if (!(error instanceof KubeError && error.code === 410) || attempt >= 2) throw error;
      }
    }
  }

  async #listPages<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    options: ListOptions,
  ): Promise<ObjectList<T>> {
    const items: T[] = [];
    let next: string | undefined;
    for (;;) {
      const query = queryOf({
        labelSelector: options.labelSelector,
        limit: options.limit ?? PAGE_SIZE,
        continue: next,
      });
      const path = resourcePath(resource, namespace) + query;
      const page = (await this.#call({ method: "GET", path })) as {
        readonly items?: readonly T[] | null;
        readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
      };
      // Items of built-in lists carry neither apiVersion nor kind.
      const { group, version, kind } = resource;
      const apiVersion = group === "" ? version : `${group}/${version}`;
      for (const item of page.items ?? []) items.push({ ...item, apiVersion, kind });
      next = page.metadata?.continue;
      if (next === undefined || next === "") {
        return { items, resourceVersion: page.metadata?.resourceVersion ?? "" };
      }
    }
  }

  async create<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    object: T,
  ): Promise<T> {
    const path = resourcePath(resource, namespace);
    return (await this.#call({ method: "POST", path, body: JSON.stringify(object) })) as T;
  }

  async replace<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    object: T,
    options: WriteOptions = {},
  ): Promise<T> {
    const path = resourcePath(resource, namespace, object.metadata.name, options.subresource);
    const body = JSON.stringify(object);
    return (await this.#call({ method: "PUT", path, body }, options.deadline)) as T;
  }

  async jsonPatch<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    operations: readonly JsonPatchOperation[],
    options: WriteOptions = {},
  ): Promise<T> {
    const path = resourcePath(resource, namespace, name, options.subresource);
    const body = JSON.stringify(operations);
    const contentType = "application/json-patch+json";
    return (await this.#call({ method: "PATCH", path, body, contentType }, options.deadline)) as T;
  }

  async apply<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    object: T,
    fieldManager: string,
    options: WriteOptions = {},
  ): Promise<T> {
    const path =
      resourcePath(resource, namespace, object.metadata.name, options.subresource) +
      queryOf({ fieldManager, force: true });
    // JSON is YAML, which is what this content type promises.
    const contentType = "application/apply-patch+yaml";
    const body = JSON.stringify(object);
    return (await this.#call({ method: "PATCH", path, body, contentType }, options.deadline)) as T;
  }

  async delete(
    resource: Resource,
    namespace: string,
    name: string,
    options: DeleteOptions = {},
  ): Promise<void> {
    const { uid, resourceVersion, propagationPolicy, gracePeriodSeconds } = options;
    const body = JSON.stringify({
      kind: "DeleteOptions",
      apiVersion: "v1",
      propagationPolicy: propagationPolicy ?? "Background",
      gracePeriodSeconds,
      ...(uid === undefined && resourceVersion === undefined
        ? {}
        : { preconditions: { uid, resourceVersion } }),
    });
    await this.#call({ method: "DELETE", path: resourcePath(resource, namespace, name), body });
  }

  watch<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    options: WatchOptions,
    handlers: WatchHandlers<T>,
  ): WatchHandle {
    const query = queryOf({
      watch: true,
      allowWatchBookmarks: true,
      resourceVersion: options.resourceVersion,
      timeoutSeconds: options.timeoutSeconds,
      labelSelector: options.labelSelector,
    });
    const path = resourcePath(resource, namespace) + query;
    const idleMs = this.#options.watchIdleMs ?? 90_000;
    const end = (error: Error | undefined): void => {
      stream.close();
      handlers.onEnd(error);
    };
    const stream = this.#transport.stream(path, idleMs, {
      onLine: (line) => {
        let event: { readonly type?: string; readonly object?: unknown };
        try {
          event = JSON.parse(line) as typeof event;
        } catch (error) {
          end(new Error("a line of the watch is not JSON", { cause: error }));
          return;
        }
        this.#onEvent(event.type ?? "", event.object, handlers, end);
      },
      onRefused: (response) => {
        handlers.onEnd(errorOf(response));
      },
      onClose: (error) => {
        handlers.onEnd(error);
      },
    });
    return stream;
  }

  #onEvent<T extends KubeObject>(
    type: string,
    object: unknown,
    handlers: WatchHandlers<T>,
    end: (error: Error) => void,
  ): void {
    switch (type) {
      case "ADDED":
      case "MODIFIED":
      case "DELETED":
        handlers.onEvent({ type, object: object as T });
        return;
      case "BOOKMARK": {
        const { resourceVersion } = (object as KubeObject).metadata;
        if (resourceVersion !== undefined) handlers.onEvent({ type, resourceVersion });
        return;
      }
      default:
        // An ERROR event carries a Status.
        end(errorOf({ status: 500, retryAfterSeconds: undefined, text: JSON.stringify(object) }));
    }
  }

  /** One call with its retries, within its deadline. */
  async #call(request: KubeRequest, deadlineMs?: Millis): Promise<unknown> {
    const { scheduler } = this.#options;
    const deadline = scheduler.now() + (deadlineMs ?? this.#options.deadlineMs ?? 10_000);
    const isRead = request.method === "GET";
    for (let attempt = 0; ; attempt++) {
      // Looked at before each attempt: what waited for its turn when it was closed is not sent any more.
      if (this.#closed) {
        throw kubeErrorFor(503, "ServiceUnavailable", "the client was closed");
      }
      let failure: Error;
      let pause = this.#pause(attempt);
      try {
        const response = await this.#transport.send(
          request,
          Math.max(1, deadline - scheduler.now()),
        );
        if (response.status >= 200 && response.status < 300) return JSON.parse(response.text);
        const error = errorOf(response);
        // 429 means that the server did not begin. A 5xx on the way back of a write leaves open what it did.
        const mayRepeat = response.status === 429 || (isRead && response.status >= 500);
        if (!mayRepeat) throw isRead || !isUnclear(response.status) ? error : unknownOutcome(error);
        failure = error;
        pause = Math.max(pause, (response.retryAfterSeconds ?? 0) * 1000);
      } catch (error) {
        if (error instanceof KubeError || error instanceof UnknownOutcomeError) throw error;
        failure = error instanceof Error ? error : new Error(String(error));
        if (!isRead && !(failure instanceof NotSentError)) throw unknownOutcome(failure);
      }
      if (scheduler.now() + pause >= deadline) {
        throw failure instanceof KubeError
          ? failure
          : kubeErrorFor(
              503,
              "ServiceUnavailable",
              `${request.method} ${request.path}: ${failure.message}`,
            );
      }
      await sleep(scheduler, pause);
    }
  }

  #pause(attempt: number): Millis {
    const ceiling = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt, 10));
    return ceiling / 2 + (this.#random.next() * ceiling) / 2;
  }
}

/** Answers that do not tell whether a write took effect: an error inside the server or of a proxy before it. */
function isUnclear(status: number): boolean {
  return status === 500 || status === 502 || status === 504;
}

function unknownOutcome(cause: Error): UnknownOutcomeError {
  return new UnknownOutcomeError(cause.message, { cause });
}

/** The error of a Status body; a body that is none gives its first characters. */
function errorOf(response: KubeResponse): KubeError {
  let status: { code?: unknown; reason?: unknown; message?: unknown } = {};
  try {
    const parsed: unknown = JSON.parse(response.text);
    if (typeof parsed === "object" && parsed !== null) status = parsed;
  } catch {
    // Not JSON, for example from a proxy: the code and the text say what there is to know.
    status = { message: response.text.slice(0, 500) };
  }
  const code = typeof status.code === "number" ? status.code : response.status;
  const reason = typeof status.reason === "string" ? status.reason : "Unknown";
  const message = typeof status.message === "string" ? status.message : `status ${String(code)}`;
  return kubeErrorFor(code, reason, message, response.retryAfterSeconds);
}
