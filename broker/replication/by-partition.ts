/** A map by topic id and partition, without a text made of both for each look. Iterates by topic. (core) */
export class ByPartition<T> {
  readonly #topics = new Map<string, Map<number, T>>();

  get(topicId: string, partition: number): T | undefined {
    return this.#topics.get(topicId)?.get(partition);
  }

  has(topicId: string, partition: number): boolean {
    return this.#topics.get(topicId)?.has(partition) ?? false;
  }

  set(topicId: string, partition: number, value: T): void {
    const topic = this.#topics.get(topicId);
    if (topic === undefined) this.#topics.set(topicId, new Map([[partition, value]]));
    else topic.set(partition, value);
  }

  delete(topicId: string, partition: number): void {
    const topic = this.#topics.get(topicId);
    topic?.delete(partition);
    if (topic?.size === 0) this.#topics.delete(topicId);
  }

  clear(): void {
    this.#topics.clear();
  }

  *values(): Generator<T, undefined> {
    for (const topic of this.#topics.values()) yield* topic.values();
    return undefined;
  }
}
