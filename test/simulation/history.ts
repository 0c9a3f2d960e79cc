import { createHash } from "node:crypto";

/** What happened, in order: for a person, and as a hash that tells whether two runs were the same. */
export class History {
  readonly #hash = createHash("sha256");
  readonly #keep: boolean;
  readonly lines: string[] = [];
  readonly #now: () => number;

  constructor(now: () => number, keep: boolean) {
    this.#now = now;
    this.#keep = keep;
  }

  add(text: string): void {
    const line = `${this.#now().toFixed(3).padStart(10)} ${text}`;
    this.#hash.update(line);
    if (this.#keep) this.lines.push(line);
  }

  digest(): string {
    return this.#hash.copy().digest("hex").slice(0, 16);
  }
}
