/** What the world should look like, told by clients: the reference that the cluster is compared with. */
export interface AckedRecord {
  readonly value: string;
  readonly offset: number;
  readonly at: number;
}

/** One partition as clients have seen it. */
export class PartitionModel {
  readonly topic: string;
  readonly partition: number;
  /** Every value that was ever sent here. */
  readonly sent = new Set<string>();
  readonly acked: AckedRecord[] = [];
  /** What readers were given, by offset. */
  readonly seen = new Map<number, string>();

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }
}

export class Model {
  readonly #partitions = new Map<string, PartitionModel>();
  /** Broken promises, as they are noticed. */
  onViolation: (invariant: string, message: string) => void = () => undefined;
  /** A batch was acknowledged, at a known offset. */
  onAcked: (topic: string, partition: number, baseOffset: number, count: number) => void = () =>
    undefined;
  ackedCount = 0;
  readCount = 0;

  partition(topic: string, partition: number): PartitionModel {
    const key = `${topic}-${partition}`;
    let found = this.#partitions.get(key);
    if (found === undefined) {
      found = new PartitionModel(topic, partition);
      this.#partitions.set(key, found);
    }
    return found;
  }

  partitions(): Iterable<PartitionModel> {
    return this.#partitions.values();
  }

  sent(topic: string, partition: number, values: readonly string[]): void {
    const { sent } = this.partition(topic, partition);
    for (const value of values) sent.add(value);
  }

  /** @param baseOffset -1 when the broker knew the batch already but not where */
  acked(
    topic: string,
    partition: number,
    values: readonly string[],
    baseOffset: number,
    at: number,
  ): void {
    if (baseOffset >= 0) this.onAcked(topic, partition, baseOffset, values.length);
    const model = this.partition(topic, partition);
    for (const [index, value] of values.entries()) {
      const offset = baseOffset < 0 ? -1 : baseOffset + index;
      model.acked.push({ value, offset, at });
      this.ackedCount++;
      const known = offset < 0 ? undefined : model.seen.get(offset);
      if (known !== undefined && known !== value) {
        this.onViolation("R5", `${topic}-${partition}@${offset}: acked ${value}, read ${known}`);
      }
    }
  }

  /** A committed read. */
  read(topic: string, partition: number, offset: number, value: string): void {
    const model = this.partition(topic, partition);
    this.readCount++;
    const known = model.seen.get(offset);
    if (known === undefined) {
      model.seen.set(offset, value);
      if (!model.sent.has(value)) {
        this.onViolation("R6", `${topic}-${partition}@${offset}: read ${value}, never sent`);
      }
    } else if (known !== value) {
      this.onViolation("R6", `${topic}-${partition}@${offset}: read ${value} after ${known}`);
    }
  }
}
