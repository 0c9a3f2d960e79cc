import { DamagedError } from "../../broker/log/damage.ts";
import type { PartitionLog } from "../../broker/log/types.ts";
import { type BatchHeader, iterateBatches } from "../../broker/protocol/record-batch.ts";
import { LogMatching, type ObservedBatch } from "./checkers/log-matching.ts";
import { checkRecovered } from "./checkers/recovery.ts";
import type { Report } from "./checkers/report.ts";
import type { SimBroker } from "./cluster.ts";
import type { SimProcess } from "./process.ts";

/** What one replica holds, as its appends and truncations were seen. It outlives the process that made them. */
export class ReplicaLog {
  readonly where: string;
  readonly brokerId: number;
  batches: ObservedBatch[] = [];
  /** Cut off, but a crash may bring them back until the truncation has been promised. */
  ghosts: ObservedBatch[] = [];
  /** The product's log of the newest process that had it. */
  log: PartitionLog;
  process: SimProcess;
  /** The volume was given up, with what is left of the log on it. */
  disowned = false;

  constructor(where: string, brokerId: number, log: PartitionLog, process: SimProcess) {
    this.where = where;
    this.brokerId = brokerId;
    this.log = log;
    this.process = process;
  }

  /** All before it survives any crash, as the process says or said last (L1). */
  get stableOffset(): number {
    return this.log.stableOffset;
  }

  get endOffset(): number {
    return (this.batches.at(-1)?.lastOffset ?? -1) + 1;
  }

  /** The batch that begins at an offset. */
  at(baseOffset: number): ObservedBatch | undefined {
    const found = this.holding(baseOffset);
    return found?.baseOffset === baseOffset ? found : undefined;
  }

  /** The batch that has an offset. */
  holding(offset: number): ObservedBatch | undefined {
    let low = 0;
    let high = this.batches.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const batch = this.batches[middle];
      if (batch === undefined || batch.baseOffset > offset) high = middle - 1;
      else if (batch.lastOffset < offset) low = middle + 1;
      else return batch;
    }
    return undefined;
  }
}

/**
 * Sees every append, truncation and recovery of every replica, by standing before the methods of the brokers' logs. What
 * it has seen is what the checkers of C3, R2, R5, R6 and L1 compare with.
 */
export class ReplicaObserver {
  readonly #report: Report;
  readonly #matching: LogMatching;
  readonly #replicas = new Map<string, ReplicaLog>();
  readonly #hooked = new WeakSet<object>();

  constructor(report: Report) {
    this.#report = report;
    this.#matching = new LogMatching(report);
  }

  /** @param where `topicId/partition` */
  replica(where: string, brokerId: number): ReplicaLog | undefined {
    const found = this.#replicas.get(`${where}@${String(brokerId)}`);
    return found?.disowned === true ? undefined : found;
  }

