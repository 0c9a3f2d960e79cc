import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { chartFiles, orphans } from "../../../scripts/chart.mjs";

const root = path.resolve(import.meta.dirname, "../../..");
const chart = path.join(root, "charts", "forebay");
const read = (file: string): string => readFileSync(file, "utf8");

interface Schema {
  readonly type: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
  readonly description?: string;
}

/** Paths of the values that are no groups of values, and their types by the schema. */
function leaves(schema: Schema, prefix = ""): readonly (readonly [string, string])[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) =>
    property.additionalProperties === false
      ? leaves(property, `${prefix}${name}.`)
      : [[`${prefix}${name}`, property.type] as const],
  );
}

function at(values: unknown, name: string): unknown {
  return name
    .split(".")
    .reduce<unknown>(
      (value, part) => (value as Readonly<Record<string, unknown>> | undefined)?.[part],
      values,
    );
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  return typeof value === "number" ? "integer" : typeof value;
}

/** Names of metrics in a text. */
function metricsIn(text: string): string[] {
  return [...new Set(text.match(/\bforebay_[a-z_]+/g) ?? [])].sort();
}

function sources(folder: string): string {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => read(path.join(root, folder, file)))
    .join("\n");
}

describe("Helm chart", () => {
  it("has the resource definitions of crds/ and the table of its values: npm run chart", () => {
    for (const [file, text] of chartFiles()) assert.equal(read(path.join(root, file)), text, file);
    assert.deepEqual(orphans(), []);
  });

  it("has a default of the right type for each value of the schema, and no other", () => {
    const schema = JSON.parse(read(path.join(chart, "values.schema.json"))) as Schema;
    const values = parse(read(path.join(chart, "values.yaml"))) as unknown;
    const known = leaves(schema).filter(([name]) => name !== "global");
    for (const [name, type] of known) assert.equal(typeOf(at(values, name)), type, name);
    const names = known.map(([name]) => name);
    const check = (value: unknown, prefix: string): void => {
      for (const [key, inner] of Object.entries(value as Readonly<Record<string, unknown>>)) {
        const name = prefix + key;
        if (names.includes(name)) continue;
        assert.ok(
          names.some((one) => one.startsWith(`${name}.`)),
          `${name} is not in the schema`,
        );
        check(inner, `${name}.`);
      }
    };
    check(values, "");
  });

  it("uses no value that the schema does not have", () => {
    const schema = JSON.parse(read(path.join(chart, "values.schema.json"))) as Schema;
    const names = leaves(schema).map(([name]) => name);
    for (const file of readdirSync(path.join(chart, "templates"))) {
      const text = read(path.join(chart, "templates", file));
      for (const [, name = ""] of text.matchAll(/\.Values\.([A-Za-z.]+)/g)) {
        const is = names.some((one) => one === name || one.startsWith(`${name}.`));
        assert.ok(is, `${file}: ${name}`);
      }
    }
  });

  for (const file of ["alert-rules.yaml", "dashboard.json"]) {
    it(`asks in ${file} only for metrics that brokers or the operator have`, () => {
      const named = metricsIn(sources("broker") + sources("operator"));
      const known = named.flatMap((name) => [
        name,
        `${name}_bucket`,
        `${name}_sum`,
        `${name}_count`,
      ]);
      const used = metricsIn(read(path.join(chart, "files", file)));
      assert.ok(used.length > 5);
      assert.deepEqual(
        used.filter((name) => !known.includes(name)),
        [],
      );
    });
  }

  it("has the version of the package", () => {
    const { version } = JSON.parse(read(path.join(root, "package.json"))) as { version: string };
    const { appVersion } = parse(read(path.join(chart, "Chart.yaml"))) as { appVersion: string };
    assert.equal(appVersion, version);
  });
});
