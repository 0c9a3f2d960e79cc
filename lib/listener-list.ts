interface Place {
  readonly listener: () => void;
  previous: Place | undefined;
  next: Place | undefined;
  /** In the list still. */
  listed: boolean;
}

/**
 * Listeners that come and go by the thousand a second (core). A Set would be made anew each time its table is full of
 * those that have gone, and a table that was left, once it is among the old objects, holds what was in it then, and what
 * hangs on that, until the next full collection. Here who goes takes nothing with him and leaves nothing behind.
 */
export class ListenerList {
  #first: Place | undefined;
  #last: Place | undefined;

  get empty(): boolean {
    return this.#first === undefined;
  }

  /** @returns how to be told no longer */
  add(listener: () => void): () => void {
    const place: Place = { listener, previous: this.#last, next: undefined, listed: true };
    if (this.#last === undefined) this.#first = place;
    else this.#last.next = place;
    this.#last = place;
    return () => {
      this.#remove(place);
    };
  }

  /** Calls all that are in it now and have not been taken out by one before them. */
  call(): void {
    const places: Place[] = [];
    for (let place = this.#first; place !== undefined; place = place.next) places.push(place);
    for (const place of places) {
      if (place.listed) place.listener();
    }
  }

  #remove(place: Place): void {
    if (!place.listed) return;
    place.listed = false;
    const { previous, next } = place;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    place.previous = undefined;
    place.next = undefined;
  }
}
