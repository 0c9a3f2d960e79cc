import { readFileSync, writeSync } from "node:fs";
import { realScheduler } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import { systemRandom } from "../lib/random.ts";
import { MetricsRegistry } from "../lib/metrics.ts";
import { createLogger } from "../lib/winston-logger.ts";
import { createKubeClient } from "../kube/client.ts";
import { loadCredentials } from "../kube/credentials.ts";
import { startAdminServer } from "./admin/server.ts";
import { Broker } from "./broker.ts";
import { addBrokerMetrics } from "./broker-metrics.ts";
import { loadBrokerConfig } from "./config.ts";
import { SupersededError } from "./controller/registration.ts";
import { createFileStorage } from "./log/file-storage.ts";
import { createTcpNetwork } from "./network/tcp-network.ts";

export const VERSION = "0.1.0";

/** How long a stopping broker may take before it is ended all the same; below the pod's grace period. */
const STOP_DEADLINE_MS = 45_000;

/**
 * The process of one broker pod (edge): environment variables and files in, a running broker out. Ends the
 * process with code 0 when the broker has stopped in order, 70 on a broken invariant.
 *
 * FOREBAY_CLUSTER, POD_NAME, POD_NAMESPACE name it; FOREBAY_DATA is its volume; FOREBAY_CONFIG a file of Kafka broker
 * configs; FOREBAY_PORT_PLAINTEXT, _INTERNAL, _HTTP the ports to listen on (9092, 9093, 8080); FOREBAY_LISTEN_HOST and
 * FOREBAY_ADVERTISED_HOST where; FOREBAY_OUTSIDE_LISTENERS=none leaves the listeners of the BrokerCluster for clients from
 * outside closed; FOREBAY_RACK its rack. The API is that of FOREBAY_KUBE_SERVER, of the service
 * account, or of KUBECONFIG.
 */
export async function runBroker(env: NodeJS.ProcessEnv): Promise<void> {
  const podName = required(env, "POD_NAME");
  const brokerId = ordinalOf(podName);
  const clusterName = env["FOREBAY_CLUSTER"] ?? podName.replace(/-\d+$/, "");
  const namespace = env["POD_NAMESPACE"] ?? "default";
  const logger = createLogger({ level: env["FOREBAY_LOG_LEVEL"] ?? "info", format: "json" }).child({
    broker: brokerId,
  });
  const configFile = env["FOREBAY_CONFIG"];
  const given = loadBrokerConfig(
    configFile === undefined ? "" : readFileSync(configFile, "utf8"),
    env,
  );
  const rack = env["FOREBAY_RACK"] || given.text("broker.rack");
  const data = required(env, "FOREBAY_DATA");
  const config = given.with(
    new Map([["log.dirs", data], ...(rack === "" ? [] : [["broker.rack", rack] as const])]),
  );
  const panic = panicWith(logger);
  process.on("uncaughtException", panic);
  process.on("unhandledRejection", panic);

  const credentials = await loadCredentials(env);
  const kube = createKubeClient({ ...credentials.client, scheduler: realScheduler });
  const storage = await createFileStorage(data);
  const service = env["FOREBAY_HEADLESS_SERVICE"] ?? clusterName;
  const broker = new Broker(
    {
      scheduler: realScheduler,
      random: systemRandom,
      storage,
      network: createTcpNetwork({ logger, idleMs: config.number("connections.max.idle.ms") }),
      kube,
      logger,
      panic,
    },
    {
      clusterName,
      namespace,
      brokerId,
      ...(rack === "" ? {} : { rack }),
      version: VERSION,
      config,
      listen: {
        host: env["FOREBAY_LISTEN_HOST"] ?? "0.0.0.0",
        ports: { plaintext: port(env, "PLAINTEXT", 9092), internal: port(env, "INTERNAL", 9093) },
        outside: env["FOREBAY_OUTSIDE_LISTENERS"] !== "none",
        advertisedHost: env["FOREBAY_ADVERTISED_HOST"] ?? `${podName}.${service}.${namespace}.svc`,
      },
    },
  );
  const metrics = new MetricsRegistry();
  addBrokerMetrics(metrics, broker);
  const admin = await startAdminServer({
    host: env["FOREBAY_LISTEN_HOST"] ?? "0.0.0.0",
    port: port(env, "HTTP", 8080),
    ready: () => broker.ready,
    restartGate: () => broker.restartGate,
    metrics,
  });

  const stopped = new Promise<void>((resolve) => {
    let stopping = false;
    const stop = (signal: NodeJS.Signals): void => {
      if (stopping) return;
      stopping = true;
      logger.info("stopping", { signal });
      setTimeout(() => {
        logger.error("not stopped in time");
        process.exit(1);
      }, STOP_DEADLINE_MS).unref();
      broker.drain().then(resolve, panic);
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
  });
  try {
    await broker.start();
  } catch (error) {
    if (!(error instanceof SupersededError)) panic(error);
  }
  await stopped;
  await admin.close();
  kube.close();
  logger.info("stopped");
  // Periodic work still has timers; all that matters has been written.
  process.exit(0);
}

/** Logs what broke and ends the process at once: recovery from disk is the way back (docs/invariants.md). */
function panicWith(logger: Logger): (error: unknown) => never {
  return (error) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    try {
      logger.error("broken invariant or failed volume: stopping", { error: text });
    } finally {
      // The logger's stream may not have been written out when the process ends.
      writeSync(2, `${text}\n`);
      process.exit(70);
    }
  };
}

function required(env: NodeJS.ProcessEnv, name: string): string {
  const value = env[name];
  if (value === undefined || value === "") throw new Error(`${name} is not set`);
  return value;
}

function ordinalOf(podName: string): number {
  const match = /-(\d+)$/.exec(podName);
  if (match === null) throw new Error(`POD_NAME ${podName} does not end in an ordinal`);
  return Number(match[1]);
}

function port(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const value = env[`FOREBAY_PORT_${name}`];
  return value === undefined ? fallback : Number(value);
}
