import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import path from "node:path";
import type { Random } from "../../lib/random.ts";
import type { Millis } from "../../lib/units.ts";

/** What a proxy in front of the Kubernetes API does to requests and watches while it is in that mood. */
export const MOODS = [
  "well",
  /** Answers come up to three seconds late. */
  "slow",
  /** Connections end before the request has reached the API. */
  "refuse",
  /** The request has taken effect, and its answer is lost. */
  "loseAnswers",
  /** Nothing ever comes back. */
  "silent",
  "tooManyRequests",
  "internalError",
  /** A write has taken effect and is answered with 409, as a proxy that sends it twice does. */
  "conflictAfterSuccess",
  /** Lists are those of long ago. */
  "staleLists",
  /** Watches end as soon as they have begun. */
  "breakWatches",
  /** Watches go on and bring nothing. */
  "stallWatches",
  /** Any of these for each request. */
  "everything",
] as const;

export type Mood = (typeof MOODS)[number];

const LATE_MS: Millis = 3000;
const STATUS: Partial<Record<Mood, { readonly code: number; readonly reason: string }>> = {
  tooManyRequests: { code: 429, reason: "TooManyRequests" },
  internalError: { code: 500, reason: "InternalError" },
  conflictAfterSuccess: { code: 409, reason: "Conflict" },
};

/** A Kubernetes API server with TLS; the proxy passes for it. */
export interface SecureApi {
  /** On this machine. */
  readonly port: number;
  /** PEM: of its own, and of who vouches for it. */
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/**
 * A proxy between programs and their Kubernetes API (edge), HTTP for HTTP, watches included. The API is that of a
 * `forebay local`, or a real one.
 */
export class ApiProxy {
  mood: Mood = "well";
  /** Requests that were not simply passed on, by mood. */
  readonly spoilt = new Map<Mood, number>();
  readonly #server: http.Server;
  readonly #random: Random;
  readonly #lists = new Map<string, { readonly status: number; readonly body: Buffer }>();
  readonly #watches = new Set<http.ServerResponse>();
  readonly #secure: SecureApi | undefined;
  readonly #agent: https.Agent | false;
  #settings = "";
  #target: number | undefined;

