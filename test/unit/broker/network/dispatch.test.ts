import assert from "node:assert/strict";
import { ProtocolError } from "../../../../broker/errors.ts";
import { type Handler, HeldAnswer } from "../../../../broker/handlers/handler.ts";
import { type Answer, Dispatcher } from "../../../../broker/network/dispatch.ts";
import { ErrorCode } from "../../../../broker/protocol/error-codes.ts";
import { decodeResponse } from "../../../../broker/protocol/headers.ts";
import {
  apiVersionsResponse,
  type ApiVersionsResponse,
} from "../../../../broker/protocol/messages/api-versions.ts";
import { MalformedError } from "../../../../broker/protocol/reader.ts";
import { metadataResponse } from "../../../../broker/protocol/messages/metadata.ts";
import { ClientQuotas } from "../../../../broker/quotas/client-quotas.ts";
import { QuotaTable } from "../../../../broker/quotas/quota-table.ts";
import type { BrokerServices } from "../../../../broker/services.ts";
import type { QuotaLimits } from "../../../../cluster/client-quota.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";
import { InvariantError } from "../../../../lib/assert.ts";
import { concatBytes } from "../../../../lib/bytes.ts";
import { API_VERSIONS, KeptLog, METADATA, requestFrame, served, bareServices } from "./fakes.ts";

const PRODUCE = 0;
const BROKER_HEARTBEAT = 63;
const panics: unknown[] = [];

function dispatcher(handlers: Readonly<Record<number, Handler<never, unknown>>>): {
  log: KeptLog;
  dispatch: (frame: Uint8Array, listener?: string) => ReturnType<Dispatcher["dispatch"]>;
} {
  const log = new KeptLog();
  const made = new Dispatcher(served(handlers), log, (error) => {
    panics.push(error);
    throw error;
  });
  const services = bareServices();
  return {
    log,
    dispatch: (frame, listener = "plaintext") =>
      made.dispatch(frame, { services, clientHost: "192.0.2.1:1", listener }),
  };
}

function sync(answer: ReturnType<Dispatcher["dispatch"]>): Answer {
  assert.ok(answer !== undefined && !(answer instanceof Promise));
  return answer;
}

function apiVersions(answer: Answer, version: number): ApiVersionsResponse {
  return decodeResponse(apiVersionsResponse, version, concatBytes(answer.parts)).value;
}

