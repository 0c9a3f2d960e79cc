import { present } from "../../lib/assert.ts";
import type { AnyField, Decode, Decoded, Encode, Fields, Input } from "./field.ts";
import { MalformedError, Reader } from "./reader.ts";
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
        const at = reader.skip(reader.uvarint());
        const known = tagged.get(tag);
        if (known === undefined) continue;
        // A reader of its own, that ends where the field does: what is in it is bounded by the field's length.
        const inner = new Reader(reader.bytes, at, reader.position);
        inner.elementsLeft = reader.elementsLeft;
        out[known.name] = known.decode(inner);
        reader.elementsLeft = inner.elementsLeft;
        if (inner.remaining > 0) throw new MalformedError("tagged field of another length");
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
    const sent = tagged.filter(
      ({ name, one }) => given[name] !== undefined && !isDefault(given[name], one),
    );
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

/** Tagged fields that say nothing are left out (KIP-482). */
function isDefault(value: unknown, one: AnyField): boolean {
  const initial = one.initial();
  if (value === null || initial === null) return value === initial;
  if (Array.isArray(value)) return value.length === 0;
  if (value instanceof Uint8Array) return value.length === 0;
  if (typeof value === "object" && one.type.fields !== undefined) {
    const given = value as Record<string, unknown>;
    return Object.entries(one.type.fields).every(
      ([name, inner]) => given[name] === undefined || isDefault(given[name], inner),
    );
  }
  return value === initial;
}
