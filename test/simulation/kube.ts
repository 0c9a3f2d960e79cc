import type { KubeApi, WatchHandle } from "../../kube/api.ts";
import { ConflictError, ServerBusyError, UnknownOutcomeError } from "../../kube/errors.ts";
import { sleep } from "../../lib/clock.ts";
import type { Random } from "../../lib/random.ts";
import { createMemoryKubeApi } from "../../local/api/memory-kube-api.ts";
import type { ObjectStore } from "../../local/api/object-store.ts";
import type { SimClock } from "./clock.ts";
import { SimWatch, type WatchConditions } from "./kube-watch.ts";
import type { SimProcess } from "./process.ts";

/** How long a call waits for an answer that does not come (kube/client.ts). */
const DEADLINE_MS = 10_000;
const QUICK_DELAY_MS = 2;
const LATE_ANSWER_MS = 3000;

/** What becomes of one call that reaches the API. */
interface Fate {
  /** It fails without effect. */
  readonly before?: Error;
  /** It takes effect, and the caller hears this. */
  readonly after?: Error;
  /** Neither the call nor its answer arrives. */
  readonly lost?: "request" | "answer";
  readonly extraMs?: number;
  /** Its answer is so late: what it says is old by then, a list's above all. */
  readonly answerMs?: number;
}

/**
 * The Kubernetes API between the one object store and each process: calls late, lost before or after they took effect,
 * refused; answers late, so that a list is older than what watches have told since; out of reach of one host or of all, where what was sent may still take effect afterwards; watches that
 * lag, stall, repeat, and break with what they have missed.
 */
export class SimKube implements WatchConditions {
  readonly #clock: SimClock;
  readonly #random: Random;
  readonly #store: ObjectStore;
  readonly #plain: KubeApi;
  readonly #away = new Map<string, number>();
  readonly #stalled = new Map<string, number>();
  readonly #watches = new Set<SimWatch>();
  readonly #slowWrites = new Map<string, number>();
  /** What is listed is answered so late: a long list takes its time where a small write is quick. */
  slowListsMs = 0;
  readonly #stateReads = new Map<SimProcess, number>();
  /** When callers give up calls that nobody will answer. */
  readonly #unanswered = new Set<{ readonly process: SimProcess; readonly givenUpAt: number }>();
  /** Of a thousand calls and events so many meet a fault. */
  faultsPerMille = 0;
  /** Longest time on the way, there or back. */
  delayMs = QUICK_DELAY_MS;

  constructor(clock: SimClock, random: Random, store: ObjectStore) {
    this.#clock = clock;
    this.#random = random;
    this.#store = store;
    // Not a process's own clock: what it has sent takes effect also when it has died meanwhile.
    this.#plain = createMemoryKubeApi({ store, scheduler: clock });
  }

  /** The API is out of reach of `host` (of everybody: "*") for `ms`. */
  cut(host: string, ms: number): void {
    this.#away.set(host, Math.max(this.#away.get(host) ?? 0, this.#clock.now() + ms));
  }

  /** The watches of `host`, or its watch of one kind, say nothing for `ms`, and then all that they have missed. */
  stall(host: string, ms: number, kind?: string): void {
    this.#stalled.set(kind === undefined ? host : `${host} ${kind}`, this.#clock.now() + ms);
  }

