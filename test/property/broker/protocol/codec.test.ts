import assert from "node:assert/strict";
import fc from "fast-check";
import { apis } from "../../../../broker/protocol/api-versions.ts";
import { MalformedError } from "../../../../broker/protocol/reader.ts";
import type { MessageDefinition } from "../../../../broker/protocol/schema.ts";
import { valueOf } from "../../../support/message-values.ts";
import { runs } from "../../../support/runs.ts";

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