  private constructor(random: Random, secure: SecureApi | undefined) {
    this.#random = random;
    this.#secure = secure;
    this.#target = secure?.port;
    // Of a TLS connection for each request, a machine of two cores would have more to do than of the story.
    this.#agent =
      secure === undefined ? false : new https.Agent({ keepAlive: true, ca: secure.ca });
    const listener = (request: http.IncomingMessage, response: http.ServerResponse): void => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        this.#serve(request, Buffer.concat(chunks), response);
      });
      request.on("error", () => response.destroy());
    };
    this.#server =
      secure === undefined
        ? http.createServer(listener)
        : https.createServer({ cert: secure.cert, key: secure.key }, listener);
  }

  /** On a port of the loopback; in front of a real API on all addresses, where pods come from. */
  static async start(random: Random, secure?: SecureApi): Promise<ApiProxy> {
    const proxy = new ApiProxy(random, secure);
    const host = secure === undefined ? "127.0.0.1" : "0.0.0.0";
    await new Promise<void>((resolve) => proxy.#server.listen(0, host, resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** In front of which instance it is, by the folder. */
  stand(directory: string): void {
    this.#settings = path.join(directory, "settings.json");
  }

  /** Ends all watches that are open. */
  breakWatches(): void {
    for (const watch of this.#watches) watch.destroy();
    this.#watches.clear();
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    if (this.#agent !== false) this.#agent.destroy();
  }

  #serve(request: http.IncomingMessage, body: Buffer, response: http.ServerResponse): void {
    const watch = request.url?.includes("watch=") === true;
    const write = request.method !== "GET";
    const mood = this.#moodNow();
    switch (mood) {
      case "slow":
        this.#note(mood);
        setTimeout(() => {
          this.#forward(request, body, response);
        }, this.#random.below(LATE_MS));
        return;
      case "refuse":
        this.#note(mood);
        response.destroy();
        return;
      case "silent":
        this.#note(mood);
        return;
      case "loseAnswers":
        this.#note(mood);
        this.#forward(request, body, response, () => {
          response.destroy();
        });
        return;
      case "tooManyRequests":
      case "internalError":
        this.#note(mood);
        refuse(response, mood);
        return;
      case "conflictAfterSuccess":
        if (!write) break;
        this.#note(mood);
        this.#forward(request, body, response, () => {
          refuse(response, mood);
        });
        return;
      case "staleLists": {
        const old = watch || write ? undefined : this.#lists.get(keyOf(request));
        if (old === undefined) break;
        this.#note(mood);
        response.writeHead(old.status, { "content-type": "application/json" });
        response.end(old.body);
        return;
      }
      case "breakWatches":
        if (!watch) break;
        this.#note(mood);
        response.destroy();
        return;
      default:
    }
    this.#forward(request, body, response);
  }

  #moodNow(): Mood {
    if (this.mood !== "everything") return this.mood;
    // Never silent: a client that waits long for each answer meets little else.
    const moods = MOODS.filter((one) => one !== "everything" && one !== "silent");
    return moods[this.#random.below(moods.length)] ?? "well";
  }

  #note(mood: Mood): void {
    this.spoilt.set(mood, (this.spoilt.get(mood) ?? 0) + 1);
  }

  /** @param instead is called with the API's answer in hand, which is then not passed on */
  #forward(
    request: http.IncomingMessage,
    body: Buffer,
    response: http.ServerResponse,
    instead?: () => void,
  ): void {
    const outgoing = (this.#secure === undefined ? http : https).request(
      {
        host: "127.0.0.1",
        port: this.#port(),
        method: request.method,
        path: request.url,
        headers: request.headers,
        agent: this.#agent,
      },
      (incoming) => {
        if (request.url?.includes("watch=") === true && instead === undefined) {
          this.#pass(incoming, response);
          return;
        }
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("error", () => response.destroy());
        incoming.on("end", () => {
          if (instead !== undefined) {
            instead();
            return;
          }
          const answer = Buffer.concat(chunks);
          const status = incoming.statusCode ?? 500;
          // Of its first answer to a list each client is told again while lists are stale.
          if (request.method === "GET" && status === 200 && !this.#lists.has(keyOf(request))) {
            this.#lists.set(keyOf(request), { status, body: answer });
          }
          response.writeHead(status, incoming.headers);
          response.end(answer);
        });
      },
    );
    outgoing.on("error", () => response.destroy());
    response.on("close", () => outgoing.destroy());
    outgoing.end(body);
  }

  /** A watch, line by line as it comes. */
  #pass(incoming: http.IncomingMessage, response: http.ServerResponse): void {
    this.#watches.add(response);
    response.on("close", () => this.#watches.delete(response));
    response.writeHead(incoming.statusCode ?? 500, incoming.headers);
    incoming.on("data", (chunk: Buffer) => {
      if (this.mood === "stallWatches") {
        this.#note("stallWatches");
        // Nothing more comes of it, ever: a stream with holes would be no watch.
        incoming.removeAllListeners("data");
        incoming.resume();
      } else response.write(chunk);
    });
    incoming.on("end", () => response.end());
    incoming.on("error", () => response.destroy());
  }

  #port(): number {
    if (this.#target === undefined) {
      const settings = JSON.parse(readFileSync(this.#settings, "utf8")) as {
        readonly apiPort: number;
      };
      this.#target = settings.apiPort;
    }
    return this.#target;
  }
}

/** Whose request for what it is; each connection's lists are its own client's. */
function keyOf(request: http.IncomingMessage): string {
  return request.url ?? "";
}

function refuse(response: http.ServerResponse, mood: Mood): void {
  const { code, reason } = STATUS[mood] ?? { code: 503, reason: "ServiceUnavailable" };
  const status = { kind: "Status", apiVersion: "v1", status: "Failure", reason, code };
  response.writeHead(code, {
    "content-type": "application/json",
    ...(code === 429 ? { "retry-after": "1" } : {}),
  });
  response.end(JSON.stringify({ ...status, message: reason, metadata: {} }));
}
