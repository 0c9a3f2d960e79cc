import assert from "node:assert/strict";
import http from "node:http";
import type { AddressInfo } from "node:net";
import type { KubeApi, Resource } from "../../../kube/api.ts";
import { createKubeClient } from "../../../kube/client.ts";
import { ServerBusyError, UnknownOutcomeError } from "../../../kube/errors.ts";
import type { KubeObject } from "../../../kube/objects.ts";
import { realScheduler } from "../../../lib/clock.ts";
import type { Scheduler } from "../../../lib/clock.ts";
import { seededRandom } from "../../../lib/random.ts";

const things: Resource = { group: "", version: "v1", plural: "configmaps", kind: "ConfigMap" };
const thing: KubeObject = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } };

type Answer = (request: http.IncomingMessage, response: http.ServerResponse) => void;
const answer =
  (code: number, body: unknown): Answer =>
  (_request, response) => {
    response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
const status = (code: number, reason: string): Answer =>
  answer(code, { kind: "Status", code, reason, message: reason });
const hangUp: Answer = (request) => {
  request.resume();
  request.on("end", () => request.socket.destroy());
};

describe("Kubernetes client", () => {
  let server: http.Server;
  let client: KubeApi & { close(): void };
  let answers: Answer[];
  let requests: string[];

  // Pauses between retries end at once; deadlines of requests keep their length.
  const scheduler: Scheduler = {
    ...realScheduler,
    after: (delay, callback) => realScheduler.after(delay < 5_000 ? 0 : delay, callback),
  };

  beforeEach(async () => {
    answers = [];
    requests = [];
    server = http.createServer((request, response) => {
      requests.push(`${request.method ?? ""} ${request.url ?? ""}`);
      const next = answers.shift();
      if (next === undefined) response.writeHead(500).end();
      else next(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${String(port)}`;
    client = createKubeClient({
      server: url,
      scheduler,
      random: seededRandom(1),
      deadlineMs: 20_000,
    });
  });
  afterEach(async () => {
    client.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it("tries a read again after a 5xx or a broken connection", async () => {
    answers = [status(503, "ServiceUnavailable"), hangUp, answer(200, thing)];
    assert.deepEqual(await client.get(things, "ns", "a"), thing);
    assert.equal(requests.length, 3);
  });

  it("tries a write again after 429, which the server did not begin", async () => {
    answers = [status(429, "TooManyRequests"), answer(201, thing)];
    assert.deepEqual(await client.create(things, "ns", thing), thing);
    assert.equal(requests.length, 2);
  });

  it("does not repeat a write whose answer was lost, and says that its outcome is unknown", async () => {
    answers = [hangUp, answer(201, thing)];
    await assert.rejects(client.create(things, "ns", thing), UnknownOutcomeError);
    answers = [status(500, "InternalError"), answer(201, thing)];
    await assert.rejects(client.replace(things, "ns", thing), UnknownOutcomeError);
    assert.equal(requests.length, 2);
  });

  it("knows that a write did not happen when nobody listens", async () => {
    const lonely = createKubeClient({
      server: "http://127.0.0.1:1",
      scheduler: realScheduler,
      deadlineMs: 1,
    });
    await assert.rejects(lonely.create(things, "ns", thing), ServerBusyError);
    lonely.close();
  });

  it("sends nothing any more once it is closed: no retry, and nothing that waited for a connection", async () => {
    // Many more than there are connections, of which each is refused once.
    const calls = 100;
    answers = Array.from({ length: 3 * calls }, () => status(429, "TooManyRequests"));
    const first = new Promise<void>((resolve) => {
      server.once("request", () => {
        resolve();
      });
    });
    const ends = Promise.allSettled(
      Array.from({ length: calls }, () => client.create(things, "ns", thing)),
    );
    await first;
    client.close();
    const before = requests.length;
    assert.deepEqual(new Set((await ends).map((end) => end.status)), new Set(["rejected"]));
    await assert.rejects(client.create(things, "ns", thing));
    // Those that the connections had in hand.
    assert.ok(requests.length <= before + 32, `${requests.length} after ${before}`);
  });

  it("reads all pages, and begins again when the continue token has expired", async () => {
    const page = (names: string[], next?: string): Answer =>
      answer(200, {
        items: names.map((name) => ({ metadata: { name } })),
        metadata: { resourceVersion: "7", ...(next === undefined ? {} : { continue: next }) },
      });
    answers = [page(["x"], "t1"), status(410, "Expired"), page(["a"], "t2"), page(["b"])];
    const list = await client.list(things, "ns", { labelSelector: "k=v", limit: 1 });
    assert.deepEqual(
      list.items.map(({ metadata, kind }) => `${kind} ${metadata.name}`),
      ["ConfigMap a", "ConfigMap b"],
    );
    assert.equal(
      requests.at(-1),
      "GET /api/v1/namespaces/ns/configmaps?labelSelector=k%3Dv&limit=1&continue=t2",
    );
  });

  it("ends a watch once, in order or with the error that the server sent", async () => {
    const event = (value: unknown): string => `${JSON.stringify(value)}\n`;
    const bookmark = { type: "BOOKMARK", object: { metadata: { resourceVersion: "9" } } };
    const gone = {
      type: "ERROR",
      object: { kind: "Status", code: 410, reason: "Expired", message: "too old" },
    };
    const stream =
      (...lines: string[]): Answer =>
      (_request, response) => {
        response.writeHead(200);
        for (const line of lines) response.write(line);
        response.end();
      };
    const cut = event(bookmark);
    answers = [stream(cut.slice(0, 10), cut.slice(10)), stream(event(gone), event(bookmark))];
    const follow = (): Promise<string[]> =>
      new Promise((resolve) => {
        const seen: string[] = [];
        client.watch(
          things,
          "ns",
          { resourceVersion: "1", timeoutSeconds: 60 },
          {
            onEvent: (each) => seen.push(each.type),
            onEnd: (error) => {
              resolve([...seen, error?.name ?? "in order"]);
            },
          },
        );
      });
    assert.deepEqual(await follow(), ["BOOKMARK", "in order"]);
    assert.deepEqual(await follow(), ["GoneError"]);
  });
});
