import { RESTART } from "../resources/pod-template.ts";
import type { WantedCondition } from "../../cluster/conditions.ts";

/**
 * UpgradeAvailable: there only while this operator would have the pods otherwise than they are. A new operator restarts
 * no broker by itself.
 * @param what for people: what would change
 */
export function upgradeCondition(what: string | undefined): readonly WantedCondition[] {
  if (what === undefined) return [];
  return [
    {
      type: "UpgradeAvailable",
      status: "True",
      reason: "OperatorChanged",
      message: `${what}; set the annotation ${RESTART} to a new value to have the brokers restarted so, one after the other`,
    },
  ];
}
