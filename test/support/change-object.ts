import type { KubeApi, Resource, WriteOptions } from "../../kube/api.ts";
import { ConflictError } from "../../kube/errors.ts";
import type { KubeObject } from "../../kube/objects.ts";

/**
 * Reads an object and writes what `change` makes of it; both again for as long as others write in between.
 * @returns what was written
 * @throws NotFoundError when it is not there or goes meanwhile
 */
export async function changeObject<T extends KubeObject>(
  kube: Pick<KubeApi, "get" | "replace">,
  resource: Resource<T>,
  namespace: string,
  name: string,
  change: (now: T) => T | Promise<T>,
  options?: WriteOptions,
): Promise<T> {
  for (;;) {
    const next = await change(await kube.get(resource, namespace, name));
    try {
      return await kube.replace(resource, namespace, next, options);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
    }
  }
}
