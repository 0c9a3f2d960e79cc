/**
 * A line of those who wait until something has room again, first come, first served. Whoever is let through takes some
 * of the room at once, so no more pass than there is room for. (core)
 */
export class Gate {
  readonly #hasRoom: () => boolean;
  readonly #waiting = new Set<() => void>();

  constructor(hasRoom: () => boolean) {
    this.#hasRoom = hasRoom;
  }

  get open(): boolean {
    return this.#hasRoom();
  }
  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Calls `pass` once, when it is this one's turn, unless the returned function was called before. */
  wait(pass: () => void): () => void {
    // Who waits twice has two places.
    const place = (): void => {
      pass();
    };
    this.#waiting.add(place);
    return () => this.#waiting.delete(place);
  }

  /** Room was given back: lets pass who may. */
  wake(): void {
    for (const pass of this.#waiting) {
      if (!this.#hasRoom()) return;
      this.#waiting.delete(pass);
      pass();
    }
  }
}
