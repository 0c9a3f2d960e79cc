import type { WatchEvent, WatchHandle, WatchHandlers } from "../../kube/api.ts";
import { GoneError } from "../../kube/errors.ts";
import type { KubeObject } from "../../kube/objects.ts";
import type { Random } from "../../lib/random.ts";
import type { SimClock } from "./clock.ts";
import type { SimProcess } from "./process.ts";

/** How far a watch may lag when one of its events is late. */
const LATE_SPREAD_MS = 1500;
/** After so long without anything a client gives a watch up (kube/client.ts). */
const INACTIVITY_MS = 90_000;
/** Versions of each object that a watch may repeat. */
const REPEATED_VERSIONS = 3;

/** What a watch has to know of the API's condition. */
export interface WatchConditions {
  /** How long the API stays out of reach of a host, from now. */
  awayMs(host: string): number;
  /** How long the watches of a host stay silent, from now, or that of one kind. */
  stalledMs(host: string, kind: string): number;
  delay(): number;
  /** Whether this event meets a fault. */
  happens(): boolean;
}

/** One watch on its way to a process: in order, but late, repeated, or broken. */
export class SimWatch implements WatchHandle {
  readonly #kube: WatchConditions;
  readonly #clock: SimClock;
  readonly #random: Random;
  readonly #process: SimProcess;
  /** Plural of what it watches. */
  readonly #kind: string;
  readonly #handlers: WatchHandlers<KubeObject>;
  readonly #versions = new Map<string, WatchEvent<KubeObject>[]>();
  #inner: WatchHandle | undefined;
  #lastDue = 0;
  #open = true;
  /** Its connection is dead at the other end, which does not show at this one. */
  #dead = false;
  /** It loses events, and breaks when this is over. */
  #skipping = false;
  onClose: () => void = () => undefined;

  constructor(
    kube: WatchConditions,
    clock: SimClock,
    random: Random,
    process: SimProcess,
    kind: string,
    handlers: WatchHandlers<KubeObject>,
  ) {
    this.#kube = kube;
    this.#clock = clock;
    this.#random = random;
    this.#process = process;
    this.#kind = kind;
    this.#handlers = handlers;
  }

  open(start: (inner: WatchHandlers<KubeObject>) => WatchHandle): void {
    const { host } = this.#process;
    const away = this.#kube.awayMs(host);
    // A request that gets no answer, or one that waits for the API to come back.
    if (away > 0 && this.#random.next() < 0.5) {
      this.#clock.after(100 + this.#random.next() * 2000, () => {
        this.fail(new Error("no answer"));
      });
      return;
    }
    this.#clock.after(away + this.#kube.delay(), () => {
      if (!this.#open) return;
      this.#inner = start({
        onEvent: (event) => {
          this.#arrived(event);
        },
        onEnd: (error) => {
          this.#later(() => {
            this.fail(error);
          });
        },
      });
    });
  }

  /** Of a watch of `host`, and of that kind: nothing comes of it any more, until its user has waited long enough. */
  dieSilently(host: string, kind = this.#kind): void {
    if (this.#process.host !== host || this.#kind !== kind || this.#dead) return;
    this.#dead = true;
    this.#clock.after(INACTIVITY_MS, () => {
      this.fail(new Error("nothing was heard"));
    });
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#inner?.close();
    this.onClose();
  }

  /** The watch is over, and its user hears so. */
  fail(error: Error | undefined): void {
    if (!this.#open) return;
    this.close();
    this.#process.run(() => {
      this.#handlers.onEnd(error);
    });
  }

  #arrived(event: WatchEvent<KubeObject>): void {
    if (this.#skipping || this.#dead) return;
    const faulty = this.#kube.happens();
    const kind = faulty ? this.#random.below(5) : -1;
    if (kind === 0) {
      this.#later(() => {
        this.fail(new Error("connection reset"));
      });
      return;
    }
    if (kind === 1) {
      this.#skipping = true;
      this.#clock.after(this.#random.next() * LATE_SPREAD_MS, () => {
        this.fail(new GoneError(410, "Expired", "too old resource version"));
      });
      return;
    }
    const repeated = kind === 2 ? this.#former(event) : [];
    this.#remember(event);
    for (const one of [...repeated, event]) {
      this.#later(
        () => {
          this.#process.run(() => {
            if (this.#open) this.#handlers.onEvent(one);
          });
        },
        kind === 3 ? this.#random.next() * LATE_SPREAD_MS : 0,
      );
    }
  }

  /** Runs something after all that came before, no sooner than a message takes. */
  #later(action: () => void, extraMs = 0): void {
    const stalled = this.#kube.stalledMs(this.#process.host, this.#kind);
    const delay = stalled + this.#kube.delay() + extraMs;
    this.#lastDue = Math.max(this.#lastDue, this.#clock.now() + delay);
    this.#clock.after(this.#lastDue - this.#clock.now(), action);
  }

  /** What the watch has already said of an object, as a server says it again that has it from an older cache. */
  #former(event: WatchEvent<KubeObject>): readonly WatchEvent<KubeObject>[] {
    if (event.type !== "MODIFIED") return [];
    return this.#versions.get(keyOf(event.object)) ?? [];
  }

  #remember(event: WatchEvent<KubeObject>): void {
    if (event.type === "BOOKMARK") return;
    const key = keyOf(event.object);
    if (event.type === "DELETED") this.#versions.delete(key);
    else {
      const versions = [...(this.#versions.get(key) ?? []), event];
      this.#versions.set(key, versions.slice(-REPEATED_VERSIONS));
    }
  }
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ""}/${metadata.name}/${metadata.uid ?? ""}`;
}
