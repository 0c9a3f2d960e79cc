/** An inclusive range of a message's versions; empty when `from` is above `to`. */
export interface Versions {
  readonly from: number;
  readonly to: number;
}

const LAST_VERSION = 32767;

/** "4-18", "3+", "0" or "none", as Kafka's schemas write them. */
export function versions(text: string): Versions {
  if (text === "none") return { from: 1, to: 0 };
  const match = /^(\d+)(\+|-(\d+))?$/.exec(text);
  if (match === null) throw new Error(`bad versions: ${text}`);
  const from = Number(match[1]);
  const to = match[2] === undefined ? from : match[2] === "+" ? LAST_VERSION : Number(match[3]);
  return { from, to };
}

export function inVersions(range: Versions | undefined, version: number): boolean {
  return range !== undefined && version >= range.from && version <= range.to;
}
