import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { load } from "../load/generator.ts";
import { fetchPeers } from "../load/peer-script.ts";
import { forebaySide } from "../sides/forebay-side.ts";
import { kafkaSide } from "../sides/kafka-side.ts";
import type { Side } from "../sides/side.ts";
import { median } from "./median.ts";
import { type Figures, type Row, ROWS } from "./rows.ts";

export { ROWS };

/**
 * Measures rows on both sides in one run, alternating: each round runs every row on one side, then on the other, and the
 * side that begins changes from round to round. Prints medians, and the median of the rounds' ratios.
 */
export async function compare(
  names: readonly string[],
  options: { readonly rounds: number; readonly scale: number },
): Promise<void> {
  await fetchPeers();
  const chosen = names.length === 0 ? Object.keys(ROWS) : names;
  const rows = chosen.map((name): [string, Row] => {
    const row = ROWS[name];
    if (row === undefined) throw new Error(`no row "${name}"`);
    return [name, row];
  });
  for (const nodes of [1, 3]) {
    const own = rows.filter(([, row]) => row.nodes === nodes);
    if (own.length > 0) await compareOn(nodes, own, options);
  }
}

async function compareOn(
  nodes: number,
  rows: readonly (readonly [string, Row])[],
  { rounds, scale }: { readonly rounds: number; readonly scale: number },
): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), "forebay-bench-"));
  const sides = [
    forebaySide(nodes, path.join(folder, "forebay")),
    kafkaSide(nodes, path.join(folder, "kafka")),
  ];
  const found = new Map<string, Map<string, Figures[]>>();
  try {
    for (const side of sides) await started(side);
    for (let round = 0; round < rounds; round++) {
      for (const side of round % 2 === 0 ? sides : [...sides].reverse()) {
        for (const [name, row] of rows) {
          const figures = await row.run(side, scale);
          const bySide = found.get(name) ?? new Map<string, Figures[]>();
          found.set(name, bySide.set(side.name, [...(bySide.get(side.name) ?? []), figures]));
          console.log(`  ${name} ${side.name} round ${round + 1}: ${shown(figures)}`);
        }
      }
    }
  } finally {
    for (const side of sides) await side.remove();
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(`\n| ${nodes} node(s) | figure | forebay | kafka | ratio, median of ${rounds} |`);
  console.log("|---|---|---|---|---|");
  for (const [name, bySide] of found) print(name, bySide.get("forebay"), bySide.get("kafka"));
}

/** Up, reached, and warm: a virtual machine has compiled what it will need. */
async function started(side: Side): Promise<void> {
  const since = await side.start();
  await load(side, ["-mode", "ready", "-topic", "ready", "-partitions", "1", "-since", `${since}`]);
  await load(side, ["-create", "-topic", "warm", "-records", "400000"]);
  await load(side, ["-mode", "consume", "-topic", "warm", "-records", "400000"]);
  await load(side, ["-mode", "delete", "-topic", "warm"]);
}

function print(
  name: string,
  ours: readonly Figures[] | undefined,
  theirs: readonly Figures[] | undefined,
): void {
  for (const figure of Object.keys(ours?.[0] ?? {})) {
    const mine = (ours ?? []).map((one) => one[figure] ?? Number.NaN);
    const other = (theirs ?? []).map((one) => one[figure] ?? Number.NaN);
    const ratio = median(mine.map((value, round) => value / (other[round] ?? Number.NaN)));
    console.log(
      `| ${name} | ${figure} | ${rounded(median(mine))} | ${rounded(median(other))} | ${ratio.toFixed(2)} |`,
    );
  }
}

function shown(figures: Figures): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${rounded(value)}`)
    .join(", ");
}

function rounded(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
