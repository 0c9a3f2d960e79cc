import { Gate } from "../../lib/gate.ts";
import type { Millis } from "../../lib/units.ts";
import { AnswerMemory } from "./answer-memory.ts";
import { RequestMemory } from "./request-memory.ts";
import type { SlowClients } from "./slow-clients.ts";

/** What the connections of a listener share, or those of several, and must not have too much of (docs/memory.md). */
export interface ListenerLimits {
  readonly requests: RequestMemory;
  readonly answers: AnswerMemory;
  /** Open while records that clients send can be taken. */
  readonly intake: Gate;
  /** Monotonic. */
  readonly now: () => Millis;
  /** Of all those connections; made by the first listener. */
  slow?: SlowClients;
}

/** Without limits. */
export function unlimited(): ListenerLimits {
  return {
    requests: new RequestMemory(),
    answers: new AnswerMemory(),
    intake: new Gate(() => true),
    now: () => 0,
  };
}
