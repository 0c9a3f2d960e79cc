import type { KubeApi, WatchHandle } from "../../kube/api.ts";

/** What becomes of a write: it is made, or its sender dies right before it or right after it took effect. */
export type Fate = "made" | "killed before" | "killed after";

export interface MortalApi {
  readonly kube: KubeApi;
  /** From now on no call is made, no answer and no event arrives. */
  end(): void;
}

/**
 * The API as one process reaches it until that is killed at a write.
 * @param fate asked for each write, `verb plural name`, before it is made
 * @param onKilled called once, when a fate has ended it
 */
export function mortalApi(
  kube: KubeApi,
  fate: (write: string) => Fate,
  onKilled: () => void,
): MortalApi {
  let alive = true;
  const watches = new Set<WatchHandle>();
  const end = (): void => {
    alive = false;
    for (const watch of watches) watch.close();
    watches.clear();
  };
  const call = <T>(effect: () => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      if (!alive) return;
      effect().then(
        (value) => {
          if (alive) resolve(value);
        },
        (error: unknown) => {
          if (alive) reject(error instanceof Error ? error : new Error(String(error)));
        },
      );
    });
  const write = <T>(name: string, effect: () => Promise<T>): Promise<T> => {
    const what = alive ? fate(name) : "killed before";
    if (what === "made") return call(effect);
    if (alive) {
      if (what === "killed after") void effect().catch(() => undefined);
      end();
      onKilled();
    }
    return new Promise(() => undefined);
  };
  return {
    end,
    kube: {
      get: (...args) => call(() => kube.get(...args)),
      list: (...args) => call(() => kube.list(...args)),
      watch: (resource, namespace, options, handlers) => {
        if (!alive) return { close: () => undefined };
        const watch = kube.watch(resource, namespace, options, handlers);
        watches.add(watch);
        return {
          close: () => {
            watches.delete(watch);
            watch.close();
          },
        };
      },
      create: (resource, namespace, object) =>
        write(`create ${resource.plural} ${object.metadata.name}`, () =>
          kube.create(resource, namespace, object),
        ),
      replace: (resource, namespace, object, options) =>
        write(
          `replace ${resource.plural}${options?.subresource === undefined ? "" : `/${options.subresource}`} ${object.metadata.name}`,
          () => kube.replace(resource, namespace, object, options),
        ),
      jsonPatch: (resource, namespace, name, ...rest) =>
        write(`jsonPatch ${resource.plural} ${name}`, () =>
          kube.jsonPatch(resource, namespace, name, ...rest),
        ),
      apply: (resource, namespace, object, ...rest) =>
        write(`apply ${resource.plural} ${object.metadata.name}`, () =>
          kube.apply(resource, namespace, object, ...rest),
        ),
      delete: (resource, namespace, name, ...rest) =>
        write(`delete ${resource.plural} ${name}`, () =>
          kube.delete(resource, namespace, name, ...rest),
        ),
    },
  };
}
