import { registerHooks } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { PLANTS } from "./planted.ts";

// Loaded before the simulator (`node --import`): puts the mistake named by PLANT into the sources as they are loaded.
const name = process.env["PLANT"];
const plant = PLANTS.find((one) => one.name === name);
if (plant === undefined) throw new Error(`no planted bug is named ${name ?? "(PLANT is not set)"}`);
const root = path.resolve(import.meta.dirname, "..", "..");
const planted = new Set<string>();

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (!url.startsWith("file:")) return loaded;
    const file = path.relative(root, fileURLToPath(url));
    const edits = plant.edits.filter((edit) => edit.file === file);
    if (edits.length === 0) return loaded;
    let source = Buffer.from(loaded.source as Uint8Array).toString("utf8");
    for (const { find, replace } of edits) {
      const parts = source.split(find);
      if (parts.length !== 2) {
        throw new Error(`${plant.name}: ${parts.length - 1} places in ${file} in place of one`);
      }
      source = parts.join(replace);
      planted.add(find);
    }
    return { ...loaded, source };
  },
});

process.on("exit", () => {
  if (planted.size !== plant.edits.length) {
    console.error(`${plant.name}: only ${planted.size} of ${plant.edits.length} edits were made`);
    process.exitCode = 3;
  }
});
