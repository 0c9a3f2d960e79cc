import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { KubeApi } from "../../kube/api.ts";
import { KubeError } from "../../kube/errors.ts";
import type { KubeObject } from "../../kube/objects.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import { http } from "../../lib/node-http.ts";
import type { Random } from "../../lib/random.ts";
import { admissionOf } from "./admission.ts";
import { CustomKinds } from "./custom-kinds.ts";
import { discovery } from "./discovery.ts";
import { JournalStore } from "./journal-store.ts";
import { createMemoryKubeApi } from "./memory-kube-api.ts";
import { ObjectStore, keyOfKind, kindOfKey, rfc3339 } from "./object-store.ts";
import { decodeProtobuf } from "./protobuf.ts";
import { parsePath } from "./paths.ts";
import type { ResourcePath } from "./paths.ts";
import { ResourceHandler, versioned } from "./resource-handler.ts";
import type { ApiAnswer } from "./resource-handler.ts";
import { NAMESPACES } from "./resources.ts";
import type { ResourceInfo } from "./resources.ts";
import { statusError, statusObject } from "./status-errors.ts";
import { tableOf } from "./table.ts";
import { WatchStream } from "./watch-stream.ts";

/** The lines of a pod's log; the stream ends when the log does or, when following, when `signal` aborts. */
export type PodLogs = (
  namespace: string,
  pod: string,
  options: {
    readonly container?: string;
    readonly follow: boolean;
    readonly tailLines?: number;
    readonly previous: boolean;
    readonly signal: AbortSignal;
  },
) => AsyncIterable<string | Uint8Array>;

export interface LocalApiOptions {
  /** Where the objects are kept; made when it does not exist. */
  readonly directory: string;
  /** The first one that is free is used; 0 is any. */
  readonly ports: readonly number[];
  readonly host: string;
  readonly logger: Logger;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly podLogs?: PodLogs;
}

export interface LocalApi {
  readonly url: string;
  readonly port: number;
  readonly store: ObjectStore;
  /** The same objects without HTTP; its writes are on disk before they are answered, too. */
  readonly api: KubeApi;
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 3 * 1024 * 1024;
const FIRST_NAMESPACES = ["default", "kube-system"];

/** Starts the mini Kubernetes API (edge): HTTP without TLS or authentication, for laptops and tests. */
export async function startLocalApi(options: LocalApiOptions): Promise<LocalApi> {
  const { scheduler, random } = options;
  const store = new ObjectStore({ scheduler, random });
  const journal = await JournalStore.open(options.directory, store);
  const custom = new CustomKinds(store);
  emptyDeletedNamespaces(store, scheduler);
  const now = (): string => rfc3339(scheduler.wallNow());
  for (const name of FIRST_NAMESPACES) {
    if (store.find(NAMESPACES, "", name) !== undefined) continue;
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
    store.create(NAMESPACES, "", namespace, {
      admit: admissionOf(NAMESPACES, "v1", custom, now()),
    });
  }
  await journal.flush();
  const server = new LocalApiServer(options, store, custom, journal);
  const port = await server.listen().catch(async (error: unknown) => {
    await journal.close();
    throw error;
  });
  return {
    url: `http://${options.host.includes(":") ? `[${options.host}]` : options.host}:${String(port)}`,
    port,
    store,
    api: createMemoryKubeApi({
      store,
      scheduler,
      admit: (resource) => admissionOf(resource, resource.version, custom, now()),
      afterWrite: () => journal.flush(),
    }),
    async close() {
      await server.close();
      await journal.close();
    },
  };
}

class LocalApiServer {
  readonly #options: LocalApiOptions;
  readonly #store: ObjectStore;
  readonly #custom: CustomKinds;
  readonly #journal: JournalStore;
  readonly #handler: ResourceHandler;
  readonly #watches = new Set<WatchStream>();
  readonly #server: Server;

