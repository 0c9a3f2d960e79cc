import { load, type LoadResult } from "../load/generator.ts";
import { delayAt } from "../sides/delay-buckets.ts";
import type { Figures, Row } from "./row.ts";

const KIB_RECORDS = 1_000_000;
const SMALL_RECORDS = 5_000_000;
const LOOP_DELAY = "produce, loop delay p99.9 at most ms";

/**
 * `1-1024-none`, … : a topic of 12 partitions is filled and, in the same round, read from its beginning.
 * @param config of Forebay's topic
 */
function throughput(nodes: number, size: number, codec: string, config?: string): Row {
  const topic = `t${size}${codec}`;
  const common = ["-topic", topic, "-size", String(size), "-compression", codec];
  return {
    nodes,
    against: ["kafka"],
    run: async (side, scale) => {
      const records = String(Math.round((size === 1024 ? KIB_RECORDS : SMALL_RECORDS) / scale));
      const args = [...common, "-records", records];
      const configured = side.name === "forebay" && config !== undefined ? ["-config", config] : [];
      const before = await side.loopDelay?.();
      const produced = await load(side, ["-mode", "produce", "-create", ...configured, ...args]);
      const after = await side.loopDelay?.();
      const consumed = await load(side, ["-mode", "consume", ...args]);
      await load(side, ["-mode", "delete", "-topic", topic]);
      const delay = before && after ? { [LOOP_DELAY]: delayAt(0.999, before, after) } : {};
      return { ...of("produce", produced), ...delay, ...of("consume", consumed) };
    },
  };
}

function of(what: string, result: LoadResult): Figures {
  return {
    [`${what} MiB/s`]: result.mib_s ?? Number.NaN,
    [`${what} broker CPU s/GiB`]: result.broker_cpu_s_per_gib ?? Number.NaN,
  };
}

/** Records sent at a fixed rate, whatever becomes of earlier ones; from sending to reading in one process. */
function endToEnd(nodes: number, rate: number, against: Row["against"] = ["kafka"]): Row {
  const args = ["-mode", "e2e", "-create", "-topic", "e2e", "-rate", String(rate), "-linger", "0"];
  return {
    nodes,
    against,
    run: async (side, scale) => {
      const seconds = Math.max(5, Math.round(12 / scale));
      const { e2e_ms: ms, broker_cpu_s: cpu = Number.NaN } = await load(side, [
        ...args,
        "-duration",
        `${seconds}s`,
      ]);
      return {
        "p50 ms": ms?.p50 ?? Number.NaN,
        "p99 ms": ms?.p99 ?? Number.NaN,
        "p99.9 ms": ms?.["p99.9"] ?? Number.NaN,
        "broker CPU s": cpu,
      };
    },
  };
}

/** Rows whose sides stay up from round to round. */
export const STEADY_ROWS: Readonly<Record<string, Row>> = {
  "1-1024-none": throughput(1, 1024, "none"),
  "1-1024-replicated": throughput(1, 1024, "none", "forebay.durability=replicated"),
  "1-1024-lz4": throughput(1, 1024, "lz4"),
  "1-100-none": throughput(1, 100, "none"),
  "1-100-lz4": throughput(1, 100, "lz4"),
  "1-e2e-1000": endToEnd(1, 1000, ["kafka", "nats"]),
  "1-e2e-10000": endToEnd(1, 10_000, ["kafka", "nats"]),
  "3-1024-none": throughput(3, 1024, "none"),
  "3-1024-lz4": throughput(3, 1024, "lz4"),
  "3-100-none": throughput(3, 100, "none"),
  "3-e2e-1000": endToEnd(3, 1000, ["kafka", "nats"]),
  "3-e2e-10000": endToEnd(3, 10_000),
};
