import { median } from "../../../bench/scenarios/median.ts";
import type { ApiWrites } from "./api-writes.ts";

export interface FailoverRun {
  /** Longest time without any acknowledgement. */
  readonly gapMs: number;
  /** Longest that one batch waited for its own. */
  readonly slowestMs: number;
  /** From the fault until all was whole again. */
  readonly seconds: number;
  /** Whether the broker that was lost was the controller. */
  readonly ofController: boolean;
  readonly writes: ApiWrites;
}

/** Lines for people: all gaps in their order, with a star for the controller's; then least, median and most of each figure. */
export function summary(name: string, runs: readonly FailoverRun[]): readonly string[] {
  const gaps = runs.map(({ gapMs, ofController }) => gapMs.toFixed(0) + (ofController ? "*" : ""));
  const kinds = [...new Set(runs.flatMap(({ writes }) => [...writes.keys()]))].sort();
  const of = (kind: string): readonly number[] => runs.map(({ writes }) => writes.get(kind) ?? 0);
  const sums = runs.map(({ writes }) => [...writes.values()].reduce((sum, one) => sum + one, 0));
  const parts = kinds
    .filter((kind) => of(kind).some((count) => count > 0))
    .map((kind) => `${kind} ${range(of(kind))}`);
  return [
    `${name}, ${runs.length} runs, min / median / max:`,
    `  without an acknowledgement ${range(runs.map(({ gapMs }) => gapMs))} ms (${gaps.join(" ")})`,
    `  a batch waited ${range(runs.map(({ slowestMs }) => slowestMs))} ms`,
    `  whole again in ${range(
      runs.map(({ seconds }) => seconds),
      1,
    )} s`,
    `  writes of our kinds until then ${range(sums)}: ${parts.join(", ")}`,
  ];
}

function range(values: readonly number[], digits = 0): string {
  return [Math.min(...values), median(values), Math.max(...values)]
    .map((value) => value.toFixed(digits))
    .join(" / ");
}
