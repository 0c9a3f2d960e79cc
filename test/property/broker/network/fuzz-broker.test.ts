import assert from "node:assert/strict";
import fc from "fast-check";
import { apiByKey } from "../../../../broker/protocol/api-versions.ts";
import { ErrorCode, errorName } from "../../../../broker/protocol/error-codes.ts";
import { decodeResponse } from "../../../../broker/protocol/headers.ts";
import {
  metadataRequest,
  metadataResponse,
} from "../../../../broker/protocol/messages/metadata.ts";
import { topics } from "../../../../cluster/resources.ts";
import { present } from "../../../../lib/assert.ts";
import type { LogFields, Logger } from "../../../../lib/logger.ts";
import {
  type InProcessCluster,
  startInProcessCluster,
} from "../../../support/in-process-cluster.ts";
import { freePorts } from "../../../support/local-cluster.ts";
import { mutate, mutation } from "../../../support/mutations.ts";
import { framed, RawConnection } from "../../../support/raw-connection.ts";
import { recordedFrames } from "../../../support/recorded-frames.ts";
import { runs } from "../../../support/runs.ts";

const CASES = 3000;
// No more: connections are accepted one at a time, between two requests of each that is open.
const AT_ONCE = 8;
/** A request may be one that waits: it does when so many later ones of another connection have been answered. */
const LATER_REQUESTS = 40;
/** Of a request's header: key, version and correlation id stay, so that handlers are reached. */
const KEPT_BYTES = 8;

/** Errors that the broker logs: faults of its own. */
class Errors implements Logger {
  readonly lines: string[] = [];
  error(message: string, fields?: LogFields): void {
    this.lines.push(`${message} ${JSON.stringify(fields)}`);
  }
  warn(): void {
    return undefined;
  }
  info(): void {
    return undefined;
  }
  debug(): void {
    return undefined;
  }
  child(): Logger {
    return this;
  }
}

/** The answer, or that there was none when the later requests were answered. */
async function answerOf(
  connection: RawConnection,
  other: RawConnection,
): Promise<Uint8Array | "closed" | "waiting"> {
  let answer: Uint8Array | "closed" | "waiting" = "waiting";
  const frame = connection.frame().then(
    (bytes) => {
      answer = bytes;
    },
    () => {
      answer = "closed";
    },
  );
  for (let i = 0; i < LATER_REQUESTS && answer === "waiting"; i++) {
    await other.ask(metadataRequest, metadataResponse, 9, { topics: [] });
  }
  const found = answer;
  connection.destroy();
  await frame;
  return found;
}

/** Every error code of an answer, wherever it is. */
function errorCodes(value: unknown, found: Set<number> = new Set()): Set<number> {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return found;
  for (const [name, one] of Object.entries(value)) {
    if (name === "errorCode") found.add(one as number);
    else errorCodes(one, found);
  }
  return found;
}

describe("fuzzing a broker", function () {
  this.timeout(120_000);
  const errors = new Errors();
  const frames = recordedFrames();
  let cluster: InProcessCluster;
  let port: number;

  before(async () => {
    const basePort = await freePorts(60);
    port = basePort;
    cluster = await startInProcessCluster({
      brokers: 1,
      basePort,
      logger: errors,
      config: { "offsets.topic.num.partitions": "2" },
    });
    await cluster.kube.create(topics, "default", {
      apiVersion: "forebay.dev/v1alpha1",
      kind: "Topic",
      metadata: { name: "recorded" },
      spec: { cluster: "test", partitions: 4 },
    });
  });

  after(() => cluster.stop());

  it(`${CASES} changed requests: answered in the protocol or refused, never by a fault`, async () => {
    const changes = fc.array(mutation, { minLength: 0, maxLength: 3, size: "max" });
    const { numRuns = CASES, seed = 1 } = runs(CASES);
    const cases = fc.sample(fc.tuple(fc.nat(frames.length - 1), changes), { numRuns, seed });
    const seen = { answered: 0, closed: 0, waiting: 0 };
    const one = async (
      i: number,
      list: (typeof cases)[number][1],
      other: RawConnection,
    ): Promise<void> => {
      const { frame, apiKey, version } = present(frames[i], "a recorded frame");
      const rest = list.reduce(mutate, frame.subarray(KEPT_BYTES));
      const connection = await RawConnection.open(port);
      connection.write(framed(frame.subarray(0, KEPT_BYTES), rest));
      const answer = await answerOf(connection, other);
      if (typeof answer === "string") {
        seen[answer]++;
        return;
      }
      seen.answered++;
      const api = present(apiByKey(apiKey), "an API");
      const { correlationId, value } = decodeResponse(api.response, version, answer);
      assert.equal(correlationId, Buffer.from(frame).readInt32BE(4));
      for (const code of errorCodes(value)) {
        assert.notEqual(code, ErrorCode.UNKNOWN_SERVER_ERROR, `${api.name} ${version}`);
        assert(!errorName(code).startsWith("ERROR_"), `${api.name} ${version}: code ${code}`);
      }
    };
    const queue = cases.values();
    const worker = async (): Promise<void> => {
      const other = await RawConnection.open(port);
      for (const [i, list] of queue) await one(i, list, other);
      other.destroy();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    assert.deepEqual(errors.lines, []);
    assert(seen.answered > numRuns / 4 && seen.closed > numRuns / 20, JSON.stringify(seen));
  });

  it("it goes on after all that", async () => {
    const connection = await RawConnection.open(port);
    const { brokers } = await connection.ask(metadataRequest, metadataResponse, 9, { topics: [] });
    assert.equal(brokers.length, 1);
    connection.destroy();
  });
});
