const SUFFIXES: Readonly<Record<string, number>> = {
  "": 1,
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/**
 * The number that a Kubernetes quantity stands for, as `10Gi`, `250m`, `1.5` or `1e3` (API reference, "Quantity"), as
 * exact as a double is; undefined for what is none.
 */
export function parseQuantity(text: string | number): number | undefined {
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d{1,3})|([A-Za-z]{0,2}))$/.exec(
    String(text),
  );
  if (match === null) return undefined;
  const [, digits = "", exponent, suffix = ""] = match;
  const factor = SUFFIXES[suffix];
  if (factor === undefined) return undefined;
  const value = Number(digits + (exponent ?? "")) * factor;
  return Number.isFinite(value) ? value : undefined;
}
