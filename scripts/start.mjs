// `npm start`: compiles what is newer than dist/, then runs `forebay local` with the arguments given.
import path from "node:path";
import { build } from "./build.mjs";

const root = path.resolve(import.meta.dirname, "..");
if (!build({ fast: true })) console.error("not everything compiled: running from the sources");
process.argv.splice(1, 1, path.join(root, "bin", "forebay.mjs"), "local");
await import("../bin/forebay.mjs");
