import type { QuotaLimits } from "../../cluster/client-quota.ts";
import { HOUR, type Bytes, type Millis } from "../../lib/units.ts";
import type { FoundQuota, QuotaClient, QuotaTable } from "./quota-table.ts";
import { TokenBucket } from "./token-bucket.ts";

/** Clients whose use is remembered; of more the one that was there least lately is forgotten. */
const MAX_BUCKETS = 10_000;
/** Nobody is told to wait longer at once. */
const MAX_THROTTLE: Millis = HOUR;
/** Milliseconds of the event loop that one percent is, a second. */
const LOOP_MS_PER_PERCENT = 10;

/**
 * What clients use of this broker, and how long they are to wait when it was more than their quotas allow (KIP-13, KIP-55,
 * KIP-124, KIP-219, KIP-612). Each broker counts for itself, as in Kafka. (core)
 */
export class ClientQuotas {
  readonly #table: QuotaTable;
  readonly #burstSeconds: number;
  /** In order of use. */
  readonly #buckets = new Map<string, TokenBucket>();

  /** @param burstSeconds how much of its quota somebody may use at once (quota.window.num × .size.seconds). */
  constructor(table: QuotaTable, burstSeconds: number) {
    this.#table = table;
    this.#burstSeconds = burstSeconds;
  }

  /** Somebody has a quota; while nobody has, nothing is to be counted. */
  get active(): boolean {
    return !this.#table.empty;
  }

  /** @returns how long the client is to wait, 0 when it need not. */
  produced(client: QuotaClient, bytes: Bytes, now: Millis): Millis {
    return this.#take("producerByteRate", this.#table.find("producerByteRate", client), bytes, now);
  }

  fetched(client: QuotaClient, bytes: Bytes, now: Millis): Millis {
    return this.#take("consumerByteRate", this.#table.find("consumerByteRate", client), bytes, now);
  }

  /** How long a client is to wait before it may fetch: it has had too much by another connection. */
  fetchDebt(client: QuotaClient, now: Millis): Millis {
    return this.#take("consumerByteRate", this.#table.find("consumerByteRate", client), 0, now);
  }

  /** Bytes that one answer to a fetch may have: what its client may have at once. */
  fetchLimit(client: QuotaClient): Bytes {
    const found = this.#table.find("consumerByteRate", client);
    return found === undefined ? Infinity : Math.max(1, found.value * this.#burstSeconds);
  }

  /** @param loopMs time of the event loop. @returns at most what comes in in a second, as in Kafka. */
  requested(client: QuotaClient, loopMs: Millis, now: Millis): Millis {
    const found = this.#table.find("requestPercentage", client);
    if (found === undefined) return 0;
    const inTime = { ...found, value: found.value * LOOP_MS_PER_PERCENT };
    return Math.min(1000, this.#take("requestPercentage", inTime, loopMs, now));
  }

  /** A connection was opened. */
  connected(ip: string, now: Millis): Millis {
    const field = "connectionCreationRate";
    return this.#take(field, this.#table.findOfIp(field, ip), 1, now);
  }

  #take(
    field: keyof QuotaLimits,
    found: FoundQuota | undefined,
    amount: number,
    now: Millis,
  ): Millis {
    if (found === undefined) return 0;
    const key = `${field} ${found.sharers}`;
    const bucket = this.#buckets.get(key) ?? new TokenBucket(found.value, this.#burstSeconds, now);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > MAX_BUCKETS) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    const wait = bucket.take(amount, found.value, this.#burstSeconds, now);
    return Math.ceil(Math.min(wait, MAX_THROTTLE));
  }
}
