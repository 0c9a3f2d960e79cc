import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { apis } from "../../../../broker/protocol/api-versions.ts";
import { apiNotes, otherApis } from "../../../../scripts/protocol-notes.ts";
import { PAGE, protocolSupport } from "../../../../scripts/protocol-support.ts";

/** API keys of Kafka 4.4 are 0 to 94. */
const LAST_KEY = 94;

describe("docs/protocol-support.md", () => {
  it("is up to date", () => {
    assert.equal(
      readFileSync(PAGE, "utf8"),
      protocolSupport(),
      "run: node scripts/protocol-support.ts",
    );
  });

  it("speaks of every API that Kafka has, and of each once", () => {
    const keys = new Set(apis.map((api) => api.key));
    assert.equal(keys.size, apis.length);
    for (const { names } of otherApis) for (const key of Object.keys(names)) keys.add(Number(key));
    const expected = Array.from({ length: LAST_KEY + 1 }, (_, key) => key);
    assert.deepEqual(
      [...keys].sort((a, b) => a - b),
      expected,
    );
    const page = protocolSupport();
    for (const { name, key } of apis) {
      const rows = page.split("\n").filter((line) => RegExp(`^\\| ${key} +\\|`).test(line));
      assert.equal(rows.length, 1, name);
      assert(rows[0]?.includes(`| ${name} `), name);
    }
  });

  it("has no notes on APIs that do not exist", () => {
    const names = new Set(apis.map((api) => api.name));
    assert.deepEqual(
      Object.keys(apiNotes).filter((name) => !names.has(name)),
      [],
    );
  });

  it("puts an API where its handler is: served, between brokers, or not yet", () => {
    const [first, second] = apis;
    const internal = apis.find((api) => api.listener === "internal");
    assert(first !== undefined && second !== undefined && internal !== undefined);
    const page = protocolSupport([
      { api: first, served: true },
      { api: second, served: false },
      { api: internal, served: false },
    ]);
    const parts = page.split(/^## /m);
    const part = (title: string): string => parts.find((one) => one.startsWith(title)) ?? "";
    assert(part("Served to clients: 1 APIs").includes(first.name));
    assert(part("Between brokers").includes(internal.name));
    assert(part("Not served yet").includes(second.name));
    assert.throws(() => protocolSupport([{ api: { ...first, name: "New" }, served: true }]), /New/);
  });
});
