import assert from "node:assert/strict";
import { ProducerState } from "../../../../broker/log/producer-state.ts";
import { ProtocolError } from "../../../../broker/errors.ts";
import { ErrorCode, errorName } from "../../../../broker/protocol/error-codes.ts";
import { type BatchWish, headerOf, T0 } from "../../../support/batches.ts";

const MAX = 2 ** 31 - 1;

function wish(sequence: number, count = 1, epoch = 0, rest: BatchWish = {}): BatchWish {
  return { producerId: 9, producerEpoch: epoch, baseSequence: sequence, count, ...rest };
}

function stateAfter(...wishes: BatchWish[]): ProducerState {
  const state = new ProducerState();
  let offset = 0;
  for (const one of wishes) {
    state.update(headerOf({ baseOffset: offset, ...one }));
    offset += one.count ?? 1;
  }
  return state;
}

/** The base offset of the batch that it repeats, "new", or the name of the refusal. */
function verdict(state: ProducerState, asked: BatchWish): number | string {
  try {
    return state.check(headerOf(asked))?.baseOffset ?? "new";
  } catch (error) {
    assert(error instanceof ProtocolError);
    return errorName(error.errorCode);
  }
}

const OUT_OF_ORDER = errorName(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
const FENCED = errorName(ErrorCode.INVALID_PRODUCER_EPOCH);

describe("producer state", () => {
  const cases: [string, BatchWish[], BatchWish, number | string][] = [
    ["an unknown producer begins at any sequence (KIP-360)", [], wish(55), "new"],
    ["the next sequence", [wish(0, 3)], wish(3), "new"],
    ["a gap", [wish(0, 3)], wish(4), OUT_OF_ORDER],
    ["a step back that is no repeat", [wish(0, 3)], wish(2), OUT_OF_ORDER],
    ["a repeat of the newest", [wish(0, 3), wish(3, 2)], wish(3, 2), 3],
    ["a repeat of one before", [wish(0, 3), wish(3, 2)], wish(0, 3), 0],
    ["a repeat of another length", [wish(0, 3)], wish(0, 2), OUT_OF_ORDER],
    [
      "a repeat of the fifth newest",
      [wish(0), wish(1), wish(2), wish(3), wish(4), wish(5)],
      wish(1),
      1,
    ],
    [
      "a repeat of the sixth newest",
      [wish(0), wish(1), wish(2), wish(3), wish(4), wish(5)],
      wish(0),
      OUT_OF_ORDER,
    ],
    ["an older epoch", [wish(0, 1, 2)], wish(1, 1, 1), FENCED],
    ["a newer epoch from its beginning", [wish(0, 3)], wish(0, 1, 1), "new"],
    ["a newer epoch not from its beginning", [wish(0, 3)], wish(3, 1, 1), OUT_OF_ORDER],
    ["the sequence goes on at 0 behind the largest", [wish(MAX)], wish(0), "new"],
    ["a batch across the largest sequence", [wish(MAX - 1, 4)], wish(2), "new"],
    ["a repeat across the largest sequence", [wish(MAX - 1, 4)], wish(MAX - 1, 4), 0],
    ["another producer is its own", [wish(0, 3)], { ...wish(7), producerId: 10 }, "new"],
    [
      "behind a marker of a newer epoch, from the beginning",
      [wish(0, 3), wish(-1, 1, 1, { control: true, transactional: true })],
      wish(0, 1, 1),
      "new",
    ],
    [
      "behind a marker of a newer epoch, not from the beginning",
      [wish(0, 3), wish(-1, 1, 1, { control: true, transactional: true })],
      wish(3, 1, 1),
      OUT_OF_ORDER,
    ],
    [
      "behind a marker of the same epoch the sequence goes on",
      [wish(0, 3, 0, { transactional: true }), wish(-1, 1, 0, { control: true })],
      wish(3),
      "new",
    ],
  ];
  for (const [name, before, asked, expected] of cases) {
    it(`judges ${name}: ${expected}`, () => {
      assert.equal(verdict(stateAfter(...before), asked), expected);
      // And as well when the state came from its snapshot.
      const read = ProducerState.decode(stateAfter(...before).encode());
      assert(read);
      assert.equal(verdict(read, asked), expected, "read back");
    });
  }

  it("takes no notice of batches without a producer id", () => {
    assert.equal(stateAfter({ count: 3 }).size, 0);
  });

  it("knows the first offset of the oldest open transaction", () => {
    const open = { transactional: true };
    const state = stateAfter(wish(0), wish(1, 2, 0, open), {
      ...wish(0, 1, 0, open),
      producerId: 8,
    });
    assert.equal(state.firstOpenTransaction(), 1);
    state.update(headerOf({ ...wish(-1, 1, 0, { control: true }), baseOffset: 4 }));
    assert.equal(state.firstOpenTransaction(), 3);
    state.update(headerOf({ ...wish(-1, 1, 0, { control: true }), producerId: 8, baseOffset: 5 }));
    assert.equal(state.firstOpenTransaction(), undefined);
  });

  it("forgets producers that were idle, but none with an open transaction", () => {
    const state = stateAfter(
      { ...wish(0), producerId: 1, timestamp: T0 - 10 },
      { ...wish(0, 1, 0, { transactional: true }), producerId: 2, timestamp: T0 - 10 },
      { ...wish(0), producerId: 3, timestamp: T0 },
    );
    state.expire(T0);
    assert.deepEqual(
      [...state.entries()].map(({ producerId }) => producerId),
      [2, 3],
    );
  });

  for (const [offset, expected] of [
    [0, true],
    [4, true],
    [5, false],
  ] as const) {
    it(`says whether something of it lies at or after ${offset}`, () => {
      assert.equal(stateAfter(wish(0, 2), wish(2, 3)).reaches(offset), expected);
    });
  }

  it("is read back from its snapshot", () => {
    const state = stateAfter(
      wish(0, 2),
      wish(2, 3, 0, { transactional: true, timestamp: T0 + 5 }),
      { ...wish(MAX, 2, 3), producerId: 2 ** 40 },
    );
    const read = ProducerState.decode(state.encode());
    assert(read);
    assert.deepEqual([...read.entries()], [...state.entries()]);
  });

  it("begins its snapshot as Kafka's producer snapshot does", () => {
    const bytes = Buffer.from(stateAfter(wish(5, 2, 1, { baseOffset: 40 })).encode());
    assert.equal(bytes.readInt16BE(0), 1, "version");
    assert.equal(bytes.readInt32BE(6), 1, "producers");
    assert.equal(bytes.readBigInt64BE(10), 9n, "producer id");
    assert.equal(bytes.readInt16BE(18), 1, "epoch");
    assert.equal(bytes.readInt32BE(20), 6, "last sequence");
    assert.equal(bytes.readBigInt64BE(24), 41n, "last offset");
    assert.equal(bytes.readInt32BE(32), 1, "offset delta");
    assert.equal(bytes.readBigInt64BE(36), BigInt(T0), "timestamp");
    assert.equal(bytes.readInt32BE(44), -1, "coordinator epoch");
    assert.equal(bytes.readBigInt64BE(48), -1n, "first offset of its transaction");
  });

  it("does not believe a snapshot that is damaged or cut short", () => {
    const whole = stateAfter(wish(0, 2), { ...wish(0), producerId: 3 }).encode();
    for (let i = 0; i < whole.length; i++) {
      assert.equal(ProducerState.decode(whole.subarray(0, i)), undefined, `${i} bytes`);
      const damaged = whole.slice();
      damaged[i] = (damaged[i] ?? 0) ^ 0x80;
      assert.equal(ProducerState.decode(damaged), undefined, `byte ${i}`);
    }
  });
});
