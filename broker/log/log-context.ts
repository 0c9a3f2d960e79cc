import type { Scheduler } from "../../lib/clock.ts";
import type { Millis } from "../../lib/units.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Arena } from "./arena.ts";
import type { Journal } from "./journal.ts";
import type { ReadBuffers } from "./read-buffers.ts";
import type { Storage } from "./storage.ts";
import type { VolumeRoom } from "./volume-room.ts";

/** What all logs of a broker share. */
export interface LogContext {
  readonly storage: Storage;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly arena: Arena;
  readonly journal: Journal;
  readonly readBuffers: ReadBuffers;
  readonly room: VolumeRoom;
  readonly trustWrittenMs: Millis;
  /** What is done now comes out of the journal and does not go into it again. */
  readonly replaying: () => boolean;
  readonly panic: (error: unknown) => never;
}
