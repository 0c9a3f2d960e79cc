import type { Agent, AgentOptions, IncomingMessage, RequestOptions } from "node:http";
import type { Scheduler } from "../lib/clock.ts";
import { http, https } from "../lib/node-http.ts";
import type { Millis } from "../lib/units.ts";

/** Where the API server is and how we prove who we are. */
export interface KubeServer {
  /** For example `https://10.0.0.1:443`. */
  readonly server: string;
  /** A bearer token, or how to get the present one; asked for each request. */
  readonly token?: string | (() => string);
  /** PEM. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface KubeRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly body?: string;
  readonly contentType?: string;
}

export interface KubeResponse {
  readonly status: number;
  readonly retryAfterSeconds: number | undefined;
  readonly text: string;
}

/** The request did not reach the server: doing it again is safe, whatever it is. */
export class NotSentError extends Error {
  override readonly name = "NotSentError";
}

/** The most of an answer that is read; a page of a list is far smaller. */
const MAX_BODY_BYTES = 256 * 1024 * 1024;
/** Connections of requests; each watch has one of its own. */
const MAX_CONNECTIONS = 32;

/** HTTP to one API server over connections that are kept (edge). */
export class Transport {
  readonly #base: URL;
  readonly #server: KubeServer;
  readonly #scheduler: Scheduler;
  readonly #client: Pick<typeof http, "request">;
  readonly #agent: Agent;
  readonly #watchAgent: Agent;
  #closed = false;

  constructor(server: KubeServer, scheduler: Scheduler) {
    this.#base = new URL(server.server);
    this.#server = server;
    this.#scheduler = scheduler;
    const secure = this.#base.protocol === "https:";
    this.#client = secure ? https() : http;
    const tls = {
      ...(server.ca === undefined ? {} : { ca: server.ca }),
      ...(server.cert === undefined ? {} : { cert: server.cert }),
      ...(server.key === undefined ? {} : { key: server.key }),
    };
    const agentOf = (options: AgentOptions): Agent =>
      secure ? new (https().Agent)({ ...options, ...tls }) : new http.Agent(options);
    this.#agent = agentOf({ keepAlive: true, maxSockets: MAX_CONNECTIONS, scheduling: "lifo" });
    this.#watchAgent = agentOf({ keepAlive: false });
  }

  /** @throws NotSentError when it surely had no effect; any other error leaves the outcome unknown. */
  send(request: KubeRequest, deadline: Millis): Promise<KubeResponse> {
    return new Promise((resolve, reject) => {
      const outgoing = this.#client.request(this.#options(request, this.#agent));
      let connected = false;
      let settled = false;
      const timer = this.#scheduler.after(deadline, () => {
        fail(new Error(`no answer within ${String(deadline)} ms`));
        outgoing.destroy();
      });
      const fail = (error: Error): void => {
        if (settled) return;
        settled = true;
        timer.cancel();
        // A connection that was kept may have been closed by the server just as we wrote: that outcome is unknown.
        reject(connected ? error : new NotSentError(error.message, { cause: error }));
      };
      outgoing.on("socket", (socket) => {
        // An agent that ends still gives new connections to the requests that waited for one.
        if (this.#closed) outgoing.destroy(new Error("the client was closed"));
        const ready = this.#base.protocol === "https:" ? "secureConnect" : "connect";
        if (outgoing.reusedSocket || !socket.connecting) connected = true;
        else socket.once(ready, () => (connected = true));
      });
      outgoing.on("error", fail);
      outgoing.on("response", (incoming) => {
        connected = true;
        const chunks: Buffer[] = [];
        let bytes = 0;
        incoming.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > MAX_BODY_BYTES) incoming.destroy(new Error("the answer is too large"));
          else chunks.push(chunk);
        });
        incoming.on("error", fail);
        incoming.on("end", () => {
          if (settled) return;
          settled = true;
          timer.cancel();
          resolve({
            status: incoming.statusCode ?? 0,
            retryAfterSeconds: retryAfter(incoming),
            text: Buffer.concat(chunks).toString("utf8"),
          });
        });
        incoming.on("close", () => {
          fail(new Error("the connection was closed before the whole answer came"));
        });
      });
      outgoing.end(request.body);
    });
  }

  /** A GET whose answer is a stream of lines. `onClose` is called once, unless the caller closed it first. */
  stream(
    path: string,
    idleMs: Millis,
    handlers: {
      onLine(line: string): void;
      onRefused(response: KubeResponse): void;
      onClose(error: Error | undefined): void;
    },
  ): { close(): void } {
    const outgoing = this.#client.request(this.#options({ method: "GET", path }, this.#watchAgent));
    let open = true;
    let timer = this.#scheduler.after(idleMs, () => {
      finish(silent());
    });
    const silent = (): Error => new Error(`nothing was heard for ${String(idleMs)} ms`);
    const heard = (): void => {
      timer.cancel();
      timer = this.#scheduler.after(idleMs, () => {
        finish(silent());
      });
    };
    const stop = (): boolean => {
      if (!open) return false;
      open = false;
      timer.cancel();
      outgoing.destroy();
      return true;
    };
    const finish = (error: Error | undefined): void => {
      if (stop()) handlers.onClose(error);
    };
    outgoing.on("error", finish);
    outgoing.on("response", (incoming) => {
      incoming.setEncoding("utf8");
      let rest = "";
      const failed = incoming.statusCode !== 200;
      incoming.on("data", (chunk: string) => {
        if (!open) return;
        heard();
        rest += chunk;
        if (failed) return;
        const lines = rest.split("\n");
        rest = lines.pop() ?? "";
        if (rest.length > MAX_BODY_BYTES) finish(new Error("a line of the watch is too long"));
        for (const line of lines) {
          if (open && line !== "") handlers.onLine(line);
        }
      });
      incoming.on("error", finish);
      incoming.on("end", () => {
        if (failed && stop()) {
          handlers.onRefused({
            status: incoming.statusCode ?? 0,
            retryAfterSeconds: retryAfter(incoming),
            text: rest,
          });
        } else finish(undefined);
      });
      incoming.on("close", () => {
        finish(new Error("the connection of the watch was closed"));
      });
    });
    outgoing.end();
    return { close: stop };
  }

  /** What is on its way fails, and nothing is sent any more. */
  close(): void {
    this.#closed = true;
    this.#agent.destroy();
    this.#watchAgent.destroy();
  }

  #options(request: KubeRequest, agent: Agent): RequestOptions {
    const { hostname, port, pathname, protocol } = this.#base;
    const { token } = this.#server;
    const bearer = typeof token === "function" ? token() : token;
    return {
      agent,
      protocol,
      hostname: hostname.replace(/^\[|\]$/g, ""),
      port: port === "" ? (protocol === "https:" ? 443 : 80) : port,
      method: request.method,
      path: pathname.replace(/\/$/, "") + request.path,
      headers: {
        accept: "application/json",
        "user-agent": "forebay",
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
        ...(request.body === undefined
          ? {}
          : {
              "content-type": request.contentType ?? "application/json",
              "content-length": Buffer.byteLength(request.body),
            }),
      },
    };
  }
}

function retryAfter(incoming: IncomingMessage): number | undefined {
  const seconds = Number(incoming.headers["retry-after"]);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
}
