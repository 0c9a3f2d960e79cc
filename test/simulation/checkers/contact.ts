import type { SimClock } from "../clock.ts";
import type { SimCluster } from "../cluster.ts";
import { SESSION_TIMEOUT_MS } from "../shape.ts";

/** A process that was frozen for so much longer than the session timeout has certainly been out of touch. */
const SLACK_MS = 50;

/**
 * R7 on one request to a leader: if its broker had heard from nobody for the session timeout when the request was sent,
 * and still had not when the answer came, it must not have served it. If its process was frozen for longer, it must have
 * asked for the recorded state since.
 * @returns to be called when the request succeeded
 */
export function watchContact(
  cluster: SimCluster,
  host: string,
  clock: SimClock,
  report: (message: string) => void,
): () => void {
  const sentAt = clock.now();
  const one = cluster.brokers.find((candidate) => candidate.host === host);
  const broker = one?.broker;
  if (one === undefined || broker === undefined) return () => undefined;
  const process = one.process;
  const heardAt = sentAt - broker.silenceMs;
  return () => {
    if (one.process !== process || !process.alive || one.broker !== broker) return;
    const now = clock.now();
    // An answer to what was asked before may have left before the freeze.
    const freeze = process.freezes.findLast(
      ({ from, ms }) => ms > SESSION_TIMEOUT_MS + SLACK_MS && from + ms < sentAt,
    );
    if (freeze !== undefined && cluster.kube.lastStateRead(process) < freeze.from + freeze.ms) {
      report(
        `${host} served at ${now.toFixed(0)} ms and has not read the recorded state since it was frozen at ${freeze.from.toFixed(0)} ms`,
      );
    }
    const unchanged = Math.abs(now - broker.silenceMs - heardAt) < 0.001;
    if (!unchanged || sentAt - heardAt <= SESSION_TIMEOUT_MS) return;
    report(
      `${host} served at ${now.toFixed(0)} ms what was asked at ${sentAt.toFixed(0)} ms, ` +
        `and had heard from nobody since ${heardAt.toFixed(0)} ms`,
    );
  };
}
