import type { Library } from "./libraries.ts";
import { type Outcome, scenarios, type Scenario } from "./scenarios.ts";

export interface Row {
  readonly library: Library;
  readonly outcomes: ReadonlyMap<Scenario, Outcome>;
}

const SIGNS = { ok: "✓", fail: "**✗**", "n/a": "–" };

/** A Markdown table, a line for each scenario and a column for each library, and below it the reasons of failures. */
export function matrix(rows: readonly Row[]): string {
  const shown = scenarios.filter((scenario) => rows.some(({ outcomes }) => outcomes.has(scenario)));
  const table = [
    ["", ...rows.map(({ library }) => `${library.name} ${library.version}`)],
    ["---", ...rows.map(() => ":-:")],
    ...shown.map((scenario) => [
      scenario,
      ...rows.map(({ outcomes }) => {
        const outcome = outcomes.get(scenario);
        return outcome === undefined ? "" : SIGNS[outcome.result];
      }),
    ]),
  ];
  const lines = table.map((cells) => `| ${cells.join(" | ")} |`);
  return [...lines, ...reasons(rows)].join("\n");
}

function reasons(rows: readonly Row[]): string[] {
  return rows.flatMap(({ library, outcomes }) =>
    [...outcomes]
      .filter(([, { result }]) => result === "fail")
      .map(
        ([scenario, { reason = "" }]) =>
          `\n${library.name}, ${scenario}: ${reason.replaceAll(/\s+/g, " ")}`,
      ),
  );
}
