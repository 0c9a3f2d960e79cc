import { monitorEventLoopDelay } from "node:perf_hooks";
import express from "express";
import type { MetricsRegistry } from "../../lib/metrics.ts";
import { http } from "../../lib/node-http.ts";
import type { RestartGate } from "../restart-gate.ts";
import { loopDelayMetric } from "./loop-delay.ts";

export interface AdminServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Reasons that are told at most. */
const MAX_TOLD = 20;

/** A loop that has not turned for this long is not well. */
const STALL_MS = 10_000;
/** So often the event loop is looked at. */
const TURN_MS = 10;

/**
 * The broker's HTTP port (edge): `/healthz` while the event loop turns and the disk answers, `/readyz` once the broker has
 * registered and listens, `/metrics`. Neither probe asks the API server or another broker: their trouble is no reason
 * to restart this one. `/caught-up` is 200 when all its replicas are in sync, `/safe-to-stop` when no partition would have too
 * few in-sync replicas without it; else they are 503 and say why.
 */
export async function startAdminServer(options: {
  readonly host: string;
  readonly port: number;
  readonly ready: () => boolean;
  readonly restartGate: () => RestartGate;
  readonly metrics: MetricsRegistry;
}): Promise<AdminServer> {
  const delay = monitorEventLoopDelay({ resolution: TURN_MS });
  delay.enable();
  let lastTurn = performance.now();
  const turning = setInterval(() => {
    lastTurn = performance.now();
  }, 1000);
  turning.unref();
  options.metrics.add(loopDelayMetric(delay, TURN_MS));

  const app = express();
  app.disable("x-powered-by");
  app.get("/healthz", (_request, response) => {
    const alive = performance.now() - lastTurn < STALL_MS;
    response
      .status(alive ? 200 : 503)
      .type("text")
      .send(alive ? "ok\n" : "the event loop is stalled\n");
  });
  app.get("/readyz", (_request, response) => {
    const ready = options.ready();
    response
      .status(ready ? 200 : 503)
      .type("text")
      .send(ready ? "ok\n" : "not registered yet\n");
  });
  app.get("/caught-up", (_request, response) => {
    const { behind } = options.restartGate();
    response
      .status(behind.length === 0 ? 200 : 503)
      .type("text")
      .send(told(behind.length === 0 ? ["ok"] : behind));
  });
  app.get("/safe-to-stop", (_request, response) => {
    const { neededFor, interrupted } = options.restartGate();
    const warnings = interrupted.map(
      ({ topic, partitions }) =>
        `${partitions} partitions of ${topic} cannot take all writes meanwhile: they have too few replicas`,
    );
    response
      .status(neededFor.length === 0 ? 200 : 503)
      .type("text")
      .send(told(neededFor.length === 0 ? ["ok", ...warnings] : neededFor));
  });
  app.get("/metrics", (_request, response) => {
    response.type("text/plain; version=0.0.4").send(options.metrics.render());
  });
  const server = http.createServer(app);
  server.maxConnections = 100;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : options.port,
    close: () =>
      new Promise((resolve) => {
        clearInterval(turning);
        delay.disable();
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

/** A line for each, and how many more there are. */
function told(lines: readonly string[]): string {
  const more = lines.length - MAX_TOLD;
  const shown = lines.slice(0, MAX_TOLD);
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].map((line) => `${line}\n`).join("");
}
