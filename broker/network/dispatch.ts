import { InvariantError } from "../../lib/assert.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Millis } from "../../lib/units.ts";
import { ProtocolError } from "../errors.ts";
import { type Handler, HeldAnswer, type RequestContext } from "../handlers/handler.ts";
import { quotaClientOf, quotasFor } from "../handlers/common.ts";
import { type ApiDefinition, apiByKey } from "../protocol/api-versions.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import { decodeRequestHeader, encodeResponse } from "../protocol/headers.ts";
import { apiVersionsResponse } from "../protocol/messages/api-versions.ts";
import { MalformedError } from "../protocol/reader.ts";
import { inVersions } from "../protocol/schema.ts";

/** A request's answer as it is to be sent; `release` gives its memory back after. */
export interface Answer {
  readonly parts: readonly Uint8Array[];
  readonly release?: () => void;
  /** How long the client has been told to wait before its next request (KIP-219); 0 when it has not. */
  readonly throttleMs: Millis;
}

/** An API with the code that serves it. */
export interface ServedApi {
  readonly api: ApiDefinition;
  readonly handler: Handler<never, unknown>;
}

const API_VERSIONS_KEY = 18;

/**
 * One request frame to its answer. Returns undefined when nothing is to be sent. Throws, or rejects with, MalformedError
 * when the client is at fault and its connection is to be closed, as Kafka does for what it does not know, and another
 * Error when the broker is and the response has no place to say so; neither has been logged.
 */
export class Dispatcher {
  readonly #served: ReadonlyMap<number, ServedApi>;
  readonly #logger: Logger;
  readonly #panic: (error: unknown) => never;

  constructor(
    served: ReadonlyMap<number, ServedApi>,
    logger: Logger,
    panic: (error: unknown) => never,
  ) {
    this.#served = served;
    this.#logger = logger;
    this.#panic = panic;
  }

  dispatch(
    frame: Uint8Array,
    context: Omit<RequestContext, "clientId" | "apiVersion">,
  ): Answer | undefined | Promise<Answer | undefined> {
    const header = decodeRequestHeader(frame);
    const served = this.#served.get(header.apiKey);
    const api = served?.api ?? apiByKey(header.apiKey);
    const { apiVersion: version, correlationId } = header;
    if (
      served === undefined ||
      api === undefined ||
      (api.listener === "internal" && context.listener !== "internal")
    ) {
      throw new MalformedError(`API ${header.apiKey} is not served`);
    }
    if (version < api.firstAccepted || version > api.maxVersion) {
      if (header.apiKey === API_VERSIONS_KEY && version > api.maxVersion)
        return this.#tooNew(api, correlationId);
      throw new MalformedError(`${api.name} has no version ${version}`);
    }
    const request = api.request.decode(frame, header.bodyOffset, version);
    const full: RequestContext = { ...context, clientId: header.clientId, apiVersion: version };
    const refuse = (error: unknown): Answer => this.#refused(api, version, correlationId, error);
    const timed = quotasFor(full) === undefined ? undefined : new RequestTime(full);
    const encode = (result: unknown): Answer | undefined => {
      if (result === undefined) return undefined;
      const held = result instanceof HeldAnswer ? result : undefined;
      try {
        const answer = (held?.value ?? result) as object;
        const { value, throttleMs } = timed?.throttled(answer) ?? { value: answer, throttleMs: 0 };
        const parts = encodeResponse(api.response, version, correlationId, value as never);
        return held === undefined
          ? { parts, throttleMs }
          : { parts, throttleMs, release: held.release };
      } catch (error) {
        held?.release();
        // Whatever it is, it is not the client's fault.
        return refuse(new Error(`${api.name}'s answer cannot be encoded`, { cause: error }));
      }
    };
    let result: unknown;
    try {
      result = served.handler(full, request as never, version);
    } catch (error) {
      return refuse(error);
    } finally {
      timed?.paused();
    }
    return result instanceof Promise ? result.then(encode, refuse) : encode(result);
  }

  /** KIP-511: an ApiVersions from the future is answered in version 0 with what this broker speaks. */
  #tooNew(api: ApiDefinition, correlationId: number): Answer {
    const parts = encodeResponse(apiVersionsResponse, 0, correlationId, {
      errorCode: ErrorCode.UNSUPPORTED_VERSION,
      apiKeys: [
        { apiKey: API_VERSIONS_KEY, minVersion: api.minVersion, maxVersion: api.maxVersion },
      ],
    });
    return { parts, throttleMs: 0 };
  }

  /** A whole request refused: by the response's own error field, if it has one. */
  #refused(api: ApiDefinition, version: number, correlationId: number, error: unknown): Answer {
    if (error instanceof InvariantError) this.#panic(error);
    if (error instanceof MalformedError) throw error;
    const known = error instanceof ProtocolError;
    if (!inVersions(api.response.fields["errorCode"]?.versions, version)) {
      if (known) throw new MalformedError(`${api.name} ${version} refused: ${error.message}`);
      throw new Error(`${api.name} ${version} failed`, { cause: error });
    }
    if (!known) {
      this.#logger.error("request failed", { api: api.name, version, error: textOf(error) });
    }
    const value = {
      errorCode: known ? error.errorCode : ErrorCode.UNKNOWN_SERVER_ERROR,
      ...("errorMessage" in api.response.fields && known ? { errorMessage: error.message } : {}),
    };
    const parts = encodeResponse(api.response, version, correlationId, value as never);
    return { parts, throttleMs: 0 };
  }
}

/** Time of the event loop that one request takes, for whoever has a quota of it (KIP-124). */
class RequestTime {
  readonly #context: RequestContext;
  readonly #began: Millis;
  #used: Millis = 0;

  constructor(context: RequestContext) {
    this.#context = context;
    this.#began = this.#now();
  }

  /** The handler has returned; whatever it waits for is not its time. */
  paused(): void {
    this.#used = this.#now() - this.#began;
  }

  /** The answer with the time that its client is to wait: the handler's, or what its use of the loop asks for. */
  throttled(value: object): { readonly value: object; readonly throttleMs: Millis } {
    const { quotas } = this.#context.services;
    const told = (value as { readonly throttleTimeMs?: number }).throttleTimeMs ?? 0;
    const wait = quotas.requested(quotaClientOf(this.#context), this.#used, this.#now());
    if (wait <= told) return { value, throttleMs: told };
    return { value: { ...value, throttleTimeMs: wait }, throttleMs: wait };
  }

  #now(): Millis {
    return this.#context.services.environment.scheduler.now();
  }
}

/** An error with its stack, and those that caused it, for the log. */
export function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? error.message;
  return error.cause === undefined ? own : `${own}\ncaused by ${textOf(error.cause)}`;
}
