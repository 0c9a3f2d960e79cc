import type { KubeObject, ObjectMeta } from "../../kube/objects.ts";
import type { Random } from "../../lib/random.ts";
import { asObject, deepEqual, omit } from "./json.ts";
import { rfc3339 } from "./object-store.ts";
import type { KindRef } from "./object-store.ts";
import { invalid } from "./status-errors.ts";

/** Metadata of an object that is being created: what the server sets is set, whatever the client sent. */
export function freshMeta(
  given: ObjectMeta,
  namespace: string,
  random: Random,
  wallNow: number,
): ObjectMeta {
  const rest = omit(given, "resourceVersion", "deletionTimestamp", "namespace");
  const prefix = asObject(given)["generateName"];
  const generated = typeof prefix === "string" ? prefix + suffix(random) : "";
  return {
    ...rest,
    name: typeof given.name === "string" && given.name !== "" ? given.name : generated,
    ...(namespace === "" ? {} : { namespace }),
    uid: uuidText(random.uuid()),
    creationTimestamp: rfc3339(wallNow),
    generation: 1,
  };
}

/** Metadata of an update: what only the server sets stays as it was. */
export function keptMeta(given: ObjectMeta, old: ObjectMeta): ObjectMeta {
  const rest = omit(given, "deletionTimestamp", "creationTimestamp", "generation");
  const grace = asObject(old)["deletionGracePeriodSeconds"];
  return {
    ...rest,
    name: old.name,
    ...(old.namespace === undefined ? {} : { namespace: old.namespace }),
    ...(old.uid === undefined ? {} : { uid: old.uid }),
    ...(old.creationTimestamp === undefined ? {} : { creationTimestamp: old.creationTimestamp }),
    ...(old.resourceVersion === undefined ? {} : { resourceVersion: old.resourceVersion }),
    ...(old.generation === undefined ? {} : { generation: old.generation }),
    ...(old.deletionTimestamp === undefined ? {} : { deletionTimestamp: old.deletionTimestamp }),
    ...(grace === undefined ? {} : { deletionGracePeriodSeconds: grace }),
    ...(given.managedFields === undefined && old.managedFields !== undefined
      ? { managedFields: old.managedFields }
      : {}),
  };
}

/** Whether something other than metadata (and status, when it is a subresource) differs. */
export function specChanged(old: KubeObject, next: KubeObject, statusApart: boolean): boolean {
  const body = (object: KubeObject): unknown => {
    const rest = omit(object, "metadata", "apiVersion");
    return statusApart ? omit(asObject(rest), "status") : rest;
  };
  return !deepEqual(body(old), body(next));
}

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
/** RBAC names are path segments: `system:node` is one. */
const PATH_SEGMENT = /^[^/%]+$/;

/** @throws InvalidError when the API server would refuse the name. */
export function checkName(kind: KindRef, kindName: string, name: string): void {
  if (name === "") {
    throw invalid(kind.group, kindName, name, [
      {
        reason: "FieldValueRequired",
        field: "metadata.name",
        message: "Required value: name or generateName is required",
      },
    ]);
  }
  const pattern = kind.group === "rbac.authorization.k8s.io" ? PATH_SEGMENT : SUBDOMAIN;
  if (name.length <= 253 && pattern.test(name)) return;
  throw invalid(kind.group, kindName, name, [
    {
      reason: "FieldValueInvalid",
      field: "metadata.name",
      message:
        `Invalid value: ${JSON.stringify(name)}: a lowercase RFC 1123 subdomain must consist of lower case ` +
        "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character " +
        "(e.g. 'example.com', regex used for validation is " +
        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    },
  ]);
}

/** Letters and digits of which no word is made, as the API server uses for generated names. */
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";

function suffix(random: Random): string {
  return Array.from({ length: 5 }, () => ALPHABET[random.below(ALPHABET.length)] ?? "x").join("");
}

function uuidText(bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}
