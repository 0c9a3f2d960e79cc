import type { Side, SideName } from "../sides/index.ts";

/** Figures of one run by name, the unit in it. */
export type Figures = Readonly<Record<string, number>>;

/** One line of the comparison. */
export interface Row {
  readonly nodes: number;
  readonly against: readonly Exclude<SideName, "forebay">[];
  /** @param scale divides how much is sent */
  readonly run: (side: Side, scale: number) => Promise<Figures>;
}
