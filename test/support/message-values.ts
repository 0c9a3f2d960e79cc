import fc from "fast-check";
import { type Fields, inVersions } from "../../broker/protocol/schema.ts";

/** Any value of a message at one version, every field of that version given. */
export function valueOf(fields: Fields, version: number): fc.Arbitrary<Record<string, unknown>> {
  const parts: Record<string, fc.Arbitrary<unknown>> = {};
  for (const [name, field] of Object.entries(fields)) {
    if (!inVersions(field.versions, version)) continue;
    const plain = typed(field.type.name, field.type.fields, version);
    parts[name] = inVersions(field.nullable, version) ? fc.option(plain, { freq: 4 }) : plain;
  }
  return fc.record(parts);
}

function typed(name: string, fields: Fields | undefined, version: number): fc.Arbitrary<unknown> {
  if (name.startsWith("[]"))
    return fc.array(typed(name.slice(2), fields, version), { maxLength: 3 });
  switch (name) {
    case "bool":
      return fc.boolean();
    case "int8":
      return fc.integer({ min: -128, max: 127 });
    case "int16":
      return fc.integer({ min: -32768, max: 32767 });
    case "uint16":
      return fc.integer({ min: 0, max: 65535 });
    case "int32":
      return fc.integer();
    case "uint32":
      return fc.nat(4294967295);
    case "int64":
      return fc.maxSafeInteger();
    case "float64":
      return fc.double({ noNaN: true });
    case "uuid":
      return fc.uuid();
    case "string":
      return fc.string({ unit: "grapheme", maxLength: 40 });
    case "bytes":
    case "records":
      return fc.uint8Array({ maxLength: 300 });
    case "struct":
      return valueOf(fields ?? {}, version);
    default:
      throw new Error(name);
  }
}