  constructor(
    options: LocalApiOptions,
    store: ObjectStore,
    custom: CustomKinds,
    journal: JournalStore,
  ) {
    this.#options = options;
    this.#store = store;
    this.#custom = custom;
    this.#journal = journal;
    this.#handler = new ResourceHandler(store, custom, options.scheduler);
    this.#server = http.createServer((request, response) => {
      void this.#serve(request, response).catch((error: unknown) => {
        this.#fail(response, error);
      });
    });
  }

  /** Listens on the first port that nobody has. */
  async listen(): Promise<number> {
    const [first = 0, ...others] = this.#options.ports;
    let port = first;
    for (;;) {
      try {
        return await this.#listenOn(port);
      } catch (error) {
        const next = others.shift();
        if (next === undefined || (error as NodeJS.ErrnoException).code !== "EADDRINUSE")
          throw error;
        port = next;
      }
    }
  }

  #listenOn(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, this.#options.host, () => {
        this.#server.off("error", reject);
        const address = this.#server.address();
        resolve(typeof address === "object" && address !== null ? address.port : port);
      });
    });
  }

  close(): Promise<void> {
    for (const watch of this.#watches) watch.close();
    return new Promise((resolve) => {
      this.#server.close(() => {
        resolve();
      });
      this.#server.closeAllConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://local");
    if (["/healthz", "/livez", "/readyz"].includes(url.pathname.replace(/\/$/, ""))) {
      response.writeHead(200, { "content-type": "text/plain" }).end("ok");
      return;
    }
    const found = discovery(url.pathname.replace(/(.)\/$/, "$1"), this.#store, this.#custom);
    if (found !== undefined && request.method === "GET") {
      send(response, 200, found);
      return;
    }
    const path = parsePath(url.pathname);
    if (path === undefined) {
      throw statusError(404, "NotFound", "the server could not find the requested resource");
    }
    const query = url.searchParams;
    const info = this.#handler.infoOf(path);
    if (request.method === "GET" && path.subresource === "log" && info.plural === "pods") {
      await this.#log(path, query, response);
      return;
    }
    const asTable = (request.headers.accept ?? "").includes("as=Table");
    const watched = query.get("watch");
    if (request.method === "GET" && (watched === "true" || watched === "1")) {
      this.#watch(info, path, query, asTable, response);
      return;
    }
    const contentType = (request.headers["content-type"] ?? "").split(";")[0]?.trim() ?? "";
    const body = await parseBody(await readBody(request), contentType);
    const answer = this.#handler.handle({
      method: request.method ?? "GET",
      path,
      query,
      contentType,
      body,
    });
    if (request.method !== "GET") await this.#journal.flush();
    this.#answer(answer, info, path, asTable, response);
  }

  #answer(
    answer: ApiAnswer,
    info: ResourceInfo,
    path: ResourcePath,
    asTable: boolean,
    response: ServerResponse,
  ): void {
    switch (answer.kind) {
      case "status":
        send(response, answer.code, answer.status);
        return;
      case "object": {
        const { resourceVersion } = answer.object.metadata;
        const table = asTable && path.subresource !== "scale";
        const body = table
          ? this.#table(info, path, [answer.object], { resourceVersion })
          : answer.object;
        send(response, answer.code, body);
        return;
      }
      case "list": {
        const apiVersion = path.group === "" ? path.version : `${path.group}/${path.version}`;
        send(
          response,
          200,
          asTable
            ? this.#table(info, path, answer.items, answer.metadata)
            : {
                kind: `${info.kind}List`,
                apiVersion,
                metadata: answer.metadata,
                items: answer.items,
              },
        );
      }
    }
  }

  #table(
    info: ResourceInfo,
    path: ResourcePath,
    objects: readonly KubeObject[],
    metadata: Record<string, unknown>,
  ): unknown {
    const columns = this.#custom.get(info)?.versions.get(path.version)?.columns;
    return tableOf(info, objects, columns, this.#options.scheduler.wallNow(), metadata);
  }

  #watch(
    info: ResourceInfo,
    path: ResourcePath,
    query: URLSearchParams,
    asTable: boolean,
    response: ServerResponse,
  ): void {
    const filter = this.#handler.filterOf(query, path.name);
    const shape = (object: KubeObject): unknown =>
      asTable
        ? this.#table(info, path, [object], { resourceVersion: object.metadata.resourceVersion })
        : versioned(object, path);
    const request = { info, path, filter, query, shape };
    const watch = new WatchStream(response, this.#store, this.#options.scheduler, request);
    this.#watches.add(watch);
    response.on("close", () => this.#watches.delete(watch));
    watch.start();
  }

  async #log(path: ResourcePath, query: URLSearchParams, response: ServerResponse): Promise<void> {
    const { podLogs } = this.#options;
    const name = path.name ?? "";
    this.#store.get({ group: "", plural: "pods" }, path.namespace, name);
    if (podLogs === undefined)
      throw statusError(501, "NotImplemented", "this server keeps no logs of pods");
    const abort = new AbortController();
    response.on("close", () => {
      abort.abort();
    });
    const container = query.get("container");
    const tail = query.get("tailLines");
    const logs = podLogs(path.namespace, name, {
      follow: query.get("follow") === "true",
      previous: query.get("previous") === "true",
      signal: abort.signal,
      ...(container === null ? {} : { container }),
      ...(tail === null ? {} : { tailLines: Number(tail) }),
    });
    response.writeHead(200, { "content-type": "text/plain" });
    for await (const chunk of logs) {
      if (abort.signal.aborted) break;
      if (!response.write(chunk)) await drained(response, abort.signal);
    }
    response.end();
  }

  #fail(response: ServerResponse, error: unknown): void {
    if (response.headersSent) {
      response.destroy();
      return;
    }
    if (error instanceof KubeError) {
      send(response, error.code, statusObject(error));
      return;
    }
    const message = error instanceof Error ? error.message : String(error);
    this.#options.logger.error("a request to the local API failed", { error: message });
    send(response, 500, statusObject(statusError(500, "InternalError", message)));
  }
}

/** Deletes what is in a namespace after the namespace itself is gone. */
function emptyDeletedNamespaces(store: ObjectStore, scheduler: Scheduler): void {
  store.onChange((change) => {
    if (change.resource !== keyOfKind(NAMESPACES) || change.type !== "DELETED") return;
    const namespace = change.object.metadata.name;
    scheduler.after(0, () => {
      for (const { resource, object } of store.dump().objects) {
        if (object.metadata.namespace !== namespace) continue;
        const kind = kindOfKey(resource);
        if (store.find(kind, namespace, object.metadata.name) === undefined) continue;
        store.delete(kind, namespace, object.metadata.name);
      }
    });
  });
}

function send(response: ServerResponse, code: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(code, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) {
      throw statusError(413, "RequestEntityTooLarge", `limit is ${String(MAX_BODY_BYTES)}`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** @throws KubeError 400, or 415 for protobuf of a kind that is not read */
async function parseBody(bytes: Buffer, contentType: string): Promise<unknown> {
  if (bytes.length === 0) return undefined;
  if (contentType.includes("protobuf")) return decodeProtobuf(bytes);
  const text = bytes.toString("utf8");
  try {
    if (!contentType.includes("yaml") || text.startsWith("{")) return JSON.parse(text) as unknown;
    // Not before it is needed: only people send it.
    const { parse } = await import("yaml");
    return parse(text) as unknown;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw statusError(400, "BadRequest", `the body of the request cannot be decoded: ${why}`);
  }
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    response.once("drain", resolve);
    signal.addEventListener("abort", () => {
      resolve();
    });
  });
}
