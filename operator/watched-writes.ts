import type {
  KubeApi,
  Resource,
  WatchEvent,
  WatchHandle,
  WatchHandlers,
  WatchOptions,
} from "../kube/api.ts";
import type { KubeObject } from "../kube/objects.ts";
import { isOlderVersion } from "../kube/resource-version.ts";
import type { Scheduler } from "../lib/clock.ts";
import { SECOND, type Millis } from "../lib/units.ts";

/** A watch that brings nothing at all for so long after a write that it should show is dead. */
const SEEN_WITHIN: Millis = 10 * SECOND;

/** A watch that is open. */
interface View {
  /** "" for all. */
  readonly namespace: string;
  readonly labelSelector: string | undefined;
  /** The newest version that it has brought, or began behind. */
  newest: string | undefined;
  heardAt: Millis;
  /** A write is to be seen yet. */
  awaits: boolean;
  readonly end: (error: Error) => void;
}

/**
 * The API, whose watches are ended when they do not show what is written by it. One that stalls without an end is silent for
 * more than a minute before its missing bookmarks tell; until then the operator would wait for what it has done itself.
 */
export function watchedWrites(kube: KubeApi, scheduler: Scheduler): KubeApi {
  const views = new Map<string, Set<View>>();

  const awaitIn = (view: View, version: string | undefined): void => {
    if (view.awaits || !isOlderVersion(view.newest, version)) return;
    view.awaits = true;
    const since = scheduler.now();
    scheduler.after(SEEN_WITHIN, () => {
      view.awaits = false;
      if (!isOlderVersion(view.newest, version)) return;
      // One that brings other things is only late.
      if (view.heardAt > since) awaitIn(view, version);
      else view.end(new Error("it does not show what was written"));
    });
  };

  const noting = async <T extends KubeObject>(
    { plural }: Resource<T>,
    write: Promise<T>,
  ): Promise<T> => {
    const written = await write;
    for (const view of views.get(plural) ?? []) {
      if (selects(view, written)) awaitIn(view, written.metadata.resourceVersion);
    }
    return written;
  };

  const watch = <T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    options: WatchOptions,
    handlers: WatchHandlers<T>,
  ): WatchHandle => {
    const open = views.get(resource.plural) ?? new Set<View>();
    views.set(resource.plural, open);
    const close = (): void => {
      open.delete(view);
      handle.close();
    };
    const view: View = {
      namespace,
      labelSelector: options.labelSelector,
      newest: options.resourceVersion,
      heardAt: scheduler.now(),
      awaits: false,
      end: (error) => {
        if (!open.has(view)) return;
        close();
        handlers.onEnd(error);
      },
    };
    open.add(view);
    const handle = kube.watch(resource, namespace, options, {
      onEvent: (event) => {
        view.heardAt = scheduler.now();
        const version = versionOf(event);
        if (!isOlderVersion(version, view.newest)) view.newest = version;
        handlers.onEvent(event);
      },
      onEnd: (error) => {
        open.delete(view);
        handlers.onEnd(error);
      },
    });
    return { close };
  };

  return {
    get: (...args) => kube.get(...args),
    list: (...args) => kube.list(...args),
    watch,
    create: (resource, ...args) => noting(resource, kube.create(resource, ...args)),
    replace: (resource, ...args) => noting(resource, kube.replace(resource, ...args)),
    jsonPatch: (resource, ...args) => noting(resource, kube.jsonPatch(resource, ...args)),
    apply: (resource, ...args) => noting(resource, kube.apply(resource, ...args)),
    delete: (...args) => kube.delete(...args),
  };
}

function versionOf(event: WatchEvent<KubeObject>): string | undefined {
  return event.type === "BOOKMARK" ? event.resourceVersion : event.object.metadata.resourceVersion;
}

/** Whether a watch is to bring an object. Selectors here are `label` or `label=value`. */
function selects({ namespace, labelSelector }: View, { metadata }: KubeObject): boolean {
  if (namespace !== "" && namespace !== (metadata.namespace ?? "default")) return false;
  if (labelSelector === undefined) return true;
  const [label = "", value] = labelSelector.split("=");
  const found = metadata.labels?.[label];
  return value === undefined ? found !== undefined : found === value;
}
