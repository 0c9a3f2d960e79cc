import assert from "node:assert/strict";
import fc from "fast-check";
import { apis } from "../../../../broker/protocol/api-versions.ts";
import { MalformedError } from "../../../../broker/protocol/reader.ts";
import {
  type Fields,
  inVersions,
  type MessageDefinition,
} from "../../../../broker/protocol/schema.ts";
import { runs } from "../../../support/runs.ts";

/** Any value of a message at one version, every field of that version given. */
function valueOf(fields: Fields, version: number): fc.Arbitrary<Record<string, unknown>> {
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

/** What was given is a part of what is decoded: the rest are defaults of other versions. */
function assertContains(decoded: unknown, given: unknown, path: string): void {
  if (given instanceof Uint8Array) {
    assert(decoded instanceof Uint8Array, path);
    assert.deepEqual(Buffer.from(decoded), Buffer.from(given), path);
  } else if (Array.isArray(given)) {
    assert(Array.isArray(decoded) && decoded.length === given.length, path);
    for (const [i, one] of given.entries()) assertContains(decoded[i], one, `${path}[${i}]`);
  } else if (typeof given === "object" && given !== null) {
    for (const [name, one] of Object.entries(given)) {
      assertContains((decoded as Record<string, unknown>)[name], one, `${path}.${name}`);
    }
  } else assert(Object.is(decoded, given) || decoded === given, `${path}: ${String(decoded)}`);
}

describe("message codec", () => {
  for (const api of apis) {
    for (const definition of [api.request, api.response] as MessageDefinition<unknown>[]) {
      it(`decodes what it encodes: ${definition.head.name}, every version`, () => {
        for (let version = api.firstAccepted; version <= api.maxVersion; version++) {
          fc.assert(
            fc.property(valueOf(definition.fields, version), (value) => {
              const bytes = definition.encode(value, version);
              assertContains(definition.decode(bytes, 0, version), value, definition.head.name);
            }),
            runs(12),
          );
        }
      });
    }
  }

  it("never does worse than MalformedError on mutated bytes", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...apis).chain((api) =>
          fc.tuple(
            fc.constant(api),
            fc
              .integer({ min: api.firstAccepted, max: api.maxVersion })
              .chain((version) =>
                fc.tuple(fc.constant(version), valueOf(api.request.fields, version)),
              ),
            fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
            fc.nat(),
          ),
        ),
        ([api, [version, value], mutations, cut]) => {
          const definition = api.request as MessageDefinition<unknown>;
          let bytes = definition.encode(value, version);
          for (const [at, byte] of mutations) if (bytes.length > 0) bytes[at % bytes.length] = byte;
          if (cut % 3 === 0) bytes = bytes.subarray(0, cut % (bytes.length + 1));
          try {
            definition.decode(bytes, 0, version);
          } catch (error) {
            assert(error instanceof MalformedError, String(error));
          }
        },
      ),
      runs(3000),
    );
  });
});