  /** The watches that `host` has open, or its watch of one kind, never say anything again. */
  killWatches(host: string, kind?: string): void {
    for (const watch of this.#watches) watch.dieSilently(host, kind);
  }

  /** What `host` writes within the next `ms` arrives when they are over. */
  slowWrites(host: string, ms: number): void {
    this.#slowWrites.set(host, this.#clock.now() + ms);
  }

  /** When a process sent its last list of the partitions' state that was answered; -1 if none was. */
  lastStateRead(process: SimProcess): number {
    return this.#stateReads.get(process) ?? -1;
  }

  /** Every watch breaks, and the history that they could go on from is gone. */
  restart(): void {
    this.#store.compactHistory(this.#random.below(20));
    for (const watch of [...this.#watches]) watch.fail(new Error("connection reset"));
  }

  heal(): void {
    this.#away.clear();
    this.#stalled.clear();
    this.#slowWrites.clear();
    this.slowListsMs = 0;
    this.faultsPerMille = 0;
    this.delayMs = QUICK_DELAY_MS;
  }

  /** For how long, from now, somebody waits for an answer that will not come. */
  get unansweredMs(): number {
    const waiting = [...this.#unanswered].filter(({ process }) => process.alive);
    const last = Math.max(0, ...waiting.map(({ givenUpAt }) => givenUpAt));
    return Math.max(0, last - this.#clock.now());
  }

  isAway(host: string): boolean {
    return this.awayMs(host) > 0;
  }

  /** How long the API stays out of reach of a host, from now. */
  awayMs(host: string): number {
    const until = Math.max(this.#away.get(host) ?? 0, this.#away.get("*") ?? 0);
    return Math.max(0, until - this.#clock.now());
  }

  /** How long the watches of a host stay silent, from now, or that of one kind. */
  stalledMs(host: string, kind: string): number {
    const until = Math.max(this.#stalled.get(host) ?? 0, this.#stalled.get(`${host} ${kind}`) ?? 0);
    return Math.max(0, until - this.#clock.now(), this.awayMs(host));
  }

  delay(): number {
    return 0.2 + this.#random.next() * this.delayMs;
  }

  happens(): boolean {
    return this.faultsPerMille > 0 && this.#random.below(1000) < this.faultsPerMille;
  }

  /** The API as one process reaches it. */
  of(process: SimProcess): KubeApi {
    const api = this.#plain;
    const read = <T>(effect: () => Promise<T>): Promise<T> => this.#call(process, false, effect);
    const write = <T>(effect: () => Promise<T>): Promise<T> => this.#call(process, true, effect);
    return {
      get: (resource, namespace, name) => read(() => api.get(resource, namespace, name)),
      list: (resource, namespace, options) => {
        const sentAt = this.#clock.now();
        const listed = read(async () => {
          const list = await api.list(resource, namespace, options);
          // Served from what was there when it was asked.
          if (this.slowListsMs > 0) await sleep(this.#clock, this.slowListsMs);
          return list;
        });
        return resource.plural !== "leadershipshards"
          ? listed
          : listed.then((list) => {
              this.#stateReads.set(process, Math.max(sentAt, this.lastStateRead(process)));
              return list;
            });
      },
      create: (resource, namespace, object) => {
        const sent = structuredClone(object);
        return write(() => api.create(resource, namespace, sent));
      },
      replace: (resource, namespace, object, options) => {
        const sent = structuredClone(object);
        return write(() => api.replace(resource, namespace, sent, options));
      },
      jsonPatch: (resource, namespace, name, operations, options) => {
        const sent = structuredClone(operations);
        return write(() => api.jsonPatch(resource, namespace, name, sent, options));
      },
      apply: (resource, namespace, object, manager, options) => {
        const sent = structuredClone(object);
        return write(() => api.apply(resource, namespace, sent, manager, options));
      },
      delete: (resource, namespace, name, options) =>
        write(() => api.delete(resource, namespace, name, options)),
      watch: (resource, namespace, options, handlers): WatchHandle => {
        const watch = new SimWatch(this, this.#clock, this.#random, process, resource.plural, {
          onEvent: (event) => {
            handlers.onEvent(event as Parameters<typeof handlers.onEvent>[0]);
          },
          onEnd: handlers.onEnd,
        });
        this.#watches.add(watch);
        watch.onClose = () => this.#watches.delete(watch);
        process.onEnd(() => {
          watch.close();
        });
        watch.open((inner) => api.watch(resource, namespace, options, inner));
        return watch;
      },
    };
  }

  #call<T>(process: SimProcess, write: boolean, effect: () => Promise<T>): Promise<T> {
    const clock = this.#clock;
    const random = this.#random;
    const { host } = process;
    return new Promise((resolve, reject) => {
      let settled = false;
      const settle = (action: () => void): void => {
        process.run(() => {
          if (settled) return;
          settled = true;
          deadline.cancel();
          this.#unanswered.delete(call);
          action();
        });
      };
      const lost = (): void => {
        settle(() => {
          reject(
            write
              ? new UnknownOutcomeError("no answer in time")
              : new ServerBusyError(503, "ServiceUnavailable", "no answer in time"),
          );
        });
      };
      const deadline = clock.after(DEADLINE_MS, lost);
      const call = { process, givenUpAt: clock.now() + DEADLINE_MS };
      const answer = (action: () => void): void => {
        if (this.isAway(host)) {
          if (!settled) this.#unanswered.add(call);
          return;
        }
        clock.after(this.delay() + (fate.answerMs ?? 0), () => {
          settle(action);
        });
      };
      const fate = this.#fate(write);
      const arrive = (): void => {
        if (fate.before !== undefined) {
          const { before } = fate;
          answer(() => {
            reject(before);
          });
          return;
        }
        effect().then(
          (value) => {
            if (fate.lost === "answer") return;
            answer(() => {
              if (fate.after === undefined) resolve(value);
              else reject(fate.after);
            });
          },
          (error: unknown) => {
            answer(() => {
              reject(error instanceof Error ? error : new Error(String(error)));
            });
          },
        );
      };
      // A connection that breaks is noticed at once, one that falls silent at the deadline.
      if (fate.lost !== undefined && random.next() < 0.7) {
        clock.after(50 + random.next() * 400, lost);
      }
      if (fate.lost !== undefined) this.#unanswered.add(call);
      if (fate.lost === "request") return;
      const away = this.awayMs(host);
      // What is tried while the API is away may still arrive when it is back, also after its sender has given up.
      if (away > 0 && random.next() < 0.5) {
        this.#unanswered.add(call);
        return;
      }
      const held = write ? Math.max(0, (this.#slowWrites.get(host) ?? 0) - clock.now()) : 0;
      clock.after(Math.max(away, held) + this.delay() + (fate.extraMs ?? 0), arrive);
    });
  }

  #fate(write: boolean): Fate {
    if (!this.happens()) return {};
    const busy = (code: number): Error => new ServerBusyError(code, "Unavailable", "busy", 1);
    const conflict = (): Error => new ConflictError(409, "Conflict", "somebody else was faster");
    switch (this.#random.below(write ? 9 : 5)) {
      case 0:
        return { lost: "request" };
      case 1:
        return { before: busy(503) };
      case 2:
        return { before: busy(429) };
      case 3:
        return { extraMs: this.#random.next() * 800 };
      case 4:
        return { answerMs: this.#random.next() * LATE_ANSWER_MS };
      case 5:
        return { lost: "answer" };
      case 6:
        return { before: conflict() };
      case 7:
        // A proxy has sent it twice: the second found the first.
        return { after: conflict() };
      default:
        return { after: new UnknownOutcomeError("the connection broke") };
    }
  }
}
