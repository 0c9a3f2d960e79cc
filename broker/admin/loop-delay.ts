import type { Metric } from "../../lib/metrics.ts";

/** What is read of Node's histogram of the event loop (`monitorEventLoopDelay`): times between two turns of a timer, in ns. */
export interface LoopHistogram {
  readonly count: number;
  readonly mean: number;
  percentile(percentile: number): number;
}

/** Upper bounds of the buckets, in ms. */
const BOUNDS_MS = [1, 2, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 200, 500, 1000, 5000];
const NS_PER_MS = 1e6;

/**
 * How late the event loop was, as a histogram of Prometheus: what any work had to wait for its turn. Node's times have the
 * timer's own period in them, which is no delay. (pure)
 * @param periodMs of the timer
 */
export function loopDelayMetric(histogram: LoopHistogram, periodMs: number): Metric {
  return {
    name: "forebay_event_loop_delay_seconds",
    help: "How late the event loop turned, garbage collection included.",
    type: "histogram",
    values: () => {
      const { count } = histogram;
      const buckets = BOUNDS_MS.map((bound) => ({
        suffix: "_bucket",
        labels: { le: String(bound / 1000) },
        value: countUpTo(histogram, (bound + periodMs) * NS_PER_MS),
      }));
      const sum = count === 0 ? 0 : count * Math.max(0, histogram.mean / NS_PER_MS - periodMs);
      return [
        ...buckets,
        { suffix: "_bucket", labels: { le: "+Inf" }, value: count },
        { suffix: "_sum", value: sum / 1000 },
        { suffix: "_count", value: count },
      ];
    },
  };
}

/** How many values are at most `bound`: the histogram itself tells only the value at a rank. */
function countUpTo(histogram: LoopHistogram, bound: number): number {
  let least = 0;
  let most = histogram.count;
  while (least < most) {
    const rank = Math.ceil((least + most) / 2);
    if (histogram.percentile((100 * rank) / histogram.count) <= bound) least = rank;
    else most = rank - 1;
  }
  return least;
}
