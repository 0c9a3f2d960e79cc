import type { Millis } from "../../lib/units.ts";
import type { Moment, Outcome } from "./outcome.ts";

/**
 * The state machine of one partition of an internal topic. It reads no clock and does no I/O: events are methods of the
 * concrete shard that return an Outcome, and recorded state moves in `replay` only, so that the state is at any time
 * what the log says up to its end.
 */
export interface CoordinatorShard<R> {
  /** No deadline of the shard is before this moment. */
  readonly wakeAt: Millis;
  /** Applies one record, at load and after each append. */
  replay(record: R, at: Moment): void;
  /** The log has been read to its end; events may come from now on. */
  loaded(at: Moment): void;
  /** Fires what is due; each outcome stands for itself. */
  tick(at: Moment): readonly Outcome<R>[];
}

/** How a shard's records are written: whole record batches, each decoded with the offset that follows it. */
export interface RecordFormat<R> {
  encode(records: readonly R[], at: Moment): Uint8Array;
  decode(
    bytes: Uint8Array,
  ): Iterable<{ readonly records: readonly R[]; readonly nextOffset: number }>;
}
