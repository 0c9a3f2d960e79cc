import type { Condition } from "../kube/objects.ts";
import type { EpochMillis } from "../lib/units.ts";
import type { BrokerState } from "./broker.ts";
import { kstatus, withConditions } from "./conditions.ts";

/** A fenced broker is not Stalled: it comes back by itself, or it is to go. */
const VERDICTS: Readonly<Record<BrokerState, Parameters<typeof kstatus>[0]>> = {
  running: { is: "ready", reason: "Running", message: "it may lead, and serves clients" },
  draining: {
    is: "reconciling",
    reason: "Draining",
    message: "its leaderships move elsewhere, then it stops",
  },
  fenced: {
    is: "reconciling",
    reason: "Fenced",
    message: "the controller does not hear it: it starts, has stopped or is cut off",
  },
};

/**
 * Conditions of a Broker's state (pure), written together with it, so that they cost no write of their own.
 * @param before those that its status has
 */
export function brokerConditions(
  state: BrokerState,
  before: readonly Condition[] | undefined,
  generation: number | undefined,
  wallNow: EpochMillis,
): readonly Condition[] {
  return withConditions(before, kstatus(VERDICTS[state]), generation, wallNow);
}
