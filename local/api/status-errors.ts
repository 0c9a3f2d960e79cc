import { kubeErrorFor } from "../../kube/errors.ts";
import type { KubeError } from "../../kube/errors.ts";

/** One reason of an Invalid status, as metav1.StatusCause. */
export interface StatusCause {
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

/** metav1.StatusDetails. */
export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly causes?: readonly StatusCause[];
}

const detailsOf = new WeakMap<KubeError, StatusDetails>();

/** The error of `code` and `reason`, carrying the details of its Status. */
export function statusError(
  code: number,
  reason: string,
  message: string,
  details?: StatusDetails,
): KubeError {
  const error = kubeErrorFor(code, reason, message);
  if (details !== undefined) detailsOf.set(error, details);
  return error;
}

/** The metav1.Status of an error, for an HTTP answer. */
export function statusObject(error: KubeError): Record<string, unknown> {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: error.message,
    reason: error.reason,
    details: detailsOf.get(error) ?? {},
    code: error.code,
  };
}

/** `topics.forebay.dev`, or `pods` for the core group. */
export function qualified(group: string, plural: string): string {
  return group === "" ? plural : `${plural}.${group}`;
}

/** 404 of one object. */
export function notFound(group: string, plural: string, name: string): KubeError {
  return statusError(404, "NotFound", `${qualified(group, plural)} "${name}" not found`, {
    name,
    group,
    kind: plural,
  });
}

/** 409 AlreadyExists. */
export function alreadyExists(group: string, plural: string, name: string): KubeError {
  return statusError(409, "AlreadyExists", `${qualified(group, plural)} "${name}" already exists`, {
    name,
    group,
    kind: plural,
  });
}

/** 409 Conflict. */
export function conflict(group: string, plural: string, name: string, why?: string): KubeError {
  const cause =
    why ??
    "the object has been modified; please apply your changes to the latest version and try again";
  return statusError(
    409,
    "Conflict",
    `Operation cannot be fulfilled on ${qualified(group, plural)} "${name}": ${cause}`,
    { name, group, kind: plural },
  );
}

/** 422 Invalid with its causes, worded as the API server does. */
export function invalid(
  group: string,
  kind: string,
  name: string,
  causes: readonly StatusCause[],
): KubeError {
  const texts = causes.map((cause) =>
    cause.field === "" ? cause.message : `${cause.field}: ${cause.message}`,
  );
  const list = texts.length === 1 ? (texts[0] ?? "") : `[${texts.join(", ")}]`;
  return statusError(422, "Invalid", `${qualified(group, kind)} "${name}" is invalid: ${list}`, {
    name,
    group,
    kind,
    causes,
  });
}
