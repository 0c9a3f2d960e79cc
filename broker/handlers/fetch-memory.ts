import type { Bytes } from "../../lib/units.ts";
import { CHUNK_BYTES } from "../log/read-buffers.ts";
import type { LogRead } from "../log/types.ts";
import type { AnswerMemory } from "../network/answer-memory.ts";

export const NOTHING_READ: LogRead = { parts: [], bytes: 0, release: () => undefined };

/** A read from segments whose memory is counted from before it begins until it is released. */
export async function readCounted(
  answers: AnswerMemory,
  read: () => LogRead | Promise<LogRead>,
): Promise<LogRead> {
  let counted: Bytes = CHUNK_BYTES;
  answers.hold(counted);
  try {
    const found = await read();
    // A single batch may be larger than what reads take; of nothing nothing is kept.
    const held = found.bytes === 0 ? 0 : Math.max(CHUNK_BYTES, found.bytes);
    if (held > counted) answers.hold(held - counted);
    else if (held < counted) answers.giveBack(counted - held);
    counted = held;
    return {
      parts: found.parts,
      bytes: found.bytes,
      release: () => {
        found.release();
        answers.giveBack(held);
      },
    };
  } catch (error) {
    answers.giveBack(counted);
    throw error;
  }
}
