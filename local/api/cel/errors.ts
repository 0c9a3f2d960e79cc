/** A place in an expression, as an index into its text. */
export type Position = number;

/** The expression is not CEL, or not the part of CEL that is supported here. Names line and column, as cel-go does. */
export class CelCompileError extends Error {
  override readonly name = "CelCompileError";

  constructor(reason: string, source: string, at: Position) {
    super(shown(reason, source, at));
  }
}

/** Evaluation of (a part of) an expression failed. `&&`, `||`, `all` and `exists` absorb it when the rest decides. */
export class CelError extends Error {
  override readonly name = "CelError";
}

/** The expression took more steps than it may. Nothing absorbs it. */
export class CelCostError extends Error {
  override readonly name = "CelCostError";
}

/** The error of a call whose arguments have types that the function is not defined for. */
export function noSuchOverload(): CelError {
  return new CelError("no such overload");
}

function shown(reason: string, source: string, at: Position): string {
  const before = source.slice(0, at).split("\n");
  const line = source.split("\n")[before.length - 1] ?? "";
  const column = before.at(-1)?.length ?? 0;
  const place = `<input>:${String(before.length)}:${String(column + 1)}`;
  return `ERROR: ${place}: ${reason}\n | ${line}\n | ${".".repeat(column)}^`;
}
