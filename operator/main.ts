import { hostname } from "node:os";
import type { KubeApi } from "../kube/api.ts";
import { createKubeClient } from "../kube/client.ts";
import { loadCredentials } from "../kube/credentials.ts";
import { realScheduler } from "../lib/clock.ts";
import { MetricsRegistry } from "../lib/metrics.ts";
import { systemRandom } from "../lib/random.ts";
import { createLogger } from "../lib/winston-logger.ts";
import { startHealthServer } from "./health-server.ts";
import { addOperatorMetrics } from "./operator-metrics.ts";
import { startOperator, type Operator, type OperatorOptions } from "./operator.ts";
import { Terms } from "./terms.ts";

const HTTP_PORT = 8080;

/**
 * The operator's process (edge). FOREBAY_NAMESPACE is the namespace it looks after (all unless set),
 * FOREBAY_BROKER_IMAGE the image of brokers, FOREBAY_PORT_HTTP the port of /healthz, /readyz and /metrics (8080).
 * FOREBAY_LEASE names a Lease in POD_NAMESPACE: of all operators with it, one acts and the others wait; without it this
 * one acts at once. Resolves when it has stopped after SIGTERM or SIGINT; ends the process with code 70 on an error that
 * nobody expected.
 * @param configProblem says why a broker would not start with a configuration
 */
export async function runOperator(
  env: NodeJS.ProcessEnv,
  configProblem?: OperatorOptions["configProblem"],
): Promise<void> {
  const logger = createLogger({ level: env["FOREBAY_LOG_LEVEL"] ?? "info", format: "json" });
  const fail = (error: unknown): never => {
    logger.error("stopping on an error", {
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    process.exit(70);
  };
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  const credentials = await loadCredentials(env);
  const kube = createKubeClient({ ...credentials.client, scheduler: realScheduler });
  const lease = env["FOREBAY_LEASE"] ?? "";
  const lead = (api: KubeApi): Operator =>
    startOperator({
      kube: api,
      namespace: env["FOREBAY_NAMESPACE"] ?? "",
      scheduler: realScheduler,
      random: systemRandom,
      logger,
      brokerImage: env["FOREBAY_BROKER_IMAGE"] ?? "forebay",
      ...(configProblem === undefined ? {} : { configProblem }),
    });
  const terms =
    lease === ""
      ? alone(lead(kube))
      : new Terms({
          kube,
          connect: () => createKubeClient({ ...credentials.client, scheduler: realScheduler }),
          namespace: env["POD_NAMESPACE"] ?? credentials.namespace,
          name: lease,
          identity: `${env["POD_NAME"] ?? hostname()}_${Buffer.from(systemRandom.uuid()).toString("hex")}`,
          scheduler: realScheduler,
          logger,
          lead,
        });
  const metrics = new MetricsRegistry();
  addOperatorMetrics(metrics, {
    operator: () => terms.operator,
    leading: () => terms.leading,
    residentBytes: () => process.memoryUsage.rss(),
  });
  const server = await startHealthServer({
    port: Number(env["FOREBAY_PORT_HTTP"] ?? HTTP_PORT),
    ready: () => terms.ready,
    metrics,
  });
  terms.start();
  await new Promise<void>((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
  await terms.stop();
  server.close();
  kube.close();
}

/** One operator that acts for as long as its process runs. */
function alone(
  operator: Operator,
): Pick<Terms, "leading" | "operator" | "ready" | "start" | "stop"> {
  let ready = false;
  void operator.synced.then(() => {
    ready = true;
  });
  return {
    leading: true,
    operator,
    get ready() {
      return ready;
    },
    start: () => undefined,
    stop: () => {
      operator.stop();
      return Promise.resolve();
    },
  };
}
