import { sleep } from "../lib/clock.ts";
import type { BrokerParts, Foundation } from "./broker-parts.ts";
import { watchClusterDeletion } from "./metadata/cluster-deletion.ts";
import type { Partition } from "./replication/partition.ts";

const DRAIN_TIMEOUT_MS = 30_000;
/** How long a watch may take to tell of what the controller has done. */
const MOVES_SEEN_MS = 500;
const POLL_MS = 10;
/** How long one without rights waits for others to take over what it leads; the kubelet ends a pod deleted by force after 2 s. */
const REFUSED_MS = 1500;

/**
 * Asks that all leaderships move elsewhere, and resolves when they have, or after 30 s, or when nobody is left to lead. A
 * controller moves its own; one whose writes are refused, as those of a pod whose object is gone, resigns where others can
 * take over: its leaderships are then moved by a successor. One that may write does not, or brokers that are all told to stop
 * would resign in turn, until the last one had a leadership and nobody to ask.
 */
export async function moveLeaderships(
  parts: BrokerParts,
  foundation: Foundation,
  stopped: () => boolean,
): Promise<void> {
  const { scheduler, kube } = foundation.environment;
  const { namespace, clusterName } = foundation.options;
  let deletion: { stop(): void } | undefined;
  let done = false;
  await new Promise<void>((resolve) => {
    parts.onDrained = resolve;
    scheduler.after(DRAIN_TIMEOUT_MS, resolve);
    parts.heartbeats.wantToStop();
    askOneself(parts, foundation, resolve, () => done || stopped());
    deletion = watchClusterDeletion({
      kube,
      namespace,
      clusterName,
      scheduler,
      onDeleted: resolve,
      onRefused: () => {
        if (parts.controller.active && othersRun(foundation)) resign(parts, foundation);
        scheduler.after(REFUSED_MS, resolve);
      },
    });
  });
  done = true;
  deletion?.stop();
  await seeMoves(parts, foundation);
}

function othersRun({ image, options }: Foundation): boolean {
  return [...image.brokers.values()].some(
    ({ id, state }) => id !== options.brokerId && state === "running",
  );
}

function resign({ controller, lease }: BrokerParts, { environment }: Foundation): void {
  const { logger } = environment;
  logger.info("resigning as the controller");
  controller.resign();
  lease.release().catch((error: unknown) => {
    logger.info("controller lease not released", { error: String(error) });
  });
}

/** As its own controller a broker asks itself. */
function askOneself(
  parts: BrokerParts,
  foundation: Foundation,
  done: () => void,
  ended: () => boolean,
): void {
  if (ended()) return;
  const { controller } = parts;
  if (controller.active) {
    const answer = controller.heartbeat(foundation.options.brokerId, foundation.epoch, true);
    if (answer.shouldShutDown) {
      done();
      return;
    }
  }
  foundation.environment.scheduler.after(POLL_MS, () => {
    askOneself(parts, foundation, done, ended);
  });
}

/** What has moved is seen here as well, so that those who wait for an answer are told who leads now. */
async function seeMoves({ replicas }: BrokerParts, foundation: Foundation): Promise<void> {
  const { scheduler } = foundation.environment;
  const { brokerId } = foundation.options;
  const until = scheduler.now() + MOVES_SEEN_MS;
  const leads = ({ isLeader, record }: Partition): boolean =>
    isLeader && record.state?.isr.some((id) => id !== brokerId) === true;
  while (scheduler.now() < until && [...replicas.all()].some(leads))
    await sleep(scheduler, POLL_MS);
}
