import assert from "node:assert/strict";
import { AnswerMemory } from "../../../../broker/network/answer-memory.ts";
import { Connection } from "../../../../broker/network/connection.ts";
import { Dispatcher } from "../../../../broker/network/dispatch.ts";
import { HeldAnswer } from "../../../../broker/handlers/handler.ts";
import type { ListenerLimits } from "../../../../broker/network/listener-limits.ts";
import type { ProduceRequest } from "../../../../broker/protocol/messages/produce.ts";
import { RequestMemory } from "../../../../broker/network/request-memory.ts";
import { type AnsweredClient, SlowClients } from "../../../../broker/network/slow-clients.ts";
import { Gate } from "../../../../lib/gate.ts";
import { MIB } from "../../../../lib/units.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";
import { FakeChannel, KeptLog, METADATA, requestFrame, served, bareServices } from "./fakes.ts";

const PRODUCE = 0;

/** Connections of one listener; its handlers answer at once. */
class World {
  readonly scheduler = new VirtualScheduler();
  readonly log = new KeptLog();
  readonly begun: string[] = [];
  /** Records that were to be appended, and the memory that they lay in. */
  readonly records: Buffer[] = [];
  readonly memories = new Set<ArrayBufferLike>();
  /** How many produce requests the volume takes. */
  room = 0;
  held = 0;
  readonly limits: ListenerLimits;

  constructor(answerBytes = Infinity) {
    this.limits = {
      requests: new RequestMemory(MIB),
      answers: new AnswerMemory(answerBytes, () => this.held),
      intake: new Gate(() => this.room > 0),
      now: () => this.scheduler.now(),
    };
  }

  connect(name: string): { channel: FakeChannel; connection: Connection } {
    const channel = new FakeChannel();
    const handlers = served({
      [PRODUCE]: (_context, request: ProduceRequest) => {
        const records = request.topicData[0]?.partitionData[0]?.records;
        if (records !== null && records !== undefined) {
          this.records.push(Buffer.from(records));
          this.memories.add(records.buffer);
        }
        this.room--;
        this.begun.push(`${name} produce`);
        return {};
      },
      [METADATA]: (context) => {
        this.begun.push(`${name} metadata`);
        if (context.clientId !== "holding") return {};
        this.held += 100;
        return new HeldAnswer({}, () => (this.held -= 100));
      },
    });
    const panic = (error: unknown): never => {
      throw error;
    };
    const connection = new Connection({
      channel,
      dispatcher: new Dispatcher(handlers, this.log, panic),
      services: bareServices(),
      listener: "plaintext",
      logger: this.log,
      limits: this.limits,
    });
    return { channel, connection };
  }
}

const produce = (): Uint8Array => requestFrame(PRODUCE, 9, 1, { acks: 1 });
const records = (fill: number): Buffer => Buffer.alloc(100_000, fill);
const large = (fill: number): Uint8Array => {
  const partitionData = [{ index: 0, records: records(fill) }];
  return requestFrame(PRODUCE, 9, 1, { acks: 1, topicData: [{ name: "t", partitionData }] });
};
const metadata = (): Uint8Array => requestFrame(METADATA, 1, 2);

