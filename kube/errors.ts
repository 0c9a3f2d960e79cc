/** An answer of the Kubernetes API that is not a success, by HTTP status code and `reason` of its Status. */
export class KubeError extends Error {
  override readonly name: string = "KubeError";
  readonly code: number;
  readonly reason: string;
  /** From Retry-After, in seconds. */
  readonly retryAfterSeconds: number | undefined;
  constructor(code: number, reason: string, message: string, retryAfterSeconds?: number) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
export class NotFoundError extends KubeError {
  override readonly name = "NotFoundError";
}
/** 409: a stale resourceVersion or uid precondition. */
export class ConflictError extends KubeError {
  override readonly name = "ConflictError";
}
/** 409 with reason AlreadyExists. */
export class AlreadyExistsError extends KubeError {
  override readonly name = "AlreadyExistsError";
}
/** 410: the resourceVersion asked for is no longer in the watch history. */
export class GoneError extends KubeError {
  override readonly name = "GoneError";
}
/** 422: refused by the schema, a CEL rule, or a failed `test` of a JSON Patch. */
export class InvalidError extends KubeError {
  override readonly name = "InvalidError";
}
/** 401 or 403. */
export class ForbiddenError extends KubeError {
  override readonly name = "ForbiddenError";
}
/** 429 or 5xx: the server did not do it, and may later. */
export class ServerBusyError extends KubeError {
  override readonly name = "ServerBusyError";
}
/** No answer came: a write may or may not have taken effect. */
export class UnknownOutcomeError extends Error {
  override readonly name = "UnknownOutcomeError";
}

/** The error for an HTTP status code and the `reason` and `message` of the Status object. */
export function kubeErrorFor(
  code: number,
  reason: string,
  message: string,
  retryAfterSeconds?: number,
): KubeError {
  const kind =
    code === 404
      ? NotFoundError
      : code === 409
        ? reason === "AlreadyExists"
          ? AlreadyExistsError
          : ConflictError
        : code === 410
          ? GoneError
          : code === 422
            ? InvalidError
            : code === 401 || code === 403
              ? ForbiddenError
              : code === 429 || code >= 500
                ? ServerBusyError
                : KubeError;
  return new kind(code, reason, message, retryAfterSeconds);
}
