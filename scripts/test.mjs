// Runs every suite that this machine can run, one after the other, and says at the end how much of it there was.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
const bin = (name) => path.join(root, "node_modules", ".bin", name);
const reports = mkdtempSync(path.join(tmpdir(), "forebay-test-"));
let passed = 0;
let failed = 0;
let skipped = 0;
/** What failed, for the end of a long output. */
const failures = [];

/** A step that is right or wrong as a whole. */
function check(name, command, args) {
  console.log(`\n== ${name}`);
  const started = Date.now();
  const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  console.log(
    `${name}: ${status === 0 ? "ok" : "FAILED"} in ${((Date.now() - started) / 1000).toFixed(1)} s`,
  );
  if (status === 0) passed++;
  else {
    failed++;
    failures.push(name);
  }
}

function testFiles(folder) {
  const directory = path.join(root, "test", folder);
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true })
    .filter((file) => file.endsWith(".test.ts"))
    .filter((file) => names.length === 0 || names.some((name) => file.includes(name)))
    .map((file) => path.join("test", folder, file))
    .sort();
}

/** A folder of mocha tests. */
function suite(folder, timeout) {
  const files = testFiles(folder);
  if (files.length === 0) return;
  console.log(`\n== ${folder}`);
  const report = path.join(reports, `${folder}.json`);
  const started = Date.now();
  const { status } = spawnSync(
    bin("node"),
    [
      bin("mocha"),
      "--timeout",
      String(timeout),
      "--reporter",
      path.join(root, "scripts", "reporter.cjs"),
      ...files,
    ],
    {
      cwd: root,
      stdio: "inherit",
      env: {
        ...process.env,
        MOCHA_REPORT: report,
        ...(only.includes(folder) ? { FOREBAY_SUITE: folder } : {}),
      },
    },
  );
  const counts = existsSync(report)
    ? JSON.parse(readFileSync(report, "utf8"))
    : { passes: 0, failures: 0, pending: 0, failed: [] };
  passed += counts.passes;
  failed += counts.failures;
  skipped += counts.pending;
  for (const what of counts.failed) failures.push(`${folder}: ${what}`);
  // A suite that ended without saying how is a failure of its own.
  if (status !== 0 && counts.failures === 0) {
    failed++;
    failures.push(`${folder}: ended with ${status}`);
  }
  console.log(
    `${folder}: ${counts.passes} passed, ${counts.failures} failed, ${counts.pending} skipped in ${((Date.now() - started) / 1000).toFixed(1)} s`,
  );
}

// Words that are no suite are parts of the names of files to run.
const isSuite = (word) =>
  ["lint", "format", "types"].includes(word) || existsSync(path.join(root, "test", word));
const only = process.argv.slice(2).filter(isSuite);
const names = process.argv.slice(2).filter((word) => !isSuite(word));
const wanted = (name) => only.length + names.length === 0 || only.includes(name);
if (wanted("lint")) check("lint", bin("eslint"), ["."]);
if (wanted("format")) check("format", bin("prettier"), ["--check", "--log-level", "warn", "."]);
if (wanted("types")) check("types", bin("tsc"), ["--noEmit", "-p", ".", "--incremental", "false"]);
if (wanted("unit")) suite("unit", 20_000);
if (wanted("property")) suite("property", 120_000);
if (wanted("contract")) suite("contract", 30_000);
if (wanted("simulation")) suite("simulation", 1_200_000);
if (wanted("conformance")) suite("conformance", 300_000);
if (wanted("e2e")) suite("e2e", 300_000);
if (wanted("faults")) suite("faults", 14_400_000);
if (wanted("kubernetes")) suite("kubernetes", 600_000);
rmSync(reports, { recursive: true, force: true });
if (passed + failed === 0) {
  console.log("nothing was run");
  process.exit(1);
}
if (failures.length > 0) console.log("\nfailed:");
for (const what of failures) console.log(`  ${what}`);
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exit(failed === 0 ? 0 : 1);
