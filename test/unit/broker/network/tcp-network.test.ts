import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import type {
  ChannelHandlers,
  FrameChannel,
  Listening,
  ListenOptions,
} from "../../../../broker/network/frame-channel.ts";
import { createTcpNetwork } from "../../../../broker/network/tcp-network.ts";
import { RequestMemory } from "../../../../broker/network/request-memory.ts";
import { KeptLog } from "./fakes.ts";

interface Accepted {
  readonly channel: FrameChannel;
  readonly frames: Uint8Array[];
  readonly closed: Promise<Error | undefined>;
}

const LIMITS = { maxFrameBytes: 1024, maxConnections: 3 };

/** A listener that keeps what it is given; `respond` may answer a frame. */
async function listening(
  options: { idleMs?: number; lingerMs?: number } = {},
  respond: (channel: FrameChannel, frame: Uint8Array) => void = () => undefined,
  limits: Partial<ListenOptions> = {},
): Promise<{ server: Listening; log: KeptLog; accepted: Accepted[] }> {
  const log = new KeptLog();
  const accepted: Accepted[] = [];
  const accept = (channel: FrameChannel): ChannelHandlers => {
    const frames: Uint8Array[] = [];
    let onClose: ChannelHandlers["onClose"] = () => undefined;
    const closed = new Promise<Error | undefined>((resolve) => (onClose = resolve));
    accepted.push({ channel, frames, closed });
    return {
      onFrame: (frame) => {
        frames.push(frame.slice());
        respond(channel, frame);
      },
      onClose,
    };
  };
  const server = await createTcpNetwork({ logger: log, ...options }).listen(
    "127.0.0.1",
    0,
    accept,
    { ...LIMITS, ...limits },
  );
  opened.push(server);
  return { server, log, accepted };
}

const opened: Listening[] = [];
const clients: net.Socket[] = [];

async function client(server: Listening): Promise<net.Socket> {
  const socket = net.connect({ host: "127.0.0.1", port: server.port });
  socket.on("error", () => undefined);
  clients.push(socket);
  await once(socket, "connect");
  return socket;
}

/**
 * The next bytes, at least so many: all chunks are heard, of which several may come in one turn, as when they were there before
 * anybody listened.
 */
function bytesOf(socket: net.Socket, count: number): Promise<Buffer> {
  return new Promise((resolve) => {
    let received = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      if (received.length < count) return;
      socket.off("data", onData);
      resolve(received);
    };
    socket.on("data", onData);
  });
}

/** Resolves when the other side has closed. */
async function ended(socket: net.Socket): Promise<void> {
  socket.resume();
  if (!socket.closed) await once(socket, "close");
}

function framed(...content: number[]): Buffer {
  return framedBytes(Uint8Array.from(content));
}

function framedBytes(content: Uint8Array): Buffer {
  const frame = Buffer.alloc(4 + content.length);
  frame.writeInt32BE(content.length);
  frame.set(content, 4);
  return frame;
}

