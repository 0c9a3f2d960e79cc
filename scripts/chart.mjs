// Keeps what the chart has of elsewhere: its copy of crds/, and the table of values in its README, which is made from
// values.yaml and values.schema.json. `--check` writes nothing and exits with 1 when something is not as it should be.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const chart = path.join(root, "charts", "forebay");

/** Files of the chart, by path from the repository's root, with the text that each should have. */
export function chartFiles() {
  const files = new Map();
  for (const file of readdirSync(path.join(root, "crds")).sort()) {
    files.set(path.join("charts/forebay/crds", file), read(path.join(root, "crds", file)));
  }
  const readme = read(path.join(chart, "README.md"));
  files.set(path.join("charts/forebay/README.md"), withTable(readme, valuesTable()));
  return files;
}

/** Copies of resource definitions that are no more. */
export function orphans() {
  const directory = path.join(chart, "crds");
  if (!existsSync(directory)) return [];
  const wanted = new Set(readdirSync(path.join(root, "crds")));
  return readdirSync(directory)
    .filter((file) => !wanted.has(file))
    .map((file) => path.join("charts/forebay/crds", file));
}

/** A row for each value that is no group of values. */
export function valuesTable() {
  const schema = JSON.parse(read(path.join(chart, "values.schema.json")));
  const values = parse(read(path.join(chart, "values.yaml")));
  return ["| value | default | what it is |", "|---|---|---|", ...rows(schema, values, "")].join(
    "\n",
  );
}

function rows(schema, values, prefix) {
  return Object.entries(schema.properties).flatMap(([name, property]) => {
    if (property.description === undefined) return [];
    const value = values?.[name];
    if (property.additionalProperties === false) return rows(property, value, `${prefix}${name}.`);
    const kind = property.enum === undefined ? "" : ` One of ${property.enum.join(", ")}.`;
    return [
      `| \`${prefix}${name}\` | \`${JSON.stringify(value)}\` | ${property.description}${kind} |`,
    ];
  });
}

function withTable(text, table) {
  const [start, end] = ["<!-- values -->\n", "\n<!-- end of values -->"];
  const from = text.indexOf(start);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error("the chart's README has no place for its values");
  return text.slice(0, from + start.length) + table + text.slice(to);
}

function read(file) {
  return readFileSync(file, "utf8");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const check = process.argv.includes("--check");
  let stale = 0;
  for (const [file, text] of chartFiles()) {
    const target = path.join(root, file);
    if (existsSync(target) && read(target) === text) continue;
    stale++;
    console.log(`${check ? "not as it should be" : "written"}: ${file}`);
    if (check) continue;
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
  for (const file of orphans()) {
    stale++;
    console.log(`${check ? "should not be there" : "removed"}: ${file}`);
    if (!check) rmSync(path.join(root, file));
  }
  process.exitCode = check && stale > 0 ? 1 : 0;
}
