import type { ServerResponse } from "node:http";
import { KubeError } from "../../kube/errors.ts";
import type { KubeObject } from "../../kube/objects.ts";
import type { Scheduler, Timer } from "../../lib/clock.ts";
import type { ObjectStore, StoreWatch } from "./object-store.ts";
import type { ResourcePath } from "./paths.ts";
import type { ResourceInfo } from "./resources.ts";
import type { ObjectFilter } from "./selectors.ts";
import { statusObject } from "./status-errors.ts";

export interface WatchRequest {
  readonly info: ResourceInfo;
  readonly path: ResourcePath;
  readonly filter: ObjectFilter;
  readonly query: URLSearchParams;
  /** What is sent for an object: itself, or a Table of one row. */
  readonly shape: (object: KubeObject) => unknown;
}

const BOOKMARK_MS = 30_000;
const DEFAULT_TIMEOUT_SECONDS = 1_800;
/** A client that reads this much too slowly is cut off, and lists again. */
const MAX_UNSENT_BYTES = 16 * 1024 * 1024;

/** Streams the changes of a kind until the client goes, the time is up or `close` is called. */
export class WatchStream {
  readonly #response: ServerResponse;
  readonly #store: ObjectStore;
  readonly #scheduler: Scheduler;
  readonly #request: WatchRequest;
  #watch: StoreWatch | undefined;
  #timers: Timer[] = [];

  constructor(
    response: ServerResponse,
    store: ObjectStore,
    scheduler: Scheduler,
    request: WatchRequest,
  ) {
    this.#response = response;
    this.#store = store;
    this.#scheduler = scheduler;
    this.#request = request;
  }

  start(): void {
    const { info, path, filter, query } = this.#request;
    this.#response.writeHead(200, { "content-type": "application/json" });
    this.#response.flushHeaders();
    this.#response.on("close", () => {
      this.close();
    });
    const given = query.get("resourceVersion") ?? "";
    const initial = query.get("sendInitialEvents") === "true" || given === "" || given === "0";
    const from = initial ? this.#store.resourceVersion : given;
    try {
      if (initial && query.get("sendInitialEvents") !== "false") {
        for (const object of this.#store.list(info, path.namespace, filter))
          this.#send("ADDED", object);
      }
      if (query.get("sendInitialEvents") === "true")
        this.#bookmark({ "k8s.io/initial-events-end": "true" });
      this.#watch = this.#store.watch(info, path.namespace, from, filter, (type, object) => {
        this.#send(type, object);
      });
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      this.#write({ type: "ERROR", object: statusObject(error) });
      this.close();
      return;
    }
    const seconds = Number(query.get("timeoutSeconds") ?? DEFAULT_TIMEOUT_SECONDS);
    const timeout = (seconds > 0 ? seconds : DEFAULT_TIMEOUT_SECONDS) * 1000;
    this.#timers.push(
      this.#scheduler.after(timeout, () => {
        this.#bookmark();
        this.close();
      }),
    );
    this.#bookmarkLater();
  }

  close(): void {
    this.#watch?.close();
    this.#watch = undefined;
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
    this.#response.end();
  }

  #bookmarkLater(): void {
    const timer = this.#scheduler.after(BOOKMARK_MS, () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
      if (this.#watch === undefined) return;
      this.#bookmark();
      this.#bookmarkLater();
    });
    this.#timers.push(timer);
  }

  #bookmark(annotations?: Record<string, string>): void {
    if (this.#request.query.get("allowWatchBookmarks") !== "true") return;
    const { info, path } = this.#request;
    const apiVersion = path.group === "" ? path.version : `${path.group}/${path.version}`;
    const resourceVersion = this.#store.resourceVersion;
    const metadata = { resourceVersion, ...(annotations === undefined ? {} : { annotations }) };
    this.#write({ type: "BOOKMARK", object: { kind: info.kind, apiVersion, metadata } });
  }

  #send(type: string, object: KubeObject): void {
    this.#write({ type, object: this.#request.shape(object) });
  }

  #write(event: unknown): void {
    if (this.#response.writableEnded) return;
    this.#response.write(`${JSON.stringify(event)}\n`);
    if (this.#response.writableLength > MAX_UNSENT_BYTES) this.#response.destroy();
  }
}