describe("connection: records that the volume cannot take yet", () => {
  it("wait, and what came behind them as well; other connections go on", () => {
    const world = new World();
    const writer = world.connect("writer");
    const reader = world.connect("reader");
    for (const frame of [metadata(), produce(), metadata()]) writer.connection.onFrame(frame);
    reader.connection.onFrame(metadata());
    assert.deepEqual(world.begun, ["writer metadata", "reader metadata"]);
    assert.deepEqual([writer.channel.reading, reader.channel.reading], [false, true]);
    world.room = 1;
    world.limits.intake.wake();
    assert.deepEqual(world.begun.slice(2), ["writer produce", "writer metadata"]);
    assert.equal(writer.channel.reading, true);
    assert.equal(world.limits.requests.usedBytes, 0);
  });

  it("are taken one of each connection in turn, as many as there is room for", () => {
    const world = new World();
    const writers = ["a", "b", "c"].map((name) => world.connect(name));
    for (const { connection } of writers) {
      connection.onFrame(produce());
      connection.onFrame(produce());
    }
    world.room = 2;
    world.limits.intake.wake();
    assert.deepEqual(world.begun, ["a produce", "b produce"]);
    world.room = 3;
    world.limits.intake.wake();
    assert.deepEqual(world.begun.slice(2), ["c produce", "a produce", "b produce"]);
    const late = world.connect("late");
    world.room = 9;
    // There is room, and one who came before.
    late.connection.onFrame(produce());
    assert.equal(world.begun.length, 5);
    world.limits.intake.wake();
    assert.deepEqual(world.begun.slice(5), ["c produce", "late produce"]);
    assert.equal(world.limits.intake.waiting, 0);
  });

  it("wait in memory that is used again when they are large, and in as much as they are when they are small", () => {
    const world = new World();
    const { connection } = world.connect("writer");
    for (const fill of [1, 2]) {
      const frame = large(fill);
      connection.onFrame(frame);
      assert.equal(world.limits.requests.usedBytes, 128 * 1024);
      // The channel puts something else there.
      frame.fill(0);
      world.room = 1;
      world.limits.intake.wake();
      assert.equal(world.limits.requests.usedBytes, 0);
    }
    assert.deepEqual(world.records, [records(1), records(2)]);
    assert.equal(world.memories.size, 1);
    connection.onFrame(produce());
    assert.equal(world.limits.requests.usedBytes, produce().length);
    connection.onClose();
    assert.equal(world.limits.requests.usedBytes, 0);
  });

  it("are forgotten when their connection closes", () => {
    const world = new World();
    const { connection } = world.connect("gone");
    connection.onFrame(produce());
    assert.equal(world.limits.intake.waiting, 1);
    assert(world.limits.requests.usedBytes > 0);
    connection.onClose();
    assert.equal(world.limits.intake.waiting, 0);
    assert.equal(world.limits.requests.usedBytes, 0);
    world.room = 1;
    world.limits.intake.wake();
    assert.deepEqual(world.begun, []);
  });
});

describe("connection: memory of answers", () => {
  it("is counted from the answer to the moment the client has it, or is gone", () => {
    for (const end of ["takes", "closes"] as const) {
      const world = new World();
      const { channel, connection } = world.connect("a");
      for (let i = 0; i < 3; i++) connection.onFrame(metadata());
      const bytes = channel.sent.reduce((sum, frame) => sum + frame.length, 0);
      assert.equal(world.limits.answers.usedBytes, bytes);
      if (end === "closes") connection.onClose();
      // A channel that closes gives back what it had.
      channel.take();
      assert.equal(world.limits.answers.usedBytes, 0, end);
    }
  });

  it("counts what is held for an answer once, where it is held", () => {
    const world = new World();
    const { channel, connection } = world.connect("a");
    connection.onFrame(requestFrame(METADATA, 1, 3, {}, "holding"));
    assert.equal(world.limits.answers.usedBytes, 100);
    channel.take();
    assert.equal(world.limits.answers.usedBytes, 0);
  });

  it("when it is short, a client that has not taken its answers is not read; another one is", () => {
    const world = new World(100);
    const slow = world.connect("slow");
    const quick = world.connect("quick");
    slow.connection.onFrame(metadata());
    world.held = 100;
    for (let i = 0; i < 3; i++) slow.connection.onFrame(metadata());
    assert.equal(world.begun.length, 1);
    assert.equal(slow.channel.reading, false);
    for (let i = 0; i < 3; i++) {
      quick.connection.onFrame(metadata());
      quick.channel.take();
    }
    assert.equal(world.begun.length, 4);
    assert.equal(quick.channel.reading, true);
    slow.channel.take();
    assert.equal(world.begun.length, 5);
  });

  it("a client that takes nothing while it is short is cut off, with one line", async () => {
    const world = new World(100);
    const slow = world.connect("slow");
    const idle = world.connect("idle");
    const clients = new SlowClients({
      scheduler: world.scheduler,
      isShort: () => world.limits.answers.short,
      patienceMs: 1000,
    });
    clients.add(slow.connection);
    clients.add(idle.connection);
    world.limits.answers.onShort = () => {
      clients.watch();
    };
    slow.connection.onFrame(metadata());
    await world.scheduler.advance(60_000);
    assert.equal(slow.channel.aborts, 0, "there is memory enough");
    world.held = 100;
    idle.connection.onFrame(metadata());
    idle.channel.take();
    await world.scheduler.advance(300);
    assert.equal(slow.channel.aborts, 1);
    assert.equal(idle.channel.aborts, 0);
    assert.deepEqual(
      world.log.lines.map(({ message }) => message),
      ["connection closed: answers are not taken and memory is short"],
    );
  });
});

