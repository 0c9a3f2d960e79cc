// Compiles the product into dist/ when a source is newer than the last build. `--fast` leaves out the type check:
// what `npm start` does, since types do not change what runs.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const stamp = path.join(root, "dist", ".stamp");
const folders = ["lib", "kube", "cluster", "operator", "broker", "local", "cli"];

/** @returns whether dist/ is now as new as the sources */
export function build({ fast }) {
  // Taken before compiling: a source that is saved meanwhile counts as newer.
  const started = new Date();
  const sources = sourceFiles();
  const last = lastBuild();
  if (
    (fast || last.checked) &&
    sources.every(({ file, changed }) => changed <= last.time && existsSync(compiledPath(file)))
  ) {
    return true;
  }
  mkdirSync(path.join(root, "dist"), { recursive: true });
  removeOrphans(new Set(sources.map(({ file }) => compiledPath(file))));
  const node = process.execPath;
  const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
  const options = fast ? ["--noCheck", "--incremental", "false"] : [];
  const { status } = spawnSync(
    node,
    [tsc, "-p", path.join(root, "tsconfig.build.json"), ...options],
    {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
    },
  );
  if (status !== 0) {
    rmSync(stamp, { force: true });
    return false;
  }
  writeFileSync(path.join(root, "dist", "crds.json"), JSON.stringify(parsedResources()));
  writeFileSync(stamp, fast ? "" : "checked");
  utimesSync(stamp, started, started);
  return true;
}

/** crds/ with what each file says: `forebay local` takes that as long as the file is the same. */
function parsedResources() {
  const folder = path.join(root, "crds");
  return Object.fromEntries(
    readdirSync(folder)
      .filter((file) => file.endsWith(".yaml"))
      .map((file) => {
        const text = readFileSync(path.join(folder, file), "utf8");
        const documents = parseAllDocuments(text).map((document) => document.toJS());
        return [file, { text, documents }];
      }),
  );
}

function sourceFiles() {
  return folders
    .filter((folder) => existsSync(path.join(root, folder)))
    .flatMap((folder) =>
      readdirSync(path.join(root, folder), { recursive: true })
        .filter((file) => file.endsWith(".ts"))
        .map((file) => path.join(folder, file)),
    )
    .map((file) => ({ file, changed: statSync(path.join(root, file)).mtimeMs }));
}

function compiledPath(file) {
  return path.join(root, "dist", file.replace(/\.ts$/, ".js"));
}

function lastBuild() {
  if (!existsSync(stamp)) return { time: 0, checked: false };
  return { time: statSync(stamp).mtimeMs, checked: readFileSync(stamp, "utf8") === "checked" };
}

/** What was compiled from a source that is gone. */
function removeOrphans(wanted) {
  for (const folder of folders) {
    const directory = path.join(root, "dist", folder);
    if (!existsSync(directory)) continue;
    for (const file of readdirSync(directory, { recursive: true })) {
      const compiled = path.join(directory, file.replace(/\.map$/, ""));
      if (/\.js(\.map)?$/.test(file) && !wanted.has(compiled)) rmSync(path.join(directory, file));
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = build({ fast: process.argv.includes("--fast") }) ? 0 : 1;
}
