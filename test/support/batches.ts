import { batchAt, type BatchHeader, buildBatch } from "../../broker/protocol/record-batch.ts";

export const T0 = 1_700_000_000_000;

export interface BatchWish {
  readonly baseOffset?: number;
  readonly count?: number;
  readonly valueBytes?: number;
  readonly timestamp?: number;
  readonly timestamps?: readonly number[];
  readonly leaderEpoch?: number;
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly compression?: 0 | 1;
  readonly transactional?: boolean;
  readonly control?: boolean;
}

/** A record batch as a leader has stamped it; by default one record of ten bytes at `T0`. */
export function batchOf(wish: BatchWish = {}): Uint8Array {
  const { count = wish.timestamps?.length ?? 1, valueBytes = 10, timestamps, ...rest } = wish;
  const timestamp = wish.timestamp ?? T0;
  return buildBatch({
    leaderEpoch: 0,
    ...rest,
    records: Array.from({ length: count }, (_, i) => ({
      value: Buffer.alloc(valueBytes, (wish.baseOffset ?? 0) + i),
      timestamp: timestamps?.[i] ?? timestamp,
    })),
  });
}

export function headerOf(wish: BatchWish = {}): BatchHeader {
  return batchAt(batchOf(wish), 0);
}
