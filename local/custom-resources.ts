import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { KubeObject } from "../kube/objects.ts";

/** What scripts/build.mjs has made of one file of crds/. */
interface Parsed {
  readonly text: string;
  readonly documents: readonly KubeObject[];
}

/**
 * The CustomResourceDefinitions of crds/ (edge). To parse their YAML takes a third of the time in which everything else
 * starts: where the build has done it, and the file is what it was then, that is taken.
 */
export async function readCustomResources(packageRoot: string): Promise<readonly KubeObject[]> {
  const folder = path.join(packageRoot, "crds");
  const parsed = readParsed(path.join(packageRoot, "dist", "crds.json"));
  const all: KubeObject[] = [];
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith(".yaml")) continue;
    const text = readFileSync(path.join(folder, file), "utf8");
    const known = parsed[file];
    all.push(...(known?.text === text ? known.documents : await parse(text)));
  }
  return all;
}

function readParsed(file: string): Readonly<Record<string, Parsed>> {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Readonly<Record<string, Parsed>>;
  } catch {
    // Run from the sources, or built by an older version: they are parsed here.
    return {};
  }
}

async function parse(text: string): Promise<readonly KubeObject[]> {
  const { parseAllDocuments } = await import("yaml");
  return parseAllDocuments(text).map((document) => document.toJS() as KubeObject);
}
