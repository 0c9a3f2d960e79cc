import { connect } from "node:net";
import { http } from "../../lib/node-http.ts";
import type { Millis } from "../../lib/units.ts";
import type { Probe } from "../workloads.ts";
import { POD_IP } from "./pod-status.ts";

export interface ProbeAnswer {
  readonly ok: boolean;
  readonly message: string;
}

/**
 * Asks a container's process how it is (edge; Kubernetes concept "Liveness, Readiness and Startup Probes"). Never
 * rejects. A port by name is the real one of that name.
 */
export function sendProbe(
  probe: Probe,
  ports: Readonly<Record<string, number>>,
  timeoutMs: Millis,
): Promise<ProbeAnswer> {
  const action = probe.httpGet ?? probe.tcpSocket;
  if (action === undefined) return Promise.resolve({ ok: true, message: "" });
  const port = typeof action.port === "string" ? ports[action.port] : action.port;
  if (port === undefined) {
    return Promise.resolve({ ok: false, message: `no port named ${String(action.port)}` });
  }
  return probe.httpGet === undefined
    ? connects(port, timeoutMs)
    : answers(port, probe.httpGet.path ?? "/", timeoutMs);
}

function answers(port: number, path: string, timeoutMs: Millis): Promise<ProbeAnswer> {
  return new Promise((resolve) => {
    const request = http.get(
      { host: POD_IP, port, path, agent: false, signal: AbortSignal.timeout(timeoutMs) },
      (response) => {
        const { statusCode = 0 } = response;
        response.resume();
        resolve({
          ok: statusCode >= 200 && statusCode < 400,
          message: `HTTP probe failed with statuscode: ${String(statusCode)}`,
        });
      },
    );
    request.once("error", (error) => {
      resolve({ ok: false, message: error.message });
    });
  });
}

function connects(port: number, timeoutMs: Millis): Promise<ProbeAnswer> {
  return new Promise((resolve) => {
    const socket = connect({ host: POD_IP, port, timeout: timeoutMs });
    const end = (ok: boolean, message: string): void => {
      socket.destroy();
      resolve({ ok, message });
    };
    socket.once("connect", () => {
      end(true, "");
    });
    socket.once("timeout", () => {
      end(false, "timeout");
    });
    socket.once("error", (error) => {
      end(false, error.message);
    });
  });
}
