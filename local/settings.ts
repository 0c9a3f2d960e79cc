import { readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

/** What a folder of `forebay local` keeps from start to start. */
export interface Settings {
  /** Client port of broker 0; broker n has this plus n. */
  readonly port: number;
  /** Port of the Kubernetes API. */
  readonly apiPort: number;
}

export function readSettings(directory: string): Partial<Settings> {
  try {
    const value = JSON.parse(readFileSync(fileOf(directory), "utf8")) as Partial<Settings>;
    const { port, apiPort } = value;
    return {
      ...(typeof port === "number" ? { port } : {}),
      ...(typeof apiPort === "number" ? { apiPort } : {}),
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw error;
  }
}

export function writeSettings(directory: string, settings: Settings): void {
  const file = fileOf(directory);
  writeFileSync(`${file}.new`, `${JSON.stringify(settings)}\n`);
  renameSync(`${file}.new`, file);
}

function fileOf(directory: string): string {
  return path.join(directory, "settings.json");
}
