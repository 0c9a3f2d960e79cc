import { KubeError } from "../../kube/errors.ts";
import type { KubeObject } from "../../kube/objects.ts";
import { shownText, valueAt } from "./json.ts";

/** Whether an object is selected. */
export type ObjectFilter = (object: KubeObject) => boolean;

export const selectAll: ObjectFilter = () => true;

/**
 * A label selector as kubectl writes it: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, joined by commas.
 * @throws KubeError 400 when it cannot be understood.
 */
export function labelFilter(selector: string | undefined): ObjectFilter {
  if (selector === undefined || selector.trim() === "") return selectAll;
  const terms = splitTerms(selector).map(labelTerm);
  return (object) => terms.every((term) => term(object.metadata.labels ?? {}));
}

function labelTerm(text: string): (labels: Readonly<Record<string, string>>) => boolean {
  const has = (labels: Readonly<Record<string, string>>, key: string): boolean =>
    Object.hasOwn(labels, key);
  const set = /^([^\s!=(),]+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(text);
  if (set !== null) {
    const [, key = "", operator, list = ""] = set;
    const values = new Set(list.split(",").map((value) => value.trim()));
    return operator === "in"
      ? (labels) => has(labels, key) && values.has(labels[key] ?? "")
      : (labels) => !has(labels, key) || !values.has(labels[key] ?? "");
  }
  const equal = /^([^\s!=(),]+)\s*(==|=|!=)\s*([^\s!=(),]*)$/.exec(text);
  if (equal !== null) {
    const [, key = "", operator, value = ""] = equal;
    return operator === "!="
      ? (labels) => labels[key] !== value
      : (labels) => has(labels, key) && labels[key] === value;
  }
  const exists = /^(!?)\s*([^\s!=(),]+)$/.exec(text);
  if (exists !== null) {
    const [, not, key = ""] = exists;
    return (labels) => has(labels, key) === (not === "");
  }
  throw new KubeError(400, "BadRequest", `unable to parse requirement: found '${text}'`);
}

/** Cuts at the commas that are outside parentheses. */
function splitTerms(selector: string): string[] {
  const terms: string[] = [];
  let depth = 0;
  let term = "";
  for (const char of selector) {
    if (char === "(") depth++;
    if (char === ")") depth--;
    if (char === "," && depth === 0) {
      terms.push(term.trim());
      term = "";
    } else term += char;
  }
  terms.push(term.trim());
  return terms.filter((each) => each !== "");
}

const FIELDS = new Set([
  "metadata.name",
  "metadata.namespace",
  "status.phase",
  "spec.nodeName",
  "spec.unschedulable",
  "type",
  "reason",
  "involvedObject.kind",
  "involvedObject.namespace",
  "involvedObject.name",
  "involvedObject.uid",
  "involvedObject.apiVersion",
  "involvedObject.fieldPath",
]);

/** A field selector of the fields that built-in kinds offer. @throws KubeError 400 for another field. */
export function fieldFilter(selector: string | undefined): ObjectFilter {
  if (selector === undefined || selector.trim() === "") return selectAll;
  const terms = selector.split(",").map((text) => {
    const match = /^\s*([\w.]+)\s*(==|=|!=)\s*(.*?)\s*$/.exec(text);
    const field = match?.[1] ?? "";
    if (match === null || !FIELDS.has(field)) {
      throw new KubeError(
        400,
        "BadRequest",
        `field label not supported: ${field === "" ? text : field}`,
      );
    }
    const path = field.split(".");
    const wanted = match[3] ?? "";
    const negated = match[2] === "!=";
    return (object: KubeObject): boolean => {
      const value = valueAt(object, path);
      return (shownText(value) === wanted) !== negated;
    };
  });
  return (object) => terms.every((term) => term(object));
}
