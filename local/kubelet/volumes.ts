import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type {
  ConfigMap,
  KeyToPath,
  PersistentVolumeClaim,
  Pod,
  Secret,
  Volume,
} from "../workloads.ts";
import { MissingReferenceError } from "./container-environment.ts";

/** Where volumes are on this machine (edge): a claim is a folder that outlives its pods; others live with their pod. */
export class Volumes {
  readonly #directory: string;

  /** @param directory of the whole local cluster */
  constructor(directory: string) {
    this.#directory = directory;
  }

  claimFolder(namespace: string, name: string): string {
    // No name of an object contains "_".
    const folder = namespace === "default" ? name : `${namespace}_${name}`;
    return path.join(this.#directory, "volumes", folder);
  }

  podFolder(namespace: string, pod: string): string {
    return path.join(this.#directory, "pods", `${namespace}_${pod}`);
  }

  /**
   * The folder of a bound claim, made when it does not exist. One that an earlier claim of the same name left behind
   * is another volume: it is put aside, never mounted and never deleted.
   */
  async mountClaim(claim: PersistentVolumeClaim): Promise<string> {
    const { namespace = "default", name, uid = "" } = claim.metadata;
    const folder = this.claimFolder(namespace, name);
    const marker = `${folder}.claim`;
    const owner = await readIfThere(marker);
    if (owner !== undefined && owner !== uid) {
      await rename(folder, `${folder}.${owner}`).catch(ifMissing);
    }
    if (owner !== uid) {
      await mkdir(path.dirname(folder), { recursive: true });
      await writeFile(marker, uid);
    }
    await mkdir(folder, { recursive: true });
    return folder;
  }

  /** Deletes the folder of a claim that is gone, if it is still that claim's. */
  async removeClaim(claim: PersistentVolumeClaim): Promise<void> {
    const { namespace = "default", name, uid = "" } = claim.metadata;
    const folder = this.claimFolder(namespace, name);
    if ((await readIfThere(`${folder}.claim`)) !== uid) return;
    await rm(folder, { recursive: true, force: true });
    await rm(`${folder}.claim`, { force: true });
  }

  async removePod(namespace: string, pod: string): Promise<void> {
    await rm(this.podFolder(namespace, pod), { recursive: true, force: true });
  }

  /**
   * Makes one volume of a pod that is not a claim. @returns its folder, or undefined for a kind that is not offered
   * @throws MissingReferenceError
   */
  async mount(
    pod: Pod,
    volume: Volume,
    find: {
      readonly configMap: (name: string) => ConfigMap | undefined;
      readonly secret: (name: string) => Secret | undefined;
    },
  ): Promise<string | undefined> {
    const { namespace = "default", name } = pod.metadata;
    const folder = path.join(this.podFolder(namespace, name), volume.name);
    if (volume.configMap !== undefined) {
      const { name: source = "", items, optional } = volume.configMap;
      const found = find.configMap(source);
      if (found === undefined && optional !== true) {
        throw new MissingReferenceError(`configmap "${source}" not found`);
      }
      const files = new Map(
        Object.entries(found?.data ?? {}).map(([key, text]) => [key, Buffer.from(text)]),
      );
      for (const [key, bytes] of Object.entries(found?.binaryData ?? {}))
        files.set(key, Buffer.from(bytes, "base64"));
      await writeFiles(folder, files, items);
      return folder;
    }
    if (volume.secret !== undefined) {
      const { secretName = "", items, optional } = volume.secret;
      const found = find.secret(secretName);
      if (found === undefined && optional !== true) {
        throw new MissingReferenceError(`secret "${secretName}" not found`);
      }
      const files = Object.entries(found?.data ?? {}).map(([key, bytes]): [string, Buffer] => [
        key,
        Buffer.from(bytes, "base64"),
      ]);
      await writeFiles(folder, new Map(files), items);
      return folder;
    }
    if (volume.emptyDir !== undefined) {
      await mkdir(folder, { recursive: true });
      return folder;
    }
    return undefined;
  }
}

/** Readable by the user alone: a Secret looks the same as a ConfigMap here. */
async function writeFiles(
  folder: string,
  files: ReadonlyMap<string, Buffer>,
  items: readonly KeyToPath[] | undefined,
): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const wanted = items ?? [...files.keys()].map((key) => ({ key, path: key }));
  for (const { key, path: relative } of wanted) {
    const bytes = files.get(key);
    const file = path.join(folder, relative);
    // The API server refuses such paths; a folder of ours is not left whoever wrote the object.
    if (bytes === undefined || path.relative(folder, file).startsWith("..")) continue;
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, bytes, { mode: 0o600 });
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (error) {
    ifMissing(error);
    return undefined;
  }
}

function ifMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
}
