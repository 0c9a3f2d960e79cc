import type { KubeApi } from "../kube/api.ts";
import type { KubeObject } from "../kube/objects.ts";
import { secondTime, type Scheduler } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import { MINUTE, SECOND, type Millis } from "../lib/units.ts";
import { events, type EventObject } from "./resources/workloads.ts";

/** The same is not said again within this time. */
const QUIET: Millis = 10 * MINUTE;
const MAX_REMEMBERED = 1000;
/** So many at once, and then so many a second: beyond that nobody reads them, and the API has more to do just then. */
const BURST = 50;
const PER_SECOND = 2;
const MAX_MESSAGE = 1024;
const MAX_PREFIX = 200;
const COMPONENT = "forebay-operator";

export interface EventRecorderOptions {
  readonly kube: KubeApi;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly logger: Logger;
}

/** Tells people what became of an object: core/v1 Events, as `kubectl describe` shows them. */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  /** When what was said last, by object, text and turn. */
  readonly #said = new Map<string, Millis>();
  #allowance = BURST;
  #allowedAt: Millis;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#allowedAt = options.scheduler.now();
  }

  /**
   * Never fails and is not waited for: an event that is lost is only not shown.
   * @param turn tells what is said from the same of before, so that it is not taken for a repetition
   */
  record(
    about: KubeObject,
    type: EventObject["type"],
    reason: string,
    message: string,
    turn = "",
  ): void {
    const { kube, scheduler, logger } = this.#options;
    const { name, uid, namespace = "default" } = about.metadata;
    const now = scheduler.now();
    const text = `${uid ?? name} ${reason} ${turn} ${message}`;
    const before = this.#said.get(text);
    if (before !== undefined && now - before < QUIET) return;
    if (!this.#isAllowed(now)) {
      logger.debug("an event was left out, there are many", { object: name, reason });
      return;
    }
    this.#said.delete(text);
    this.#said.set(text, now);
    for (const oldest of this.#said.keys()) {
      if (this.#said.size <= MAX_REMEMBERED) break;
      this.#said.delete(oldest);
    }
    kube
      .create(events, namespace, this.#event(about, type, reason, message))
      .catch((error: unknown) => {
        logger.debug("an event was lost", { object: name, reason, error: String(error) });
      });
  }

  #isAllowed(now: Millis): boolean {
    const earned = ((now - this.#allowedAt) / SECOND) * PER_SECOND;
    this.#allowance = Math.min(BURST, this.#allowance + earned);
    this.#allowedAt = now;
    if (this.#allowance < 1) return false;
    this.#allowance--;
    return true;
  }

  #event(
    { apiVersion, kind, metadata }: KubeObject,
    type: EventObject["type"],
    reason: string,
    message: string,
  ): EventObject {
    const { scheduler, random } = this.#options;
    const { name, uid, resourceVersion, namespace = "default" } = metadata;
    const time = secondTime(scheduler.wallNow());
    return {
      apiVersion: "v1",
      kind: "Event",
      metadata: {
        name: `${prefixOf(name)}.${Buffer.from(random.uuid()).toString("hex")}`,
        namespace,
      },
      involvedObject: {
        apiVersion,
        kind,
        name,
        namespace,
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      },
      type,
      reason,
      message: message.slice(0, MAX_MESSAGE),
      count: 1,
      firstTimestamp: time,
      lastTimestamp: time,
      source: { component: COMPONENT },
      reportingComponent: COMPONENT,
      reportingInstance: COMPONENT,
    };
  }
}

/** Names have 253 characters at most, and each of their parts ends in a letter or digit. */
function prefixOf(name: string): string {
  return name.slice(0, MAX_PREFIX).replace(/[^a-z0-9]+$/, "");
}
