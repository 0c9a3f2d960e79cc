/** A broken invariant of ours: never raised for input from outside. The process logs it and stops. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** Throws an InvariantError unless `condition` holds. Kept in production (docs/invariants.md). */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** For the default branch of an exhaustive switch: the compiler refuses a forgotten case. */
export function unreachable(value: never, message = "unreachable"): never {
  throw new InvariantError(`${message}: ${JSON.stringify(value)}`);
}

/** The value, or an InvariantError if it is missing: for what the surrounding code has just established. */
export function present<T>(value: T | undefined | null, message: string): T {
  if (value === undefined || value === null) throw new InvariantError(message);
  return value;
}