describe("dispatch", () => {
  it("gives the handler the request as its version says, and who asks", () => {
    let seen: unknown;
    const { dispatch } = dispatcher({
      [METADATA]: (context, request, version) => {
        seen = { ...context, services: undefined, request, version };
        return {};
      },
    });
    sync(dispatch(requestFrame(METADATA, 1, 7, { topics: [{ name: "a" }] }), "internal"));
    const { topics } = (seen as { request: { topics: readonly { name: string }[] } }).request;
    assert.deepEqual(
      topics.map(({ name }) => name),
      ["a"],
    );
    assert.partialDeepStrictEqual(seen, {
      clientId: "test",
      clientHost: "192.0.2.1:1",
      listener: "internal",
      apiVersion: 1,
      version: 1,
    });
  });

  it("answers an ApiVersions from the future in version 0 with what it speaks (KIP-511)", () => {
    const { dispatch } = dispatcher({ [API_VERSIONS]: () => assert.fail("not to be called") });
    // The header of a version that is not known yet cannot be read beyond its first three fields.
    const frame = requestFrame(API_VERSIONS, 0, 77);
    new DataView(frame.buffer).setInt16(2, 99);
    const answer = sync(dispatch(frame));
    assert.equal(new DataView(concatBytes(answer.parts).buffer).getInt32(0), 77);
    const { errorCode, apiKeys } = apiVersions(answer, 0);
    assert.equal(errorCode, ErrorCode.UNSUPPORTED_VERSION);
    assert.deepEqual(
      apiKeys.map(({ apiKey, minVersion }) => [apiKey, minVersion]),
      [[API_VERSIONS, 0]],
    );
  });

  const closing: Readonly<Record<string, Uint8Array>> = {
    "an unknown API": new Uint8Array([0x7f, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff]),
    "an API that has no handler": requestFrame(PRODUCE, 3, 1),
    "a version from the future": versionOf(requestFrame(METADATA, 1, 1), 99),
    "a version below the first": versionOf(requestFrame(METADATA, 1, 1), -1),
    "a negative ApiVersions": versionOf(requestFrame(API_VERSIONS, 0, 1), -1),
    "a body cut short": requestFrame(METADATA, 1, 1, { topics: [{ name: "abc" }] }).subarray(0, 20),
    "a header cut short": new Uint8Array([0, 3, 0, 1, 0]),
    "an empty frame": new Uint8Array(0),
    "a client id beyond the frame": new Uint8Array([0, 3, 0, 1, 0, 0, 0, 1, 0x7f, 0xff]),
    "an array longer than the frame": new Uint8Array([
      0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff,
    ]),
  };
  for (const [what, frame] of Object.entries(closing)) {
    it(`closes the connection for ${what}`, () => {
      const { dispatch, log } = dispatcher({
        [METADATA]: () => assert.fail("not to be called"),
        [API_VERSIONS]: () => assert.fail("not to be called"),
      });
      assert.throws(() => dispatch(frame), MalformedError);
      assert.equal(log.lines.length, 0);
    });
  }

  it("serves what brokers say to each other on the internal listener only", () => {
    const { dispatch } = dispatcher({ [BROKER_HEARTBEAT]: () => ({}) });
    const frame = requestFrame(BROKER_HEARTBEAT, 0, 1);
    assert.throws(() => dispatch(frame, "plaintext"), MalformedError);
    sync(dispatch(frame, "internal"));
  });

  it("offers Produce from 0 but decodes it from 3 (KAFKA-18659)", () => {
    const { dispatch } = dispatcher({ [PRODUCE]: () => ({}) });
    assert.throws(() => dispatch(versionOf(requestFrame(PRODUCE, 3, 1), 2)), MalformedError);
    sync(dispatch(requestFrame(PRODUCE, 3, 1)));
  });

  it("answers a thrown refusal with its code, also when it came later, and logs nothing", async () => {
    const refusal = (): never => {
      throw new ProtocolError(ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
    };
    for (const handler of [refusal, () => Promise.resolve().then(refusal)]) {
      const { dispatch, log } = dispatcher({ [API_VERSIONS]: handler });
      const answer = await dispatch(requestFrame(API_VERSIONS, 3, 1));
      assert.ok(answer);
      assert.equal(apiVersions(answer, 3).errorCode, ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
      assert.equal(log.lines.length, 0);
    }
  });

  it("closes for a refusal in a version whose response has no error field", async () => {
    const { dispatch } = dispatcher({
      [METADATA]: () => Promise.reject(new ProtocolError(ErrorCode.UNKNOWN_SERVER_ERROR)),
    });
    await assert.rejects(async () => dispatch(requestFrame(METADATA, 1, 1)), MalformedError);
    // From version 13 on there is one (KIP-1102).
    assert.ok(await dispatch(requestFrame(METADATA, 13, 1)));
  });

  it("gives memory back when the answer cannot be encoded, and says that it failed", () => {
    let released = 0;
    const { dispatch, log } = dispatcher({
      [API_VERSIONS]: () => new HeldAnswer({ apiKeys: null }, () => released++),
    });
    const answer = sync(dispatch(requestFrame(API_VERSIONS, 0, 1)));
    assert.equal(released, 1);
    assert.equal(apiVersions(answer, 0).errorCode, ErrorCode.UNKNOWN_SERVER_ERROR);
    assert.deepEqual(
      log.lines.map((line) => line.message),
      ["request failed"],
    );
  });

  it("stops the process on a broken invariant", async () => {
    const { dispatch } = dispatcher({
      [API_VERSIONS]: () => Promise.reject(new InvariantError("R1")),
    });
    await assert.rejects(async () => dispatch(requestFrame(API_VERSIONS, 0, 1)), InvariantError);
    assert.ok(panics.pop() instanceof InvariantError);
  });
});

function versionOf(frame: Uint8Array, version: number): Uint8Array {
  const changed = frame.slice();
  new DataView(changed.buffer).setInt16(2, version);
  return changed;
}

describe("dispatch: quotas of the event loop (KIP-124)", () => {
  /** Handlers take 30 ms of the loop; a burst is 10 ms, which is one percent of a second. */
  function world(limits: QuotaLimits): {
    ask: (listener?: string) => Promise<{ told: number; throttleMs: number }>;
  } {
    const scheduler = new VirtualScheduler();
    const table = new QuotaTable();
    table.absorb({
      apiVersion: "forebay.dev/v1alpha1",
      kind: "ClientQuota",
      metadata: { name: "q", uid: "1" },
      spec: { cluster: "c", entity: { clientId: "test" }, limits },
    });
    let now = 0;
    const clock = Object.assign(Object.create(scheduler) as VirtualScheduler, { now: () => now });
    const quotas = new ClientQuotas(table, 1);
    const services = { quotas, environment: { scheduler: clock } } as unknown as BrokerServices;
    const handler = (): Promise<object> => {
      now += 30;
      // What is waited for is nobody's time.
      return Promise.resolve().then(() => {
        now += 1000;
        return {};
      });
    };
    const made = new Dispatcher(served({ [METADATA]: handler }), new KeptLog(), (error) => {
      throw error;
    });
    return {
      ask: async (listener = "plaintext") => {
        const frame = requestFrame(METADATA, 3, 1);
        const answer = await made.dispatch(frame, { services, clientHost: "a:1", listener });
        assert.ok(answer !== undefined);
        const { value } = decodeResponse(metadataResponse, 3, concatBytes(answer.parts));
        return { told: value.throttleTimeMs, throttleMs: answer.throttleMs };
      },
    };
  }

  it("tell one that has used more than its share for how long to wait", async () => {
    const { ask } = world({ requestPercentage: 1 });
    const { told, throttleMs } = await ask();
    // The burst was full, and a second has passed since: 10 ms are left of 30.
    assert.deepEqual([told, throttleMs], [1000, 1000]);
  });

  it("leave one alone that has not, and what brokers say to each other", async () => {
    assert.equal((await world({ requestPercentage: 50 }).ask()).throttleMs, 0);
    assert.equal((await world({ requestPercentage: 1 }).ask("internal")).throttleMs, 0);
  });
});
