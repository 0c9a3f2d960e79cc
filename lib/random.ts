/** A source of chance: seeded in tests and simulation, from the system at the edge. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [0, bound). */
  below(bound: number): number;
  /** A random version 4 UUID as 16 bytes. */
  uuid(): Uint8Array;
}

function randomFrom(next: () => number): Random {
  const below = (bound: number): number => Math.floor(next() * bound);
  return {
    next,
    below,
    uuid() {
      const bytes = new Uint8Array(16);
      for (let i = 0; i < 16; i++) bytes[i] = below(256);
      bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
      bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
      return bytes;
    },
  };
}

/** A deterministic generator (sfc32 started from one 32-bit seed). */
export function seededRandom(seed: number): Random {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = seed | 0;
  let d = 1;
  const step = (): number => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return (t >>> 0) / 4294967296;
  };
  for (let i = 0; i < 12; i++) step();
  return randomFrom(step);
}

/** The system's generator; for edges only. */
export const systemRandom: Random = randomFrom(() => {
  const word = new Uint32Array(1);
  crypto.getRandomValues(word);
  return (word[0] ?? 0) / 4294967296;
});
