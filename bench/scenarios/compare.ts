import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { load, ready } from "../load/generator.ts";
import { fetchPeers } from "../load/peer-script.ts";
import { makeSide, type Side, type SideName } from "../sides/index.ts";
import { FRESH_ROWS } from "./fresh-rows.ts";
import { median } from "./median.ts";
import type { Figures, Row } from "./row.ts";
import { STEADY_ROWS } from "./steady-rows.ts";

export const ROW_NAMES = [...Object.keys(STEADY_ROWS), ...Object.keys(FRESH_ROWS)];

interface Options {
  readonly rounds: number;
  readonly scale: number;
}

type Found = Map<string, Map<SideName, Figures[]>>;

/**
 * Measures rows on both sides in one run, alternating: each round runs a row on one side, then on the other, and the side
 * that begins changes from round to round. Prints medians, and the median of the rounds' ratios.
 */
export async function compare(names: readonly string[], options: Options): Promise<void> {
  await fetchPeers();
  for (const name of names) {
    if (!ROW_NAMES.includes(name)) throw new Error(`no row "${name}"`);
  }
  const chosen = names.length === 0 ? ROW_NAMES : names;
  const folder = mkdtempSync(path.join(tmpdir(), "forebay-bench-"));
  const found: Found = new Map();
  try {
    for (const nodes of [1, 3]) {
      const rows = pick(STEADY_ROWS, chosen).filter(([, row]) => row.nodes === nodes);
      if (rows.length > 0) await compareSteady(nodes, rows, folder, options, found);
    }
    for (const [name, row] of pick(FRESH_ROWS, chosen)) {
      await compareFresh(name, row, folder, options, found);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  print(found, options.rounds);
}

function pick(
  rows: Readonly<Record<string, Row>>,
  names: readonly string[],
): readonly (readonly [string, Row])[] {
  return Object.entries(rows).filter(([name]) => names.includes(name));
}

/** Sides that are started once, warmed, and stay up. */
async function compareSteady(
  nodes: number,
  rows: readonly (readonly [string, Row])[],
  folder: string,
  { rounds, scale }: Options,
  found: Found,
): Promise<void> {
  const names = new Set<SideName>(["forebay", ...rows.flatMap(([, row]) => row.against)]);
  const sides = [...names].map((name) => makeSide(name, nodes, path.join(folder, name)));
  try {
    for (const side of sides) await warm(side);
    for (let round = 0; round < rounds; round++) {
      for (const side of round % 2 === 0 ? sides : [...sides].reverse()) {
        for (const [name, row] of rows) {
          if (side.name !== "forebay" && !row.against.includes(side.name)) continue;
          await writeBack();
          note(found, name, side, round, await row.run(side, scale));
        }
      }
    }
  } finally {
    for (const side of sides) await side.remove();
  }
}

/** Up, reached, and warm: a virtual machine has compiled what it will need. */
async function warm(side: Side): Promise<void> {
  await ready(side, await side.start());
  await load(side, ["-create", "-topic", "warm", "-records", "400000"]);
  await load(side, ["-mode", "consume", "-topic", "warm", "-records", "400000"]);
  await load(side, ["-mode", "delete", "-topic", "warm"]);
}

/** What a side has left in the page cache is written before the next is measured: the disk is one for all. */
async function writeBack(): Promise<void> {
  await promisify(execFile)("sync");
}

/** Each run has a cluster of its own, which the row starts. */
async function compareFresh(
  name: string,
  row: Row,
  folder: string,
  { rounds, scale }: Options,
  found: Found,
): Promise<void> {
  const names: SideName[] = ["forebay", ...row.against];
  for (let round = 0; round < rounds; round++) {
    for (const which of round % 2 === 0 ? names : [...names].reverse()) {
      const side = makeSide(which, row.nodes, path.join(folder, which));
      try {
        await writeBack();
        note(found, name, side, round, await row.run(side, scale));
      } finally {
        await side.remove();
      }
    }
  }
}

function note(found: Found, row: string, side: Side, round: number, figures: Figures): void {
  const bySide = found.get(row) ?? new Map<SideName, Figures[]>();
  found.set(row, bySide.set(side.name, [...(bySide.get(side.name) ?? []), figures]));
  const shown = Object.entries(figures).map(([name, value]) => `${name} ${rounded(value)}`);
  console.log(`  ${row} ${side.name} round ${round + 1}: ${shown.join(", ")}`);
}

function print(found: Found, rounds: number): void {
  console.log(`\n| row | figure | forebay | the other | | ratio, median of ${rounds} |`);
  console.log("|---|---|---|---|---|---|");
  for (const [row, bySide] of found) {
    const ours = bySide.get("forebay") ?? [];
    for (const [side, theirs] of bySide) {
      if (side === "forebay") continue;
      for (const figure of Object.keys(ours[0] ?? {})) {
        const mine = ours.map((one) => one[figure] ?? Number.NaN);
        const other = theirs.map((one) => one[figure] ?? Number.NaN);
        const ratios = mine.map((value, round) => value / (other[round] ?? Number.NaN));
        const cells = [
          rounded(median(mine)),
          rounded(median(other)),
          side,
          rounded(median(ratios)),
        ];
        console.log(`| ${row} | ${figure} | ${cells.join(" | ")} |`);
      }
    }
  }
}

function rounded(value: number): string {
  if (Number.isNaN(value)) return "–";
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
