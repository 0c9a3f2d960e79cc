import type { Topic } from "../../cluster/topic.ts";
import type { Condition } from "../../kube/objects.ts";
import type { EventRecorder } from "../events.ts";
import type { TopicStatus } from "../status/topic-status.ts";

/**
 * Tells people of a topic what they would want to be woken for, and that it is over: refused, without leaders that it had,
 * ready again. Not that a new one is ready: of thousands that would be as many writes more.
 */
export class TopicTeller {
  readonly #events: EventRecorder;
  /** Ids of topics that are owed the news that they are ready again. */
  readonly #owed = new Set<string>();

  constructor(events: EventRecorder) {
    this.#events = events;
  }

  /** @param topic with the status that it had @param status what was written */
  tell(topic: Topic, status: TopicStatus): void {
    const id = topic.metadata.uid ?? "";
    const before = topic.status;
    const ready = conditionOf(status, "Ready");
    const stalled = conditionOf(status, "Stalled");
    const wasStalled = conditionOf(before, "Stalled");
    // An operator that was started anew owes what its predecessor told.
    if (isTrue(wasStalled)) this.#owed.add(id);
    if (stalled !== undefined && isTrue(stalled)) {
      this.#owed.add(id);
      if (!isTrue(wasStalled) || wasStalled?.reason !== stalled.reason) {
        this.#warn(topic, stalled);
      }
    } else if (ready !== undefined && isTrue(ready)) {
      if (!this.#owed.delete(id)) return;
      const { message, lastTransitionTime } = ready;
      this.#events.record(topic, "Normal", "Ready", message, lastTransitionTime);
    } else if (ready?.reason === "PartitionsOffline" && hadLeaders(topic)) {
      this.#owed.add(id);
      this.#warn(topic, ready);
    }
  }

  /** It is deleted. */
  forget({ metadata }: Topic): void {
    this.#owed.delete(metadata.uid ?? "");
  }

  #warn(topic: Topic, { reason, message, lastTransitionTime }: Condition): void {
    this.#events.record(topic, "Warning", reason, message, lastTransitionTime);
  }
}

/** All of its partitions; those that a change of the spec has just added have never had any. */
function hadLeaders({ metadata, status }: Topic): boolean {
  return isTrue(conditionOf(status, "Ready")) && status?.observedGeneration === metadata.generation;
}

function conditionOf(status: Topic["status"], type: string): Condition | undefined {
  return status?.conditions?.find((one) => one.type === type);
}

function isTrue(condition: Condition | undefined): boolean {
  return condition?.status === "True";
}
