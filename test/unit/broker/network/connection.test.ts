import assert from "node:assert/strict";
import { Connection } from "../../../../broker/network/connection.ts";
import { unlimited } from "../../../../broker/network/listener-limits.ts";
import { Dispatcher } from "../../../../broker/network/dispatch.ts";
import type { Handler, RequestContext } from "../../../../broker/handlers/handler.ts";
import { MalformedError } from "../../../../broker/protocol/reader.ts";
import { HeldAnswer } from "../../../../broker/handlers/handler.ts";
import { ProtocolError } from "../../../../broker/errors.ts";
import { ErrorCode } from "../../../../broker/protocol/error-codes.ts";
import { drain, VirtualScheduler } from "../../../support/virtual-scheduler.ts";
import {
  API_VERSIONS,
  deferred,
  FakeChannel,
  KeptLog,
  METADATA,
  requestFrame,
  served,
  bareServices,
} from "./fakes.ts";

type Handlers = Readonly<Record<number, Handler<never, unknown>>>;

function connected(
  handlers: Handlers,
  limits = unlimited(),
  scheduler = new VirtualScheduler(),
): {
  channel: FakeChannel;
  connection: Connection;
  log: KeptLog;
} {
  const channel = new FakeChannel();
  const log = new KeptLog();
  const panic = (error: unknown): never => {
    throw error;
  };
  const connection = new Connection({
    channel,
    dispatcher: new Dispatcher(served(handlers), log, panic),
    services: bareServices(scheduler),
    listener: "plaintext",
    logger: log,
    limits,
  });
  return { channel, connection, log };
}

describe("connection: who waits for its end", () => {
  it("tells each waiter once, and none that has taken its wait back", () => {
    const told: string[] = [];
    const { connection } = connected({});
    connection.whenClosed(() => told.push("kept"));
    const stop = connection.whenClosed(() => told.push("taken back"));
    stop();
    connection.onClose();
    connection.onClose();
    assert.deepEqual(told, ["kept"]);
  });

  it("tells one who comes too late at once", () => {
    const { connection } = connected({});
    connection.onClose();
    let told = 0;
    connection.whenClosed(() => told++);
    assert.equal(told, 1);
  });

  it("a handler that takes its wait back leaves nothing behind, however many requests there were", () => {
    let context: RequestContext | undefined;
    let calls = 0;
    const { channel, connection } = connected({
      [METADATA]: (given) => {
        context = given;
        given.connection?.whenClosed(() => calls++)();
        return {};
      },
    });
    for (let i = 0; i < 100; i++) connection.onFrame(requestFrame(METADATA, 1, i));
    assert.equal(channel.sent.length, 100);
    assert.equal(context?.connection, connection);
    connection.onClose();
    assert.equal(calls, 0);
  });
});

describe("connection: order of answers", () => {
  it("answers in the order of the requests, whatever is ready first", async () => {
    const first = deferred<object>();
    const second = deferred<object>();
    const waits = [first, second];
    const { channel, connection } = connected({
      [METADATA]: () => waits.shift()?.promise ?? {},
    });
    for (const id of [11, 12, 13]) connection.onFrame(requestFrame(METADATA, 1, id));
    second.resolve({});
    await drain();
    assert.deepEqual(channel.answered, []);
    first.resolve({});
    await drain();
    assert.deepEqual(channel.answered, [11, 12, 13]);
  });

  it("has nothing to send for a request without an answer, and holds nothing up for it", async () => {
    const first = deferred<undefined>();
    const answers: unknown[] = [first.promise, {}];
    const { channel, connection } = connected({ [METADATA]: () => answers.shift() });
    connection.onFrame(requestFrame(METADATA, 1, 1));
    connection.onFrame(requestFrame(METADATA, 1, 2));
    first.resolve(undefined);
    await drain();
    assert.deepEqual(channel.answered, [2]);
  });

  it("gives held memory back when the answer was taken, or can no longer be sent", async () => {
    const released: number[] = [];
    let next = 0;
    const late = deferred<HeldAnswer<object>>();
    const { channel, connection } = connected({
      [METADATA]: () => {
        const id = next++;
        return id === 2 ? late.promise : new HeldAnswer({}, () => void released.push(id));
      },
    });
    connection.onFrame(requestFrame(METADATA, 1, 1));
    assert.equal(released.length, 0);
    channel.take();
    assert.deepEqual(released, [0]);
    connection.onFrame(requestFrame(METADATA, 1, 2));
    connection.onFrame(requestFrame(METADATA, 1, 3));
    connection.onClose();
    channel.take();
    late.resolve(new HeldAnswer<object>({}, () => void released.push(2)));
    await drain();
    assert.deepEqual(released, [0, 1, 2]);
  });
});

