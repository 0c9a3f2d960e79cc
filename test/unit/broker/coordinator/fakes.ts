import type { Scheduler, Timer } from "../../../../lib/clock.ts";
import { concatBytes } from "../../../../lib/bytes.ts";
import type { Moment, Pending, Reply } from "../../../../broker/coordinator/outcome.ts";
import type { RecordFormat } from "../../../../broker/coordinator/coordinator-shard.ts";
import {
  decodeRecord,
  encodeKey,
  encodeValue,
} from "../../../../broker/coordinator/group/group-records.ts";
import type { GroupRecord } from "../../../../broker/coordinator/group/group-metadata.ts";
import { ProtocolError } from "../../../../broker/errors.ts";
import type { HostedPartition } from "../../../../broker/replication/types.ts";

/** Virtual time: nothing happens but in `advance` and `settle`. */
export class FakeScheduler implements Scheduler {
  #now = 0;
  #timers: { at: number; callback: () => void }[] = [];
  #soon: (() => void)[] = [];
  now = (): number => this.#now;
  wallNow = (): number => 1_700_000_000_000 + this.#now;
  after(delay: number, callback: () => void): Timer {
    const timer = { at: this.#now + delay, callback };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((each) => each !== timer)) };
  }
  soon(callback: () => void): void {
    this.#soon.push(callback);
  }
  /** Runs promises and deferred callbacks until nothing is left to run. */
  async settle(): Promise<void> {
    for (let round = 0; round < 6; round++) {
      for (let i = 0; i < 6; i++) await Promise.resolve();
      const due = this.#soon;
      this.#soon = [];
      for (const callback of due) callback();
    }
  }
  async advance(by: number): Promise<void> {
    const end = this.#now + by;
    for (;;) {
      const next = this.#timers.filter((each) => each.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next.at);
      this.#timers = this.#timers.filter((each) => each !== next);
      next.callback();
      await this.settle();
    }
    this.#now = end;
    await this.settle();
  }
}

/** Length-prefixed real keys and values; the log stamps the base offset. */
export const testFormat: RecordFormat<GroupRecord> = {
  encode(records) {
    const parts: Uint8Array[] = [new Uint8Array(8)];
    for (const record of records) {
      for (const bytes of [encodeKey(record), encodeValue(record)]) {
        const length = new Uint8Array(4);
        new DataView(length.buffer).setInt32(0, bytes?.length ?? -1);
        parts.push(length, bytes ?? new Uint8Array(0));
      }
    }
    const batch = concatBytes(parts);
    new DataView(batch.buffer).setInt32(4, records.length);
    return batch;
  },
  *decode(batch) {
    const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
    let at = 8;
    const next = (): Uint8Array | null => {
      const length = view.getInt32(at);
      const from = at + 4;
      at = from + Math.max(0, length);
      return length < 0 ? null : batch.slice(from, at);
    };
    const records: GroupRecord[] = [];
    const count = view.getInt32(4);
    for (let i = 0; i < count; i++) {
      const key = next() ?? new Uint8Array(0);
      const record = decodeRecord(key, next());
      if (record !== undefined) records.push(record);
    }
    yield { records, nextOffset: view.getInt32(0) + count };
  },
};

/** A partition over a list of batches; commits when told. */
export class FakePartition {
  readonly topic = "__consumer_offsets";
  readonly partition: number;
  leaderEpoch: number;
  isLeader = true;
  highWatermark: number;
  batches: { base: number; count: number; bytes: Uint8Array }[];
  refuseWith: number | undefined;
  #waits: { offset: number; resolve: () => void; reject: (error: Error) => void }[] = [];
  /** Reads wait for it when set. */
  gate: Promise<void> | undefined;

  constructor(partition: number, leaderEpoch: number, batches: FakePartition["batches"] = []) {
    this.partition = partition;
    this.leaderEpoch = leaderEpoch;
    this.batches = [...batches];
    this.highWatermark = this.end;
  }
  get end(): number {
    const last = this.batches.at(-1);
    return last === undefined ? 0 : last.base + last.count;
  }
  get hosted(): HostedPartition {
    return this as unknown as HostedPartition;
  }
  get log(): unknown {
    return {
      logStartOffset: 0,
      logEndOffset: this.end,
      read: async (offset: number) => {
        await this.gate;
        const batch = this.batches.find((each) => each.base + each.count > offset);
        return {
          parts: batch === undefined ? [] : [batch.bytes],
          bytes: 0,
          release: () => undefined,
        };
      },
    };
  }
  append(bytes: Uint8Array): {
    baseOffset: number;
    lastOffset: number;
    duplicate: boolean;
    logAppendTime: number;
  } {
    if (this.refuseWith !== undefined) throw new ProtocolError(this.refuseWith);
    const copy = bytes.slice();
    const view = new DataView(copy.buffer);
    const base = this.end;
    view.setInt32(0, base);
    const count = view.getInt32(4);
    this.batches.push({ base, count, bytes: copy });
    return { baseOffset: base, lastOffset: base + count - 1, duplicate: false, logAppendTime: -1 };
  }
  committed(offset: number): Promise<void> {
    if (this.highWatermark > offset) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waits.push({ offset, resolve, reject }));
  }
  commit(): void {
    this.highWatermark = this.end;
    for (const wait of this.#waits) wait.resolve();
    this.#waits = [];
  }
  failCommits(errorCode: number): void {
    for (const wait of this.#waits) wait.reject(new ProtocolError(errorCode));
    this.#waits = [];
  }
  records(): GroupRecord[] {
    return this.batches.flatMap(({ bytes }) =>
      [...testFormat.decode(bytes)].flatMap((each) => each.records),
    );
  }
}

/** A request whose answer is kept. */
export class Asked<T> implements Pending<T> {
  answered: T | undefined;
  refused: number | undefined;
  answer(response: T): void {
    this.answered = response;
  }
  refuse(errorCode: number): void {
    this.refused = errorCode;
  }
}

export function sendAll(replies: readonly Reply[]): void {
  for (const each of replies) each.send();
}

export function moment(now: number): Moment {
  return { now, wall: 1_700_000_000_000 + now };
}
