import type { KubeApi, WatchHandle, WatchHandlers } from "../../kube/api.ts";
import { ServerBusyError, UnknownOutcomeError } from "../../kube/errors.ts";
import type { Random } from "../../lib/random.ts";
import {
  createMemoryKubeApi,
  type KubeCall,
  type KubeFault,
} from "../../local/api/memory-kube-api.ts";
import type { ObjectStore } from "../../local/api/object-store.ts";
import type { SimClock } from "./clock.ts";
import type { SimProcess } from "./process.ts";

/** How long a call waits for an answer that does not come. */
const DEADLINE_MS = 3000;
/** How far a watch may lag when it stalls. */
const STALL_SPREAD_MS = 1500;

/**
 * The Kubernetes API between the one object store and each process: late, lost before or after it took effect, busy,
 * and away from a host or from all. Watches of a host that cannot reach it hang, and go on or break when it can.
 */
export class SimKube {
  readonly #clock: SimClock;
  readonly #random: Random;
  readonly #store: ObjectStore;
  readonly #away = new Map<string, number>();
  /** Of a thousand calls so many are lost, busy, or answered after they were lost. */
  faultsPerMille = 0;
  /** Longest time on the way, there or back. */
  delayMs = 2;

  constructor(clock: SimClock, random: Random, store: ObjectStore) {
    this.#clock = clock;
    this.#random = random;
    this.#store = store;
  }

  /** The API is out of reach of `host` (of everybody: "*") for `ms`. */
  cut(host: string, ms: number): void {
    this.#away.set(host, Math.max(this.#away.get(host) ?? 0, this.#clock.now() + ms));
  }

  heal(): void {
    this.#away.clear();
    this.faultsPerMille = 0;
    this.delayMs = 2;
  }

  isAway(host: string): boolean {
    return this.#until(host) > this.#clock.now();
  }

  /** The API as one process reaches it. */
  of(process: SimProcess): KubeApi {
    const inner = createMemoryKubeApi({
      store: this.#store,
      // Not the process's own clock: what it has sent takes effect also when it has died meanwhile.
      scheduler: this.#clock,
      fault: (call) => this.#fault(process.host, call),
    });
    return {
      get: (resource, namespace, name) => process.gate(inner.get(resource, namespace, name)),
      list: (resource, namespace, options) =>
        process.gate(inner.list(resource, namespace, options)),
      create: (resource, namespace, object) =>
        process.gate(inner.create(resource, namespace, object)),
      replace: (resource, namespace, object, options) =>
        process.gate(inner.replace(resource, namespace, object, options)),
      jsonPatch: (resource, namespace, name, operations, options) =>
        process.gate(inner.jsonPatch(resource, namespace, name, operations, options)),
      apply: (resource, namespace, object, manager, options) =>
        process.gate(inner.apply(resource, namespace, object, manager, options)),
      delete: (resource, namespace, name, options) =>
        process.gate(inner.delete(resource, namespace, name, options)),
      watch: (resource, namespace, options, handlers): WatchHandle => {
        const handle = inner.watch(resource, namespace, options, gated(process, handlers));
        process.onEnd(() => {
          handle.close();
        });
        return handle;
      },
    };
  }

  #until(host: string): number {
    return Math.max(this.#away.get(host) ?? 0, this.#away.get("*") ?? 0);
  }

  #fault(host: string, call: KubeCall): KubeFault | undefined {
    const random = this.#random;
    const delayMs = 0.2 + random.next() * this.delayMs;
    const away = this.#until(host) - this.#clock.now();
    if (call.verb === "watch") {
      if (away > 0) {
        // A silent connection: what it carries comes when the API is back, or the watch breaks then.
        const broken = random.next() < 0.5;
        return {
          delayMs: away + delayMs,
          ...(broken ? { before: new UnknownOutcomeError("watch lost") } : {}),
        };
      }
      if (this.#happens()) return { delayMs: random.next() * STALL_SPREAD_MS };
      return { delayMs };
    }
    if (away > 0) {
      // The delay counts before the effect and before the answer.
      const lost = new UnknownOutcomeError("no answer in time");
      return { delayMs: DEADLINE_MS / 2, before: lost };
    }
    if (!this.#happens()) return { delayMs };
    const kind = random.below(4);
    if (kind === 0) return { delayMs, after: new UnknownOutcomeError("answer lost") };
    if (kind === 1) return { delayMs, before: new UnknownOutcomeError("request lost") };
    if (kind === 2) return { delayMs, before: new ServerBusyError(503, "Unavailable", "busy", 1) };
    return { delayMs: delayMs + random.next() * 400 };
  }

  #happens(): boolean {
    return this.faultsPerMille > 0 && this.#random.below(1000) < this.faultsPerMille;
  }
}

function gated<T>(process: SimProcess, handlers: WatchHandlers<T>): WatchHandlers<T> {
  return {
    onEvent: (event) => {
      process.run(() => {
        handlers.onEvent(event);
      });
    },
    onEnd: (error) => {
      process.run(() => {
        handlers.onEnd(error);
      });
    },
  };
}
