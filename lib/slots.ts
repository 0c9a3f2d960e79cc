/** A bounded number of pieces of work at the same time; what is urgent is begun before what waits longer. (core) */
export class Slots {
  #free: number;
  readonly #urgent: (() => void)[] = [];
  readonly #others: (() => void)[] = [];

  constructor(width: number) {
    this.#free = width;
  }

  /** Pieces of work that wait. */
  get waiting(): number {
    return this.#urgent.length + this.#others.length;
  }

  async run<T>(work: () => Promise<T>, urgent = false): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((begin) => (urgent ? this.#urgent : this.#others).push(begin));
    try {
      return await work();
    } finally {
      // Handed on, so that nobody who comes now is before those who wait.
      const next = this.#urgent.shift() ?? this.#others.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
