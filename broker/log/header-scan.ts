import {
  batchHeaderAt,
  batchSizeAt,
  BATCH_HEADER_BYTES,
  type BatchHeader,
} from "../protocol/record-batch.ts";

const SCAN_BYTES = 1024 * 1024;

/** The bytes that are looked through. */
export interface ScannedBytes {
  readonly written: number;
  read(position: number, into: Uint8Array): Promise<number>;
}

/**
 * The headers of the batches from `position` to the end, with what is whole of it. Checksums are not looked at.
 * @param visit ends the scan with `false`
 * @returns where it ended: behind the last whole batch, or at the one that `visit` did not want
 */
export async function scanHeaders(
  bytes: ScannedBytes,
  position: number,
  visit: (batch: BatchHeader) => boolean | undefined,
): Promise<number> {
  if (position >= bytes.written) return position;
  const buffer = new Uint8Array(Math.min(SCAN_BYTES, bytes.written - position));
  let at = position;
  for (;;) {
    const filled = await bytes.read(at, buffer);
    let within = 0;
    for (;;) {
      const size = batchSizeAt(buffer.subarray(0, filled), within);
      if (size === undefined || size < BATCH_HEADER_BYTES || filled - within < BATCH_HEADER_BYTES)
        break;
      if (at + within + size > bytes.written) return at + within;
      const header = batchHeaderAt(buffer, within, size);
      if (visit({ ...header, position: at + within }) === false) return at + within;
      within += size;
      // A batch larger than the buffer: its header was enough, go on behind it.
      if (within > filled) break;
    }
    if (within === 0) return at;
    at += within;
    if (at >= bytes.written) return at;
  }
}
