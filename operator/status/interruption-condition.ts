import type { WantedCondition } from "../../cluster/conditions.ts";

const MAX_NAMED = 20;

/** RestartInterrupts: there only while a restart is under way that partitions with too few replicas will notice. */
export function interruptionCondition(interrupted: readonly string[]): readonly WantedCondition[] {
  if (interrupted.length === 0) return [];
  return [
    {
      type: "RestartInterrupts",
      status: "True",
      reason: "TooFewReplicas",
      message: `${interrupted.length} partitions have too few replicas to take all writes while a broker of theirs is restarted: ${named(interrupted)}`,
    },
  ];
}

/** The first names, and how many more there are. */
export function named(names: readonly string[], between = ", "): string {
  const more = names.length - MAX_NAMED;
  return names.slice(0, MAX_NAMED).join(between) + (more > 0 ? ` and ${more} more` : "");
}
