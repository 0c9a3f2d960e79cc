import type { WantedCondition } from "../../cluster/conditions.ts";
import type { InterruptedTopic } from "../../cluster/restart-safety.ts";

const MAX_NAMED = 20;

/** RestartInterrupts: there while there are topics that will notice the restart of a broker, also before one begins. */
export function interruptionCondition(
  interrupted: readonly InterruptedTopic[],
): readonly WantedCondition[] {
  if (interrupted.length === 0) return [];
  return [
    {
      type: "RestartInterrupts",
      status: "True",
      reason: "TooFewReplicas",
      message: `${interruptedText(interrupted)}; give them a replica more`,
    },
  ];
}

/** For people: which topics, and how many of their partitions. */
export function interruptedText(interrupted: readonly InterruptedTopic[]): string {
  const sum = interrupted.reduce((all, { partitions }) => all + partitions, 0);
  const topics = interrupted.map(({ topic, partitions }) => `${topic} (${partitions})`);
  return `${sum} partitions have too few replicas to take all writes while a broker of theirs is restarted: ${named(topics)}`;
}

/** The first names, and how many more there are. */
export function named(names: readonly string[], between = ", "): string {
  const more = names.length - MAX_NAMED;
  return names.slice(0, MAX_NAMED).join(between) + (more > 0 ? ` and ${more} more` : "");
}