describe("slow clients", () => {
  it("who takes one answer after the other is not cut off, however short memory is", async () => {
    const scheduler = new VirtualScheduler();
    let cut = 0;
    let waitingSince = 0;
    const client: AnsweredClient = {
      get waitingSince() {
        return waitingSince;
      },
      stalled() {
        cut++;
        clients.remove(client);
      },
    };
    const clients = new SlowClients({ scheduler, isShort: () => true, patienceMs: 1000 });
    clients.add(client);
    clients.watch();
    for (let i = 0; i < 20; i++) {
      await scheduler.advance(500);
      waitingSince = scheduler.now();
    }
    assert.equal(cut, 0);
    await scheduler.advance(1300);
    await scheduler.advance(5000);
    assert.equal(cut, 1);
  });
});

describe("request memory", () => {
  it("gives buffers of a size again, and counts those that are out", () => {
    const memory = new RequestMemory();
    const first = memory.take(5000);
    assert.equal(first.length, 8192);
    assert.equal(memory.usedBytes, 8192);
    memory.give(first);
    assert.equal(memory.usedBytes, 0);
    assert.equal(memory.keptBytes, 8192);
    assert.equal(memory.take(8000), first);
    assert.notEqual(memory.take(8000), first);
    assert.equal(memory.take(1).length, 4096);
  });

  it("keeps no more than 8 MiB of buffers", () => {
    const memory = new RequestMemory();
    const taken = Array.from({ length: 20 }, () => memory.take(1024 * 1024));
    for (const buffer of taken) memory.give(buffer);
    assert.equal(memory.keptBytes, 8 * 1024 * 1024);
    assert.equal(memory.usedBytes, 0);
  });

  it("gives one that will be large all of its memory at once while there is plenty, of eight slots", () => {
    const memory = new RequestMemory(32 * MIB);
    assert.equal(memory.take(5000, 60_000).length, 8192, "not large");
    assert.equal(memory.take(5000, 2 * MIB).length, 8192, "too large");
    const slots = Array.from({ length: 8 }, () => memory.take(5000, 800_000));
    assert.deepEqual(new Set(slots.map(({ length }) => length)), new Set([MIB]));
    assert.equal(new Set(slots.map(({ byteOffset }) => byteOffset)).size, 8);
    assert.equal(memory.usedBytes, 8 * MIB + 2 * 8192);
    assert.equal(memory.take(5000, 800_000).length, 8192, "there are no more");
    for (const slot of slots) memory.give(slot);
    assert.equal(memory.take(100_000).length, MIB);
    memory.hold(16 * MIB);
    assert.equal(memory.take(5000, 800_000).length, 8192, "half of the limit is used");
  });

  it("over its limit lets one at a time go on, the next when that one is done", () => {
    const memory = new RequestMemory(4096);
    const buffers = [memory.take(4096), memory.take(4096), memory.take(4096)];
    const [a, b, c] = [{}, {}, {}];
    assert.deepEqual(
      [a, b, a, c].map((who) => memory.mayRead(who)),
      [true, false, true, false],
    );
    const passed: object[] = [];
    for (const who of [b, c]) {
      memory.room.wait(() => {
        if (memory.mayRead(who)) passed.push(who);
      });
    }
    memory.done(a);
    assert.deepEqual(passed, [b], "still over the limit: one");
    memory.done(b);
    assert.deepEqual(passed, [b, c]);
    for (const buffer of buffers) memory.give(buffer);
    assert.deepEqual(
      [a, b, c].map((who) => memory.mayRead(who)),
      [true, true, true],
    );
  });
});
