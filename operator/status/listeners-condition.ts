import type { WantedCondition } from "../../cluster/conditions.ts";
import { named } from "./interruption-condition.ts";

/**
 * ListenersReady: there while there are listeners for clients from outside.
 * @param missing what their addresses wait for; undefined when there are no such listeners
 */
export function listenersCondition(
  missing: readonly string[] | undefined,
): readonly WantedCondition[] {
  if (missing === undefined) return [];
  const [status, reason] =
    missing.length === 0
      ? (["True", "AddressesKnown"] as const)
      : (["False", "AddressesMissing"] as const);
  return [{ type: "ListenersReady", status, reason, message: named(missing, "; ") }];
}
