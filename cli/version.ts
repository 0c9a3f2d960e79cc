import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

/** The package's version; this file is two folders below it in sources, and three when compiled. */
export function version(): string {
  for (const up of ["..", "../.."]) {
    const file = path.join(import.meta.dirname, up, "package.json");
    if (!existsSync(file)) continue;
    const found = (JSON.parse(readFileSync(file, "utf8")) as { readonly version?: unknown })
      .version;
    if (typeof found === "string") return found;
  }
  return "unknown";
}
