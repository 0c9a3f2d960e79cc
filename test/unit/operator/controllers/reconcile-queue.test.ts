import assert from "node:assert/strict";
import { AlreadyExistsError, ConflictError, InvalidError } from "../../../../kube/errors.ts";
import { type LogFields, type Logger, silentLogger } from "../../../../lib/logger.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { reconcileQueue } from "../../../../operator/controllers/reconcile-queue.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

type Line = readonly ["debug" | "warn", string, LogFields | undefined];

describe("a controller's queue", () => {
  /** @returns what the log says when `error` is thrown for a key */
  async function linesOf(error: Error): Promise<Line[]> {
    const lines: Line[] = [];
    const logger: Logger = {
      ...silentLogger,
      debug: (message, fields) => lines.push(["debug", message, fields]),
      warn: (message, fields) => lines.push(["warn", message, fields]),
    };
    const scheduler = new VirtualScheduler();
    const queue = reconcileQueue(
      { scheduler, random: seededRandom(1), logger },
      {
        handler: () => Promise.reject(error),
        field: "topic",
        again: "looked at again",
        failed: "not reconciled",
      },
    );
    queue.add("a/b");
    await scheduler.advance(0);
    queue.stop();
    return lines;
  }

  for (const error of [
    new ConflictError(409, "Conflict", "stale"),
    new AlreadyExistsError(409, "AlreadyExists", "stale"),
  ]) {
    it(`has nothing to warn of when somebody else wrote meanwhile: ${error.name}`, async () => {
      const fields = { topic: "a/b", failures: 1, error: "stale" };
      assert.deepEqual(await linesOf(error), [["debug", "looked at again", fields]]);
    });
  }

  it("warns of any other error, by its message", async () => {
    const fields = { topic: "a/b", failures: 1, error: "no" };
    const lines = await linesOf(new InvalidError(422, "Invalid", "no"));
    assert.deepEqual(lines, [["warn", "not reconciled", fields]]);
  });
});
