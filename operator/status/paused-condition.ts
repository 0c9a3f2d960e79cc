import type { WantedCondition } from "../../cluster/conditions.ts";

/** Annotation of a BrokerCluster or a Topic: the operator lets it be while its value is `true`. */
export const PAUSED = "forebay.dev/paused";

/** Paused: there only while the operator was told to let the cluster be. */
export function pausedCondition(paused: boolean): readonly WantedCondition[] {
  if (!paused) return [];
  return [
    {
      type: "Paused",
      status: "True",
      reason: "PausedByAnnotation",
      message: `the operator changes nothing until the annotation ${PAUSED} is removed`,
    },
  ];
}