describe("connection: a request that is not the protocol's", () => {
  const unknownApi = (): Uint8Array => new Uint8Array([0x70, 0, 0, 0, 0, 0, 0, 7, 0, 0]);

  it("is refused once: one line, one close, and nothing after it is looked at", () => {
    let calls = 0;
    const { channel, connection, log } = connected({
      [METADATA]: () => {
        calls++;
        return {};
      },
    });
    connection.onFrame(requestFrame(METADATA, 1, 1));
    for (let i = 0; i < 50; i++) {
      connection.onFrame(unknownApi());
      connection.onFrame(requestFrame(METADATA, 1, 2));
    }
    assert.deepEqual(channel.answered, [1]);
    assert.equal(calls, 1);
    assert.equal(channel.closes, 1);
    assert.deepEqual(
      log.lines.map(({ level, message }) => [level, message]),
      [["warn", "connection closed: bad request"]],
    );
  });

  it("is refused after what came before it was answered; meanwhile the socket is not read", async () => {
    const slow = deferred<object>();
    const { channel, connection, log } = connected({ [METADATA]: () => slow.promise });
    connection.onFrame(requestFrame(METADATA, 1, 1));
    connection.onFrame(unknownApi());
    assert.equal(channel.closes, 0);
    assert.equal(channel.reading, false);
    slow.resolve({});
    await drain();
    assert.deepEqual(channel.answered, [1]);
    assert.equal(channel.closes, 1);
    assert.equal(log.lines.length, 1);
  });

  it("is so too when a handler finds it out later", async () => {
    const fate = deferred<object>();
    const { channel, connection, log } = connected({ [METADATA]: () => fate.promise });
    connection.onFrame(requestFrame(METADATA, 1, 1));
    fate.reject(new MalformedError("not a record batch"));
    await drain();
    assert.equal(channel.sent.length, 0);
    assert.equal(channel.closes, 1);
    assert.deepEqual(
      log.lines.map(({ level, fields }) => [level, fields?.["error"]]),
      [["warn", "not a record batch"]],
    );
  });

  it("two that fail while waiting are one line and one close", async () => {
    const fates = [deferred<object>(), deferred<object>()];
    const waiting = [...fates];
    const { channel, connection, log } = connected({ [METADATA]: () => waiting.shift()?.promise });
    connection.onFrame(requestFrame(METADATA, 1, 1));
    connection.onFrame(requestFrame(METADATA, 1, 2));
    for (const fate of fates) fate.reject(new MalformedError("bad"));
    await drain();
    assert.equal(channel.closes, 1);
    assert.equal(log.lines.length, 1);
  });

  it("a failure of ours that the response cannot tell closes with one line at error", async () => {
    const { channel, connection, log } = connected({
      [METADATA]: () => Promise.reject(new Error("boom")),
    });
    connection.onFrame(requestFrame(METADATA, 1, 1));
    await drain();
    assert.equal(channel.closes, 1);
    assert.equal(log.lines.length, 1);
    assert.equal(log.lines[0]?.level, "error");
    assert.match(String(log.lines[0]?.fields?.["error"]), /Metadata 1 failed[^]*boom/);
  });

  it("a failure of ours that the response can tell is told, and the connection lives on", async () => {
    const { channel, connection, log } = connected({
      [API_VERSIONS]: () => Promise.reject(new Error("boom")),
      [METADATA]: () => ({}),
    });
    connection.onFrame(requestFrame(API_VERSIONS, 0, 1));
    connection.onFrame(requestFrame(METADATA, 1, 2));
    await drain();
    assert.deepEqual(channel.answered, [1, 2]);
    const code = new DataView(channel.sent[0]?.buffer ?? new ArrayBuffer(0)).getInt16(4);
    assert.equal(code, ErrorCode.UNKNOWN_SERVER_ERROR);
    assert.equal(channel.closes, 0);
    assert.deepEqual(
      log.lines.map((line) => line.message),
      ["request failed"],
    );
  });

  it("a refusal that the response cannot tell closes the connection without being an error of ours", async () => {
    const { channel, connection, log } = connected({
      [METADATA]: () => Promise.reject(new ProtocolError(ErrorCode.CLUSTER_AUTHORIZATION_FAILED)),
    });
    connection.onFrame(requestFrame(METADATA, 1, 1));
    await drain();
    assert.equal(channel.closes, 1);
    assert.deepEqual(
      log.lines.map(({ level }) => level),
      ["warn"],
    );
  });
});

