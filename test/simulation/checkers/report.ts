/** A broken invariant, by its number in docs/invariants.md, or `liveness`. */
export type Report = (invariant: string, message: string) => void;
