// The content of the container image as a folder: Node, the libraries it loads, and the compiled product with the
// packages that it needs to run. No shell, no package manager, no compiler, no test.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";

/** Uid and gid that everything runs as; the charts and the operator name it as well. */
export const USER = 10_001;
const APP = "app";
/** In packages: what is not run. */
const NOT_RUN_FOLDERS = new Set([
  "test",
  "tests",
  "__tests__",
  "docs",
  "doc",
  "example",
  "examples",
  "benchmark",
  "benchmarks",
  "coverage",
  ".github",
  "node_modules",
]);
const NOT_RUN_FILES = /(\.(d\.[cm]?ts|[cm]?ts|map|md|markdown|flow|tsbuildinfo)$|^\.)/;
/** The npm package of the Node that development uses: the image has its program alone. */
const NODE_PACKAGE = "node";

/**
 * @param root the repository, installed and built
 * @param target the folder to make; what is there is removed
 * @returns what is in it: `{ name, bytes }` for Node, libraries, the product and each package
 */
export function makeRootFilesystem(root, target) {
  rmSync(target, { recursive: true, force: true });
  for (const folder of ["etc", "tmp", "usr/bin", "usr/lib", "usr/lib64", `home/forebay`]) {
    mkdirSync(path.join(target, folder), { recursive: true });
  }
  chmodSync(path.join(target, "tmp"), 0o1777);
  for (const folder of ["bin", "lib", "lib64"])
    symlinkSync(`usr/${folder}`, path.join(target, folder));
  const etc = (name, text) => writeFileSync(path.join(target, "etc", name), text);
  etc("passwd", `root:x:0:0::/:/nologin\nforebay:x:${USER}:${USER}::/home/forebay:/nologin\n`);
  etc("group", `root:x:0:\nforebay:x:${USER}:\n`);
  etc("nsswitch.conf", "hosts: files dns\n");

  const contents = [];
  const program = nodeProgram(root);
  contents.push({
    name: `node ${versionOf(program)}`,
    bytes: copy(program, path.join(target, "usr/bin/node")),
  });
  const packages = runtimePackages(root);
  const addons = packages.flatMap(({ folder }) =>
    filesOf(folder).filter((file) => file.endsWith(".node")),
  );
  for (const library of librariesOf([program, ...addons])) {
    contents.push({
      name: library,
      bytes: copy(realpathSync(library), path.join(target, library)),
    });
  }
  contents.push({ name: "forebay", bytes: copyProduct(root, path.join(target, APP)) });
  for (const { name, version, folder, at } of packages) {
    let bytes = 0;
    for (const file of filesOf(folder)) {
      bytes += copy(file, path.join(target, APP, at, path.relative(folder, file)));
    }
    contents.push({ name: `${name} ${version}`, bytes });
  }
  return contents;
}

/** The development's own pinned Node, else the one that runs this. */
function nodeProgram(root) {
  const pinned = path.join(root, "node_modules", NODE_PACKAGE, "bin", "node");
  return realpathSync(existsSync(pinned) ? pinned : process.execPath);
}

function versionOf(program) {
  return execFileSync(program, ["-p", "process.versions.node"], { encoding: "utf8" }).trim();
}

function copyProduct(root, app) {
  const files = ["package.json", "LICENSE", "NOTICE", "bin/forebay.mjs"];
  for (const file of readdirSync(path.join(root, "dist"), { recursive: true })) {
    if (file.endsWith(".js")) files.push(path.join("dist", file));
  }
  // `forebay local` applies them.
  for (const file of readdirSync(path.join(root, "crds"))) files.push(path.join("crds", file));
  let bytes = 0;
  for (const file of files) bytes += copy(path.join(root, file), path.join(app, file));
  return bytes;
}

/** The packages that the product's own dependencies lead to, as they are installed. */
function runtimePackages(root) {
  const base = realpathSync(path.join(root, "node_modules"));
  const found = new Map();
  const visit = (manifest, from) => {
    const wanted = { ...manifest.dependencies, ...manifest.optionalDependencies };
    for (const name of Object.keys(wanted)) {
      if (name === NODE_PACKAGE) continue;
      const folder = resolve(name, from, base);
      if (folder === undefined) {
        // Programs for other platforms are not installed.
        if (manifest.optionalDependencies?.[name] !== undefined) continue;
        throw new Error(`${name} is not installed: run npm ci`);
      }
      if (found.has(folder)) continue;
      const own = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
      const at = path.join("node_modules", path.relative(base, folder));
      found.set(folder, { name, version: own.version, folder, at });
      visit(own, folder);
    }
  };
  visit(JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")), path.dirname(base));
  return [...found.values()].sort((a, b) => (a.at < b.at ? -1 : 1));
}

/** Where Node would find a package from a folder. */
function resolve(name, from, base) {
  for (let folder = from; ; folder = path.dirname(folder)) {
    const candidate = path.join(folder, "node_modules", name);
    if (existsSync(path.join(candidate, "package.json"))) return candidate;
    if (folder === path.dirname(base) || folder === path.dirname(folder)) return undefined;
  }
}

/** Files of a package that are there at run time; packages within it are packages of their own. */
function filesOf(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) return NOT_RUN_FOLDERS.has(entry.name) ? [] : filesOf(file);
    return entry.isFile() && !NOT_RUN_FILES.test(entry.name) ? [file] : [];
  });
}

/** Shared libraries that programs load, with the loader, by path. */
function librariesOf(programs) {
  const found = new Set();
  for (const program of programs) {
    const text = execFileSync("ldd", [program], { encoding: "utf8" });
    if (text.includes("not found")) throw new Error(`${program} misses a library:\n${text}`);
    for (const [library] of text.matchAll(/\/\S+/g)) found.add(library);
  }
  return [...found].filter((file) => file.includes(".so")).sort();
}

function copy(from, to) {
  mkdirSync(path.dirname(to), { recursive: true });
  copyFileSync(from, to);
  const { size, mode } = statSync(from);
  // The same whatever this machine's umask was: readable by all, executable where it was.
  chmodSync(to, (mode & 0o100) === 0 ? 0o644 : 0o755);
  return size;
}
