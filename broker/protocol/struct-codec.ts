import { present } from "../../lib/assert.ts";
import { appended } from "../../lib/small-list.ts";
import type { AnyField, Decode, Decoded, Encode, Fields, Input } from "./field.ts";
import { inVersions } from "./versions.ts";
import { Writer } from "./writer.ts";

/** A struct of nothing but defaults, of which no part is shared with another. */
export function initialOf<F extends Fields>(fields: F): Decoded<F> {
  const out: Record<string, unknown> = {};
  for (const name of Object.keys(fields)) out[name] = present(fields[name], name).initial();
  return out as Decoded<F>;
}

/**
 * An object with these fields to be copied: one that gets them one after the other is made anew for every third of them.
 * From JSON, as what is made that way has them within it, and not in a list beside it.
 */
function shapeOf(names: readonly string[]): Readonly<Record<string, unknown>> {
  const fields = names.map((name) => `${JSON.stringify(name)}:null`);
  return JSON.parse(`{${fields.join(",")}}`) as Readonly<Record<string, unknown>>;
}

/** The decoder of one version: fields that are not in it get their defaults. It throws MalformedError. */
export function decodeFields<F extends Fields>(
  fields: F,
  version: number,
  flexible: boolean,
): Decode<Decoded<F>> {
  const steps: { readonly name: string; readonly decode: Decode<unknown> }[] = [];
  const tagged = new Map<number, { readonly name: string; readonly decode: Decode<unknown> }>();
  for (const [name, one] of Object.entries(fields)) {
    if (!inVersions(one.versions, version)) {
      steps.push({ name, decode: one.initial });
      continue;
    }
    const decode = one.type.decode(version, flexible, inVersions(one.nullable, version));
    if (one.tag !== undefined && inVersions(one.taggedVersions, version)) {
      tagged.set(one.tag, { name, decode });
      steps.push({ name, decode: one.initial });
    } else steps.push({ name, decode });
  }
  const shape = shapeOf(steps.map(({ name }) => name));
  return (reader) => {
    const out: Record<string, unknown> = { ...shape };
    for (const { name, decode } of steps) out[name] = decode(reader);
    if (flexible) {
      for (let count = reader.uvarint(); count > 0; count--) {
        const tag = reader.uvarint();
        const length = reader.uvarint();
        const known = tagged.get(tag);
        // What is in it is bounded by the field's length.
        if (known === undefined) reader.skip(length);
        else out[known.name] = reader.within(length, known.decode);
      }
    }
    return out as Decoded<F>;
  };
}

interface TaggedStep {
  readonly name: string;
  readonly tag: number;
  readonly encode: Encode<unknown>;
  readonly one: AnyField;
}

/** The encoder of one version: fields that are not in it are not sent. */
export function encodeFields<F extends Fields>(
  fields: F,
  version: number,
  flexible: boolean,
): Encode<Input<F>> {
  const steps: {
    readonly name: string;
    readonly encode: Encode<unknown>;
    readonly one: AnyField;
  }[] = [];
  const tagged: TaggedStep[] = [];
  for (const [name, one] of Object.entries(fields)) {
    if (!inVersions(one.versions, version)) continue;
    const nullable = inVersions(one.nullable, version);
    const encode = one.type.encode(version, flexible, nullable) as Encode<unknown>;
    if (one.tag !== undefined && inVersions(one.taggedVersions, version)) {
      tagged.push({ name, tag: one.tag, encode, one });
    } else steps.push({ name, encode, one });
  }
  tagged.sort((a, b) => a.tag - b.tag);
  return (writer, value) => {
    const given = value as Record<string, unknown>;
    for (const { name, encode, one } of steps) {
      const own = given[name];
      encode(writer, own === undefined ? one.initial() : own);
    }
    if (!flexible) return;
    if (tagged.length === 0) {
      writer.uvarint(0);
      return;
    }
    let sent: TaggedStep[] = [];
    for (const step of tagged) {
      const own = given[step.name];
      if (own !== undefined && !isDefault(own, step.one)) sent = appended(sent, step);
    }
    writer.uvarint(sent.length);
    for (const { name, tag, encode } of sent) {
      const inner = new Writer();
      encode(inner, given[name]);
      writer.uvarint(tag);
      writer.uvarint(inner.length);
      for (const part of inner.parts()) writer.raw(part);
    }
  };
}

/** Tagged fields that say nothing are left out (KIP-482). What stands for null says something where null is the default. */
function isDefault(value: unknown, one: AnyField): boolean {
  if (value === null || typeof value !== "object") return value === one.initial();
  return isEmpty(value, one) && one.initial() !== null;
}

/** A list without elements, bytes without any, a struct of nothing but defaults. */
function isEmpty(value: object, { type: { fields } }: AnyField): boolean {
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0;
  if (fields === undefined) return false;
  const given = value as Record<string, unknown>;
  for (const name in fields) {
    const inner = fields[name];
    const own = given[name];
    if (own !== undefined && inner !== undefined && !isDefault(own, inner)) return false;
  }
  return true;
}
