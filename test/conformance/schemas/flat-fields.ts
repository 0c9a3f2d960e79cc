import {
  type Fields,
  FIRST_OWN_TAG,
  inVersions,
  type MessageDefinition,
  versions,
} from "../../../broker/protocol/schema.ts";
import type { KafkaField, KafkaSchema } from "./kafka-schemas.ts";

/** All that decides what a field looks like on the wire, at each version there is. */
export interface FlatField {
  readonly path: string;
  readonly type: string;
  /** For each version it is in: "" plain, "?" nullable, "#3" tagged with 3. */
  readonly at: Readonly<Record<number, string>>;
  readonly default: string;
}

/** Our own table as a list of fields, in order, those of structs after their struct. */
export function flatOurs(definition: MessageDefinition<unknown>): FlatField[] {
  const out: FlatField[] = [];
  const visit = (fields: Fields, prefix: string, parent: readonly number[]): void => {
    for (const [name, field] of Object.entries(fields)) {
      if (field.tag !== undefined && field.tag >= FIRST_OWN_TAG) continue;
      const there = parent.filter((version) => inVersions(field.versions, version));
      const path = `${prefix}${name}`;
      out.push({
        path,
        type: field.type.name,
        at: shape(there, (version) => ({
          nullable: inVersions(field.nullable, version),
          tag: inVersions(field.taggedVersions, version) ? field.tag : undefined,
        })),
        default: text(field.initial()),
      });
      if (field.type.fields !== undefined) visit(field.type.fields, `${path}.`, there);
    }
  };
  visit(definition.fields, "", list(definition.head.versions));
  return out;
}

/** The same of Kafka's schema. */
export function flatTheirs(schema: KafkaSchema): FlatField[] {
  const structs = new Map(schema.commonStructs?.map((each) => [each.name, each.fields]));
  const out: FlatField[] = [];
  const visit = (
    fields: readonly KafkaField[],
    prefix: string,
    parent: readonly number[],
  ): void => {
    for (const field of fields) {
      if (field.flexibleVersions !== undefined)
        throw new Error(`${field.name} has an encoding of its own`);
      const own = versions(field.versions);
      const there = parent.filter((version) => inVersions(own, version));
      const path = `${prefix}${field.name.charAt(0).toLowerCase()}${field.name.slice(1)}`;
      const element = field.type.replace("[]", "");
      const inner = field.fields ?? structs.get(element);
      const nullable = versions(field.nullableVersions ?? "none");
      const tagged = versions(field.taggedVersions ?? "none");
      const type = inner === undefined ? field.type : field.type.replace(element, "struct");
      out.push({
        path,
        type,
        at: shape(there, (version) => ({
          nullable: inVersions(nullable, version),
          tag: inVersions(tagged, version) ? field.tag : undefined,
        })),
        default: kafkaDefault(field, type),
      });
      if (inner !== undefined) visit(inner, `${path}.`, there);
    }
  };
  visit(schema.fields, "", list(schema.validVersions));
  return out;
}

export function list(range: string): number[] {
  const { from, to } = versions(range);
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

function shape(
  there: readonly number[],
  at: (version: number) => { readonly nullable: boolean; readonly tag: number | undefined },
): Record<number, string> {
  return Object.fromEntries(
    there.map((version) => {
      const { nullable, tag } = at(version);
      return [version, `${nullable ? "?" : ""}${tag === undefined ? "" : `#${tag}`}`];
    }),
  );
}

function kafkaDefault(field: KafkaField, type: string): string {
  if (type === "records") return "null";
  const given = field.default === undefined ? "" : String(field.default);
  if (given === "null") return "null";
  if (type.startsWith("[]") || type === "bytes") return "[]";
  if (type === "struct") return "{}";
  if (type === "string") return JSON.stringify(given);
  if (type === "bool") return given === "" ? "false" : given;
  if (type === "uuid") return given === "" ? '"00000000-0000-0000-0000-000000000000"' : given;
  // Numbers, decimal or hexadecimal.
  return String(Number(given));
}

function text(initial: unknown): string {
  if (initial === null) return "null";
  if (Array.isArray(initial) || initial instanceof Uint8Array)
    return initial.length === 0 ? "[]" : "?";
  if (typeof initial === "object") return "{}";
  return JSON.stringify(initial) ?? "?";
}
