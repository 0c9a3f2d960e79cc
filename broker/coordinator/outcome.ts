import type { EpochMillis, Millis } from "../../lib/units.ts";

/** The time of an event, read once at the edge: `now` monotonic for deadlines, `wall` for what records carry. */
export interface Moment {
  readonly now: Millis;
  readonly wall: EpochMillis;
}

/** A request that waits for its answer; a core keeps it for as long as the answer is not decided. */
export interface Pending<T> {
  /** Answers the request. Only the runtime calls it, and only once everything appended so far is committed (G1). */
  answer(response: T): void;
  /** Answers it with an error code instead. */
  refuse(errorCode: number): void;
}

/** An answer that was decided and is not yet sent. */
export interface Reply {
  send(): void;
  refuse(errorCode: number): void;
}

export function reply<T>(to: Pending<T>, response: T): Reply {
  return {
    send: () => {
      to.answer(response);
    },
    refuse: (errorCode) => {
      to.refuse(errorCode);
    },
  };
}

/** The answer to a request that is refused without a response of its own. */
export function refusal(to: Pending<never>, errorCode: number): Reply {
  const refuse = (code: number): void => {
    to.refuse(code);
  };
  return {
    send: () => {
      refuse(errorCode);
    },
    refuse,
  };
}

/**
 * What a core made of an event. The runtime appends `records`, replays them, calls `replayed`, and sends `replies` when
 * all that was appended is committed. When the append is refused nothing of the recorded state has moved: it calls
 * `refused`, or without one refuses every reply.
 */
export interface Outcome<R> {
  readonly records: readonly R[];
  readonly replies: readonly Reply[];
  /** State that is not recorded, brought in line after the replay. */
  readonly replayed?: ((moment: Moment) => void) | undefined;
  readonly refused?: ((errorCode: number, moment: Moment) => Outcome<R>) | undefined;
}

export const NOTHING: Outcome<never> = { records: [], replies: [] };

/** A read: one answer, no records. */
export function answer<T>(to: Pending<T>, response: T): Outcome<never> {
  return { records: [], replies: [reply(to, response)] };
}