  /**
   * Takes notice of the logs that a broker has opened since the last look: to be called after each step that it took.
   * @returns a promise when some were found, resolved once their content is known; no time may pass until then.
   */
  look(one: SimBroker): Promise<void> | undefined {
    const { broker, process, id } = one;
    const { logs } = broker ?? {};
    if (logs === undefined || !process.alive) return undefined;
    if (!this.#hooked.has(logs)) {
      this.#hooked.add(logs);
      const remove = logs.delete.bind(logs);
      logs.delete = async (topicId, partition) => {
        const key = `${topicId}/${String(partition)}@${String(id)}`;
        const replica = this.#replicas.get(key);
        // Until it is gone a crash may leave it, and what was damaged of it stays damaged.
        if (replica !== undefined) replica.disowned = true;
        await remove(topicId, partition);
        if (this.#replicas.get(key) === replica) this.#replicas.delete(key);
      };
    }
    const found = [...logs.logs].filter((log) => !this.#hooked.has(log));
    return found.length === 0 ? undefined : this.#found(one, found);
  }

  /** A volume was exchanged for an empty one. */
  forget(brokerId: number): void {
    for (const [key, replica] of this.#replicas) {
      if (replica.brokerId === brokerId) this.#replicas.delete(key);
    }
  }

  /** A broker takes its volume for a new one: nothing need be there any more, but what is was there before. */
  disown(brokerId: number): void {
    for (const replica of this.#replicas.values()) {
      if (replica.brokerId === brokerId) replica.disowned = true;
    }
  }

  /** What logs hold when they are first seen. The volume answers at once meanwhile, so no time passes. */
  async #found(one: SimBroker, logs: readonly PartitionLog[]): Promise<void> {
    one.storage.setInstant(true);
    for (const log of logs) {
      const { topicId, partition } = log.identity;
      const where = `${topicId}/${String(partition)}`;
      const key = `${where}@${String(one.id)}`;
      const former = this.#replicas.get(key);
      const replica = new ReplicaLog(where, one.id, log, one.process);
      this.#replicas.set(key, replica);
      this.#hooked.add(log);
      try {
        await this.#readBack(replica, log, former);
      } catch (error) {
        this.#report("L2", `${this.#name(replica)} cannot be read after a start: ${String(error)}`);
      }
      this.#hook(replica, log);
      if (former === undefined || former.disowned) continue;
      checkRecovered(this.#name(replica), former, replica, this.#report);
    }
    one.storage.setInstant(false);
  }

  async #readBack(
    replica: ReplicaLog,
    log: PartitionLog,
    former: ReplicaLog | undefined,
  ): Promise<void> {
    let offset = log.logStartOffset;
    const end = log.logEndOffset;
    while (offset < end) {
      const known = former?.holding(offset);
      try {
        const read = await log.read(offset, 1 << 22, end, true);
        for (const part of read.parts) this.#take(replica, iterateBatches(part));
        read.release();
      } catch (error) {
        // It is there and cannot be read until it is repaired; what it was the former process knew.
        if (!(error instanceof DamagedError) || known === undefined) throw error;
        const { baseOffset, lastOffset, leaderEpoch, crc } = known;
        this.#push(replica, { baseOffset, lastOffset, leaderEpoch, crc });
      }
      if (replica.endOffset <= offset) {
        this.#report("L2", `${this.#name(replica)} has nothing at ${String(offset)}`);
        return;
      }
      offset = replica.endOffset;
    }
  }

  #hook(replica: ReplicaLog, log: PartitionLog): void {
    const appendAsLeader = log.appendAsLeader.bind(log);
    const appendAsFollower = log.appendAsFollower.bind(log);
    const truncateTo = log.truncateTo.bind(log);
    const truncateFullyAndStartAt = log.truncateFullyAndStartAt.bind(log);
    log.appendAsLeader = (records, leaderEpoch, origin) => {
      const result = appendAsLeader(records, leaderEpoch, origin);
      if (result.duplicate) return result;
      let baseOffset = result.baseOffset;
      for (const batch of iterateBatches(records)) {
        this.#add(replica, baseOffset, leaderEpoch, batch);
        baseOffset += batch.lastOffsetDelta + 1;
      }
      return result;
    };
    log.appendAsFollower = (records) => {
      const batches = [...iterateWhole(records)];
      try {
        return appendAsFollower(records);
      } finally {
        const end = log.logEndOffset;
        this.#take(
          replica,
          batches.filter((batch) => batch.lastOffset < end),
        );
      }
    };
    log.truncateTo = (offset) => this.#cut(replica, offset, truncateTo(offset));
    log.truncateFullyAndStartAt = (offset) =>
      this.#cut(replica, 0, truncateFullyAndStartAt(offset));
  }

  async #cut(replica: ReplicaLog, offset: number, promised: Promise<void>): Promise<void> {
    const cut = replica.batches.filter((batch) => batch.lastOffset >= offset);
    replica.batches = replica.batches.filter((batch) => batch.lastOffset < offset);
    replica.ghosts.push(...cut);
    await promised;
    replica.ghosts = replica.ghosts.filter((ghost) => !cut.includes(ghost));
  }

  #take(replica: ReplicaLog, batches: Iterable<BatchHeader>): void {
    for (const batch of batches) {
      if (batch.baseOffset < replica.endOffset) continue;
      this.#add(replica, batch.baseOffset, batch.partitionLeaderEpoch, batch);
    }
  }

  #add(replica: ReplicaLog, baseOffset: number, leaderEpoch: number, batch: BatchHeader): void {
    const { lastOffsetDelta, crc } = batch;
    this.#push(replica, { baseOffset, lastOffset: baseOffset + lastOffsetDelta, leaderEpoch, crc });
  }

  #push(replica: ReplicaLog, batch: Omit<ObservedBatch, "chain">): void {
    const before = replica.batches.at(-1);
    replica.batches.push(
      this.#matching.appended(replica.where, this.#name(replica), before, batch),
    );
  }

  #name({ log, brokerId }: ReplicaLog): string {
    return `${log.identity.topic}-${String(log.identity.partition)} on broker-${String(brokerId)}`;
  }
}

/** The batches of a fetch, but for one that is cut short at the end. */
function* iterateWhole(records: Uint8Array): Generator<BatchHeader> {
  try {
    yield* iterateBatches(records);
  } catch {
    // Cut short.
  }
}
