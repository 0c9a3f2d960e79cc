import assert from "node:assert/strict";
import { apis } from "../../../broker/protocol/api-versions.ts";
import type { MessageDefinition } from "../../../broker/protocol/schema.ts";
import { flatOurs, flatTheirs, list } from "./flat-fields.ts";
import { jarPath, type KafkaSchema, kafkaSchemas } from "./kafka-schemas.ts";

/** Our field tables against the message schemas inside Apache Kafka's own client library. */
describe("message schemas against kafka-clients 4.4.0", () => {
  let schemas: ReadonlyMap<string, KafkaSchema> = new Map();

  before(function () {
    const found = kafkaSchemas();
    if (found !== undefined) {
      schemas = found;
      return;
    }
    const missing = `no kafka-clients jar at ${jarPath()} (KAFKA_CLIENTS_JAR names another place)`;
    assert(process.env["CI"] !== "true", missing);
    console.log(`    skipped: ${missing}`);
    this.skip();
  });

  const schemaOf = (name: string): KafkaSchema => {
    const schema = schemas.get(name);
    assert(schema !== undefined, `Kafka has no ${name}`);
    return schema;
  };

  it("finds all 190 of Kafka's requests and responses", () => {
    assert.equal(schemas.size, 190);
  });

  for (const api of apis) {
    for (const definition of [api.request, api.response] as MessageDefinition<unknown>[]) {
      const { head } = definition;
      it(`${head.name}: every field, at every version, in order`, () => {
        const schema = schemaOf(head.name);
        assert.equal(head.apiKey, schema.apiKey);
        assert.equal(head.kind, schema.type);
        assert.equal(head.versions, schema.validVersions);
        for (const version of list(schema.validVersions)) {
          const flexible = list(schema.flexibleVersions.replace("+", "-99")).includes(version);
          assert.equal(definition.isFlexible(version), flexible, `version ${version}`);
        }
        assert.deepEqual(flatOurs(definition), flatTheirs(schema));
      });
    }

    it(`${api.name}: offered in versions that exist and are stable`, () => {
      const schema = schemaOf(`${api.name}Request`);
      const valid = list(schema.validVersions);
      const last = valid.at(-1);
      assert(last !== undefined);
      assert(valid.includes(api.firstAccepted), "the first accepted version exists");
      assert.equal(api.maxVersion, schema.latestVersionUnstable === true ? last - 1 : last);
      assert(api.minVersion <= api.firstAccepted);
      assert((schema.listeners ?? []).includes("broker") || api.listener === "internal");
    });
  }
});
