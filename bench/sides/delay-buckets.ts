import type { DelayBuckets } from "./side.ts";

/** The buckets of the event loops' delays in the metrics of brokers, added up (pure). */
export function delayBuckets(metrics: readonly string[]): DelayBuckets {
  const buckets = new Map<number, number>();
  for (const text of metrics) {
    for (const [, bound = "", count = ""] of text.matchAll(
      /^forebay_event_loop_delay_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm,
    )) {
      const seconds = bound === "+Inf" ? Infinity : Number(bound);
      buckets.set(seconds, (buckets.get(seconds) ?? 0) + Number(count));
    }
  }
  return buckets;
}

/**
 * The delay that a share of those between two looks did not exceed, in ms: the upper bound of its bucket (pure).
 * NaN when there was none.
 */
export function delayAt(share: number, before: DelayBuckets, after: DelayBuckets): number {
  const bounds = [...after.keys()].sort((a, b) => a - b);
  const between = (bound: number): number => (after.get(bound) ?? 0) - (before.get(bound) ?? 0);
  const all = between(Infinity);
  if (all === 0) return Number.NaN;
  return 1000 * (bounds.find((bound) => between(bound) >= share * all) ?? Infinity);
}
