/** Files of the chart that are made from others, by path from the repository's root, with their text. */
export function chartFiles(): ReadonlyMap<string, string>;
/** Files of the chart whose original is no more. */
export function orphans(): readonly string[];
/** The table of values in the chart's README. */
export function valuesTable(): string;
