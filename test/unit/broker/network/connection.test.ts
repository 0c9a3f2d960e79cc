import assert from "node:assert/strict";
import { Connection } from "../../../../broker/network/connection.ts";
import { Dispatcher } from "../../../../broker/network/dispatch.ts";
import type { Handler, RequestContext } from "../../../../broker/handlers/handler.ts";
import type { BrokerServices } from "../../../../broker/services.ts";
import { FakeChannel, KeptLog, METADATA, requestFrame, served } from "./fakes.ts";

type Handlers = Readonly<Record<number, Handler<never, unknown>>>;

function connected(handlers: Handlers): {
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
    services: {} as BrokerServices,
    listener: "plaintext",
    logger: log,
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
