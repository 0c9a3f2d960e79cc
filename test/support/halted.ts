/** Thrown by a test's `panic`: the process is to be thought dead. */
export class Halted extends Error {
  override readonly name = "Halted";
}

/**
 * Runs what may panic. A panic ends a real process; here the promises that it leaves behind reject with `Halted`, and
 * nobody is there to catch them. Any other unhandled rejection fails the test.
 */
export async function haltable<T>(work: () => Promise<T>): Promise<T> {
  const others: unknown[] = [];
  const note = (error: unknown): void => {
    if (!(error instanceof Halted)) others.push(error);
  };
  const listeners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", note);
  try {
    const result = await work();
    await new Promise((resolve) => setImmediate(resolve));
    if (others.length > 0) throw others[0];
    return result;
  } finally {
    process.off("unhandledRejection", note);
    for (const listener of listeners) process.on("unhandledRejection", listener);
  }
}