describe("connection: back-pressure", () => {
  it("begins no more than 128 requests at once, and the rest in order as answers leave", async () => {
    const waits: ReturnType<typeof deferred<object>>[] = [];
    const { channel, connection } = connected({
      [METADATA]: () => {
        const wait = deferred<object>();
        waits.push(wait);
        return wait.promise;
      },
    });
    // As one chunk of the socket brings them: reading can be stopped only after it.
    for (let i = 0; i < 300; i++) connection.onFrame(requestFrame(METADATA, 1, i));
    assert.equal(waits.length, 128);
    assert.equal(channel.reading, false);
    waits[0]?.resolve({});
    await drain();
    assert.equal(waits.length, 129);
    assert.equal(channel.reading, false);
    for (let i = 0; i < 300; i++) {
      waits[i]?.resolve({});
      await drain();
    }
    assert.deepEqual(
      channel.answered,
      Array.from({ length: 300 }, (_, i) => i),
    );
    assert.equal(channel.reading, true);
  });

  it("begins nothing while the client leaves 8 MiB of answers untaken", () => {
    let calls = 0;
    const { channel, connection } = connected({
      [METADATA]: () => {
        calls++;
        return { brokers: [{ nodeId: 1, host: "x".repeat(30_000), port: 1 }] };
      },
    });
    for (let i = 0; i < 2000; i++) connection.onFrame(requestFrame(METADATA, 0, i));
    assert.equal(calls, Math.ceil((8 * 1024 * 1024) / (channel.sent[0]?.length ?? 1)));
    assert.equal(channel.reading, false);
    const before = calls;
    channel.take();
    connection.onDrain();
    assert.ok(calls > before);
    while (calls < 2000) {
      channel.take();
      connection.onDrain();
    }
    channel.take();
    connection.onDrain();
    assert.deepEqual(
      channel.answered,
      Array.from({ length: 2000 }, (_, i) => i),
    );
    assert.equal(channel.reading, true);
  });

  it("copies what it holds back: the frame's bytes are the channel's again after the call", async () => {
    const clients: (string | null)[] = [];
    const gate = deferred<object>();
    const { channel, connection } = connected({
      [METADATA]: (context) => {
        clients.push(context.clientId);
        return clients.length === 1 ? gate.promise : {};
      },
    });
    channel.bufferedBytes = 8 * 1024 * 1024;
    const frame = requestFrame(METADATA, 1, 5);
    connection.onFrame(frame);
    frame.fill(0xff);
    assert.deepEqual(clients, []);
    channel.take();
    connection.onDrain();
    gate.resolve({});
    await drain();
    assert.deepEqual(clients, ["test"]);
    assert.deepEqual(channel.answered, [5]);
  });
});

describe("connection: one that was told to wait (KIP-219)", () => {
  const throttled = (ms: number): Handlers => ({ [METADATA]: () => ({ throttleTimeMs: ms }) });
  const ask = (id: number): Uint8Array => requestFrame(METADATA, 3, id);

  it("is answered, and not read until its time is over", async () => {
    const scheduler = new VirtualScheduler();
    const { channel, connection } = connected(throttled(100), unlimited(), scheduler);
    connection.onFrame(ask(1));
    assert.deepEqual([channel.answered, channel.reading], [[1], true], "nobody has a quota");
    connection.mute(100);
    assert.equal(channel.reading, false);
    // What had arrived already waits.
    connection.onFrame(ask(2));
    channel.take();
    await scheduler.advance(99);
    assert.deepEqual(channel.answered, [1]);
    await scheduler.advance(1);
    assert.deepEqual([channel.answered, channel.reading], [[1, 2], true]);
  });

  it("waits for the longer of two times", async () => {
    const scheduler = new VirtualScheduler();
    const { channel, connection } = connected({}, unlimited(), scheduler);
    connection.mute(100);
    connection.mute(50);
    await scheduler.advance(60);
    assert.equal(channel.reading, false);
    connection.mute(100);
    await scheduler.advance(99);
    assert.equal(channel.reading, false);
    await scheduler.advance(1);
    assert.equal(channel.reading, true);
  });

  it("leaves nothing behind when it goes", async () => {
    const scheduler = new VirtualScheduler();
    const { channel, connection } = connected({}, unlimited(), scheduler);
    connection.mute(100);
    connection.onClose();
    const readings = channel.readings.length;
    await scheduler.advance(200);
    assert.equal(channel.readings.length, readings);
  });
});
