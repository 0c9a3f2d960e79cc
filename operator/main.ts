import http from "node:http";
import { createKubeClient } from "../kube/client.ts";
import { loadCredentials } from "../kube/credentials.ts";
import { realScheduler } from "../lib/clock.ts";
import { systemRandom } from "../lib/random.ts";
import { createLogger } from "../lib/winston-logger.ts";
import { startOperator } from "./operator.ts";

const HTTP_PORT = 8080;

/**
 * The operator's process (edge). FOREBAY_NAMESPACE is the namespace it looks after (all unless set),
 * FOREBAY_BROKER_IMAGE the image of brokers, FOREBAY_PORT_HTTP the port of /healthz and /readyz (8080). Resolves when it
 * has stopped after SIGTERM or SIGINT.
 */
export async function runOperator(env: NodeJS.ProcessEnv): Promise<void> {
  const logger = createLogger({ level: env["FOREBAY_LOG_LEVEL"] ?? "info", format: "json" });
  const credentials = await loadCredentials(env);
  const kube = createKubeClient({ ...credentials.client, scheduler: realScheduler });
  const operator = startOperator({
    kube,
    namespace: env["FOREBAY_NAMESPACE"] ?? "",
    scheduler: realScheduler,
    random: systemRandom,
    logger,
    brokerImage: env["FOREBAY_BROKER_IMAGE"] ?? "forebay",
  });
  let synced = false;
  void operator.synced.then(() => {
    synced = true;
  });
  const server = http.createServer((request, response) => {
    const ok = request.url === "/healthz" || (request.url === "/readyz" && synced);
    response.writeHead(ok ? 200 : 503, { "content-type": "text/plain" });
    response.end(ok ? "ok\n" : "not ready\n");
  });
  const port = Number(env["FOREBAY_PORT_HTTP"] ?? HTTP_PORT);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, resolve);
  });
  await new Promise<void>((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
  operator.stop();
  server.close();
  kube.close();
}
