import type { Offset } from "../types.ts";

/** How far one log is compacted, and how far it may be. (core) */
export class CompactionState {
  /** Below it each key is there once at most. */
  cleanedOffset: Offset;
  /** The last checkpoint on stable storage says that all before it is in synced segments. */
  checkpointedOffset: Offset;
  /** Something in its segments cannot be read: it is left alone. */
  uncleanable = false;

  constructor(cleanedOffset: Offset, checkpointedOffset: Offset) {
    this.cleanedOffset = cleanedOffset;
    this.checkpointedOffset = checkpointedOffset;
  }

  /** The log was cut at `offset`, -1 for all of it: what was known of what lay behind holds no more. */
  truncated(offset: Offset): void {
    this.cleanedOffset = Math.min(this.cleanedOffset, offset);
    this.checkpointedOffset = Math.min(this.checkpointedOffset, offset);
  }
}
