import type { MetricsRegistry } from "../lib/metrics.ts";
import { http } from "../lib/node-http.ts";

/**
 * The operator's HTTP port (edge): `/healthz` while the process answers, `/readyz` when it is `ready`, `/metrics`.
 * Resolves when it listens.
 */
export async function startHealthServer(options: {
  readonly port: number;
  readonly ready: () => boolean;
  readonly metrics: MetricsRegistry;
}): Promise<{ readonly port: number; close(): void }> {
  const server = http.createServer((request, response) => {
    const [status, body] = answer(request.url ?? "", options);
    response.writeHead(status, { "content-type": "text/plain; version=0.0.4" });
    response.end(body);
  });
  server.maxConnections = 50;
  server.requestTimeout = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : options.port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function answer(
  url: string,
  { ready, metrics }: { readonly ready: () => boolean; readonly metrics: MetricsRegistry },
): readonly [number, string] {
  switch (url) {
    case "/healthz":
      return [200, "ok\n"];
    case "/readyz":
      return ready() ? [200, "ok\n"] : [503, "not ready\n"];
    case "/metrics":
      return [200, metrics.render()];
    default:
      return [404, "not found\n"];
  }
}
