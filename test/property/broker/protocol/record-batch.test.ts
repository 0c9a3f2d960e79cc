import assert from "node:assert/strict";
import fc from "fast-check";
import { crc32c, crc32cPlain } from "../../../../lib/crc32c.ts";
import { FrameSplitter } from "../../../../broker/protocol/framing.ts";
import { MalformedError } from "../../../../broker/protocol/reader.ts";
import {
  batchAt,
  buildBatch,
  crcMatches,
  iterateBatches,
  readRecords,
  stampBatch,
} from "../../../../broker/protocol/record-batch.ts";
import { runs } from "../../../support/runs.ts";

const bytes = fc.option(fc.uint8Array({ maxLength: 200 }));
const record = fc.record({
  key: bytes,
  value: bytes,
  timestamp: fc.integer({ min: 1_600_000_000_000, max: 1_900_000_000_000 }),
  headers: fc.array(fc.record({ key: fc.string({ maxLength: 8 }), value: bytes }), {
    maxLength: 3,
  }),
});

describe("record batch", () => {
  it("reads the records that were written, with every codec", () => {
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 10 }),
        fc.constantFrom(0 as const, 1 as const, 2 as const, 3 as const, 4 as const),
        fc.nat(2 ** 40),
        (records, compression, baseOffset) => {
          const batch = buildBatch({ records, compression });
          stampBatch(batch, 0, baseOffset, 7);
          const header = batchAt(batch, 0);
          assert(crcMatches(batch, header), "stamping leaves the checksum right");
          assert.equal(header.baseOffset, baseOffset);
          assert.equal(header.lastOffset, baseOffset + records.length - 1);
          assert.equal(header.partitionLeaderEpoch, 7);
          const read = readRecords(batch, header);
          assert.deepEqual(
            read.map((one) => ({
              key: one.key && [...one.key],
              value: one.value && [...one.value],
              timestamp: one.timestamp,
              offset: one.offset,
              headers: one.headers.map((h) => [h.key, h.value && [...h.value]]),
            })),
            records.map((one, i) => ({
              key: one.key && [...one.key],
              value: one.value && [...one.value],
              timestamp: one.timestamp,
              offset: baseOffset + i,
              headers: one.headers.map((h) => [h.key, h.value && [...h.value]]),
            })),
          );
        },
      ),
      runs(300),
    );
  });

  it("finds every changed byte under the checksum, and never crashes on any", () => {
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 4 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (records, where, flip) => {
          const batch = buildBatch({ records });
          const at = where % batch.length;
          batch[at] = (batch[at] ?? 0) ^ flip;
          try {
            for (const header of iterateBatches(batch)) {
              if (at >= 17) assert(!crcMatches(batch, header));
              readRecords(batch, header);
            }
          } catch (error) {
            assert(error instanceof MalformedError, String(error));
          }
        },
      ),
      runs(2000),
    );
  });
});

describe("CRC-32C", () => {
  it("agrees with its second implementation, whole and in pieces", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000, size: "max" }), fc.nat(), (data, at) => {
        const whole = crc32c(data);
        assert.equal(whole, crc32cPlain(data, 0, data.length, 0));
        const cut = data.length === 0 ? 0 : at % data.length;
        assert.equal(crc32c(data, cut, data.length, crc32c(data, 0, cut)), whole);
      }),
      runs(300),
    );
  });
  it("is the known value for the digits", () => {
    assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
  });
});

describe("frame splitter", () => {
  it("hands out the frames that were sent, however the stream is cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 12, size: "max" }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 20 }),
        (frames, cuts) => {
          const stream = Buffer.concat(
            frames.flatMap((frame) => {
              const size = Buffer.alloc(4);
              size.writeInt32BE(frame.length);
              return [size, Buffer.from(frame)];
            }),
          );
          const splitter = new FrameSplitter(1000);
          const got: Buffer[] = [];
          for (let at = 0, i = 0; at < stream.length; i++) {
            const chunk = Buffer.from(stream.subarray(at, at + (cuts[i % cuts.length] ?? 1)));
            at += chunk.length;
            splitter.push(chunk, (frame) => got.push(Buffer.from(frame)));
            chunk.fill(0xee);
          }
          assert.deepEqual(
            got,
            frames.map((frame) => Buffer.from(frame)),
          );
        },
      ),
      runs(500),
    );
  });

  it("hands out the same when what it has room for is put there without a chunk between", () => {
    const buffers = { take: () => new Uint8Array(100_000), give: () => undefined };
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 60_000 }), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 20 }),
        fc.constantFrom(undefined, buffers),
        (sizes, cuts, given) => {
          const frames = sizes.map((size, n) => Buffer.alloc(size, n + 1));
          const stream = Buffer.concat(
            frames.flatMap((frame) => {
              const size = Buffer.alloc(4);
              size.writeInt32BE(frame.length);
              return [size, frame];
            }),
          );
          const splitter = new FrameSplitter(60_000, given);
          const got: Buffer[] = [];
          const take = (frame: Uint8Array): void => {
            got.push(Buffer.from(frame));
            frame.fill(0xee);
          };
          for (let at = 0, i = 0; at < stream.length; i++) {
            const { room } = splitter;
            const cut = Math.min(cuts[i % cuts.length] ?? 1, room?.length ?? Infinity);
            const chunk = stream.subarray(at, at + cut);
            at += chunk.length;
            if (room === undefined) splitter.push(Buffer.from(chunk), take);
            else {
              room.set(chunk);
              splitter.filled(chunk.length, take);
            }
          }
          assert.deepEqual(got, frames);
        },
      ),
      runs(200),
    );
  });

  it("refuses a frame of 2 GB or of negative size before holding any of it", () => {
    for (const size of [2 ** 31 - 1, -1, 1001]) {
      const splitter = new FrameSplitter(1000);
      const claim = Buffer.alloc(4);
      claim.writeInt32BE(size);
      assert.throws(() => splitter.push(claim, () => assert.fail()), MalformedError);
    }
  });

  it("holds no more than what came of a frame that claims much", () => {
    const splitter = new FrameSplitter(100 * 1024 * 1024);
    const claim = Buffer.alloc(10);
    claim.writeInt32BE(100 * 1024 * 1024 - 1);
    splitter.push(claim, () => assert.fail());
    assert.equal(splitter.buffered, 10);
    assert(splitter.capacity <= 4096, "a first buffer, whatever was claimed");
    const chunk = Buffer.alloc(50_000);
    for (let came = 10; came < 1_000_000;) {
      splitter.push(chunk, () => assert.fail());
      came += chunk.length;
      assert.equal(splitter.buffered, came);
      assert(splitter.capacity <= 2 * came, `${splitter.capacity} bytes held for ${came}`);
    }
  });

  it("gives back a buffer that grew for one large frame", () => {
    const splitter = new FrameSplitter(8 * 1024 * 1024);
    const frame = Buffer.alloc(4 + 4 * 1024 * 1024);
    frame.writeInt32BE(frame.length - 4);
    let frames = 0;
    for (let at = 0; at < frame.length; at += 100_000) {
      splitter.push(frame.subarray(at, at + 100_000), (whole) => {
        frames++;
        assert.equal(whole.length, frame.length - 4);
      });
    }
    assert.equal(frames, 1);
    assert.equal(splitter.capacity, 0);
  });
});