describe("tcp network", () => {
  afterEach(async () => {
    for (const socket of clients.splice(0)) socket.destroy();
    for (const server of opened.splice(0)) await server.close();
  });

  it("takes frames apart and puts them together, however they are cut", async () => {
    const { server } = await listening({}, (channel, frame) => {
      channel.send([frame.slice(0, 1), frame.slice(1)]);
    });
    const socket = await client(server);
    const sent = Buffer.concat([framed(1, 2, 3), framed(), framed(4)]);
    const received = bytesOf(socket, sent.length);
    for (const byte of sent) {
      socket.write(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(await received, sent);
  });

  it("writes nothing behind a close in the same turn as an answer", async () => {
    const { server, accepted } = await listening({}, (channel, frame) => {
      channel.send([frame.slice()]);
      channel.close();
    });
    const socket = await client(server);
    const received: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => received.push(chunk));
    socket.write(framed(1, 2));
    await ended(socket);
    assert.deepEqual(Buffer.concat(received), framed(1, 2));
    assert.equal(await accepted[0]?.closed, undefined);
  });

  it("sends what is answered in one turn in its order, small and large, and says of each when it has left", async () => {
    const large = new Uint8Array(100_000).fill(7);
    const released: string[] = [];
    const { server } = await listening({}, (channel, frame) => {
      const name = String(frame[0]);
      channel.send([Uint8Array.of(1), Uint8Array.of(2, 3)], () => released.push(`${name} small`));
      if (frame[0] === 9) channel.send([large, Uint8Array.of(4)], () => released.push("9 large"));
      channel.send([], () => released.push(`${name} empty`));
      assert.ok(channel.bufferedBytes >= 4 + 3 + 4, "what is to leave counts already");
    });
    const socket = await client(server);
    for (const [asked, expected, names] of [
      [8, [framed(1, 2, 3), framed()], ["8 small", "8 empty"]],
      [
        9,
        [framed(1, 2, 3), framedBytes(Buffer.from([...large, 4])), framed()],
        ["9 small", "9 large", "9 empty"],
      ],
    ] as const) {
      released.length = 0;
      const wanted = Buffer.concat([...expected]);
      const received = bytesOf(socket, wanted.length);
      socket.write(framed(asked));
      assert.ok((await received).equals(wanted));
      assert.deepEqual(released, names);
    }
  });

  it("what was sent in the turn of a close still leaves", async () => {
    const { server } = await listening({}, (channel) => {
      channel.send([Uint8Array.of(5)]);
      channel.close();
    });
    const socket = await client(server);
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.write(framed(1));
    await ended(socket);
    assert.deepEqual(Buffer.concat(chunks), framed(5));
  });

  it("closes an idle connection, and says so quietly", async () => {
    const { server, log, accepted } = await listening({ idleMs: 20 });
    const socket = await client(server);
    await ended(socket);
    assert.equal(await accepted[0]?.closed, undefined);
    assert.deepEqual(
      log.lines.map((line) => line.level),
      ["debug"],
    );
  });

  it("closes one that stops in the middle of a request with one line, and serves others meanwhile", async () => {
    const { server, log, accepted } = await listening({ idleMs: 50 }, (channel, frame) => {
      channel.send([frame.slice()]);
    });
    const silent = await client(server);
    silent.write(framed(1, 2, 3, 4).subarray(0, 6));
    const busy = await client(server);
    const gone = ended(silent).then(() => "gone");
    for (;;) {
      busy.write(framed(9));
      const next = await Promise.race([once(busy, "data"), gone]);
      if (next === "gone") break;
    }
    assert.equal(accepted[0]?.frames.length, 0);
    assert.deepEqual(
      log.lines.map(({ level, message, fields }) => [
        level,
        message,
        fields?.["unfinishedRequestBytes"],
      ]),
      [["warn", "connection closed: nothing moved", 6]],
    );
    assert.equal(busy.closed, false);
  });

  for (const [what, bytes, spoken] of [
    ["a frame of 2 GB", Buffer.from([0x7f, 0xff, 0xff, 0xff, 0]), undefined],
    ["a negative length", Buffer.from([0xff, 0, 0, 0]), undefined],
    ["a TLS client hello", Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]), "TLS"],
    ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP"],
  ] as const) {
    it(`closes for ${what}, with one line`, async () => {
      const { server, log, accepted } = await listening();
      const socket = await client(server);
      socket.write(bytes);
      await ended(socket);
      assert.ok((await accepted[0]?.closed) instanceof Error);
      assert.equal(accepted[0]?.frames.length, 0);
      assert.deepEqual(
        log.lines.map(({ level, message, fields }) => [level, message, fields?.["spoken"]]),
        [["warn", "connection closed: not the protocol", spoken]],
      );
    });
  }

  it("takes no more connections than it may, and takes them again when others have gone", async () => {
    const { server, log, accepted } = await listening({}, (channel, frame) => {
      channel.send([frame.slice()]);
    });
    const inside = [await client(server), await client(server), await client(server)];
    for (const socket of inside) {
      socket.write(framed(1));
      await once(socket, "data");
    }
    await ended(await client(server));
    assert.equal(accepted.length, 3);
    assert.deepEqual(
      log.lines.map((line) => line.message),
      ["connection refused: max.connections reached"],
    );
    inside[0]?.destroy();
    await accepted[0]?.closed;
    const another = await client(server);
    another.write(framed(2));
    await once(another, "data");
    assert.equal(accepted.length, 4);
  });

  it("tells of many refused connections in few lines", async () => {
    const { server, log, accepted } = await listening({}, undefined, { maxConnections: 1 });
    const inside = await client(server);
    inside.write(framed(1));
    while (accepted[0]?.frames.length !== 1) await new Promise((resolve) => setImmediate(resolve));
    const others = await Promise.all(Array.from({ length: 50 }, () => client(server)));
    await Promise.all(others.map(ended));
    assert.equal(accepted.length, 1);
    assert(log.lines.length < 5, `${log.lines.length} lines`);
  });

  it("takes no more connections of one address than that one may have", async () => {
    const { server, log, accepted } = await listening({}, undefined, {
      maxConnectionsPerIp: (address) => (address === "127.0.0.1" ? 2 : 1),
    });
    const inside = [await client(server), await client(server)];
    await ended(await client(server));
    assert.equal(accepted.length, 2);
    assert.deepEqual(
      log.lines.map(({ message, fields }) => [message, fields?.["limit"]]),
      [["connection refused: max.connections.per.ip reached", 2]],
    );
    inside[0]?.destroy();
    await accepted[0]?.closed;
    const another = await client(server);
    another.write(framed(1));
    while (accepted[2]?.frames.length !== 1) await new Promise((resolve) => setImmediate(resolve));
  });

  it("without memory for requests reads one of those that came in part at a time; small ones are served", async () => {
    const requests = new RequestMemory(1);
    const big = (fill: number): Buffer => framedBytes(new Uint8Array(900_000).fill(fill));
    const { server, accepted } = await listening(
      {},
      (channel, frame) => {
        channel.send([frame.slice(0, 1)]);
      },
      { requests, maxFrameBytes: 1_000_000, maxConnections: 10 },
    );
    const senders = [await client(server), await client(server), await client(server)];
    for (const [i, socket] of senders.entries()) socket.write(big(i).subarray(0, 500_000));
    const small = await client(server);
    small.write(framed(9));
    await once(small, "data");
    while (requests.room.waiting !== 2) await new Promise((resolve) => setImmediate(resolve));
    // One has taken in its half; of the others there is what one read brings.
    assert(requests.usedBytes < 1_048_576 + 2 * 131_072 + 1, `${requests.usedBytes}`);
    for (const [i, socket] of senders.entries()) socket.write(big(i).subarray(500_000));
    await Promise.all(senders.map((socket) => once(socket, "data")));
    assert.deepEqual(
      accepted.slice(0, 3).map(({ frames }) => frames.map((frame) => [frame.length, frame[0]])),
      [[[900_000, 0]], [[900_000, 1]], [[900_000, 2]]],
    );
    assert.equal(requests.usedBytes, 0);
  });

  it("reads large frames of many connections each to its own place, whatever follows them", async () => {
    const { server, accepted } = await listening({}, undefined, {
      requests: new RequestMemory(64 * 1024 * 1024),
      maxFrameBytes: 3_000_000,
      maxConnections: 12,
    });
    const sizes = [900_000, 10, 70_000, 2_500_000, 1_048_572, 66_000, 300_000];
    const contents = Array.from({ length: 12 }, (_, who) =>
      sizes.map((size, n) => Buffer.alloc(size, `connection ${who}, frame ${n};`)),
    );
    await Promise.all(
      contents.map(async (frames) => {
        const socket = await client(server);
        for (const frame of frames) {
          const whole = framedBytes(frame);
          // In parts, so that frames of many connections are under way together.
          for (let at = 0; at < whole.length; at += 400_000) {
            socket.write(whole.subarray(at, at + 400_000));
            await new Promise((resolve) => setImmediate(resolve));
          }
        }
      }),
    );
    while (accepted.some(({ frames }) => frames.length < sizes.length))
      await new Promise((resolve) => setImmediate(resolve));
    const got = accepted.map(({ frames }) => Buffer.concat(frames));
    for (const frames of contents) {
      const whole = Buffer.concat(frames);
      assert.equal(got.filter((one) => one.equals(whole)).length, 1);
    }
  });

  it("while memory for requests is short gives up one that does not become whole", async () => {
    const requests = new RequestMemory(1);
    const { server, log, accepted } = await listening(
      {},
      (channel, frame) => {
        channel.send([frame.slice(0, 1)]);
      },
      { requests, maxFrameBytes: 1_000_000, slowRequestMs: 40 },
    );
    const silent = await client(server);
    silent.write(framedBytes(new Uint8Array(90_000)).subarray(0, 80_000));
    while (requests.usedBytes === 0) await new Promise((resolve) => setImmediate(resolve));
    const other = await client(server);
    other.write(framedBytes(new Uint8Array(900_000)));
    await once(other, "data");
    await accepted[0]?.closed;
    assert.equal(accepted[1]?.frames.length, 1);
    assert.deepEqual(
      log.lines.map(({ message }) => message),
      ["connection closed: a request does not become whole and memory is short"],
    );
    assert.equal(requests.usedBytes, 0);
  });

  it("does not wait for ever for one who does not read, neither on a close nor on a stop", async () => {
    const { server, accepted } = await listening({ lingerMs: 20 }, (channel) => {
      for (let i = 0; i < 64; i++) channel.send([new Uint8Array(1024 * 1024)]);
      channel.close();
    });
    const socket = await client(server);
    socket.pause();
    socket.write(framed(1));
    while (accepted.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await accepted[0]?.closed;
    const other = await client(server);
    other.pause();
    other.write(framed(1));
    await server.close();
    opened.length = 0;
  });

  it("does not read while it is told not to, and gives memory back once what was sent is gone", async () => {
    let released = 0;
    const { server, accepted } = await listening({}, (channel, frame) => {
      channel.send([frame.slice()], () => released++);
      channel.setReading(frame[0] !== 1);
    });
    const socket = await client(server);
    socket.write(framed(1));
    await once(socket, "data");
    socket.write(framed(2));
    await new Promise((resolve) => socket.write(framed(3), resolve));
    assert.equal(accepted[0]?.frames.length, 1);
    accepted[0]?.channel.setReading(true);
    await bytesOf(socket, 10);
    assert.equal(accepted[0]?.frames.length, 3);
    assert.equal(released, 3);
  });

  it("gives memory back when the connection has gone before", async () => {
    const { server, accepted } = await listening();
    const socket = await client(server);
    socket.write(framed(1));
    while (accepted[0]?.frames.length !== 1) await new Promise((resolve) => setImmediate(resolve));
    socket.destroy();
    await accepted[0].closed;
    let released = 0;
    accepted[0].channel.send([new Uint8Array(1)], () => released++);
    assert.equal(released, 1);
  });

  it("refuses to connect where nobody listens", async () => {
    const { server } = await listening();
    await server.close();
    opened.length = 0;
    const handlers = { onFrame: () => undefined, onClose: () => undefined };
    const network = createTcpNetwork({ logger: new KeptLog() });
    await assert.rejects(
      network.connect("127.0.0.1", server.port, handlers, { timeout: 1000, maxFrameBytes: 10 }),
      { code: "ECONNREFUSED" },
    );
  });
});
