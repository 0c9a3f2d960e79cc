#!/usr/bin/env node
// Starts the command line: the compiled one when it is as new as the sources, else the sources themselves.
import { spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import module from "node:module";
import { constants } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";

const root = path.resolve(
  import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname),
  "..",
);
const bundledNode = path.join(root, "node_modules", "node", "bin", "node");

if (Number(process.versions.node.split(".")[0]) >= 24) {
  module.enableCompileCache?.();
  // The processes that this one starts are of the same build, and need not look again.
  process.env.FOREBAY_ENTRY ??= entry();
  const { main } = await import(pathToFileURL(process.env.FOREBAY_ENTRY).href);
  await main(process.argv.slice(2));
} else if (existsSync(bundledNode)) {
  // An older Node on the path: the one that was installed with the package takes over, in our place.
  const child = spawn(bundledNode, process.argv.slice(1), { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
    process.on(signal, () => child.kill(signal));
  child.on("error", fail);
  child.on("exit", (code, signal) => {
    process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
  });
} else {
  fail(new Error(`Node 24 is needed, and this is ${process.version}`));
}

function entry() {
  const sources = path.join(root, "cli", "main.ts");
  const compiled = path.join(root, "dist", "cli", "main.js");
  const stamp = path.join(root, "dist", ".stamp");
  if (!existsSync(sources)) return compiled;
  if (!existsSync(compiled) || !existsSync(stamp)) return sources;
  const built = statSync(stamp).mtimeMs;
  const newer = (folder) =>
    readdirSync(path.join(root, folder), { recursive: true }).some(
      (file) => file.endsWith(".ts") && statSync(path.join(root, folder, file)).mtimeMs > built,
    );
  const folders = ["lib", "kube", "cluster", "operator", "broker", "local", "cli"];
  return folders.some((folder) => existsSync(path.join(root, folder)) && newer(folder))
    ? sources
    : compiled;
}

function fail(error) {
  console.error(`forebay: ${error.message}`);
  process.exit(1);
}
