import assert from "node:assert/strict";
import { fetchRequest, fetchResponse } from "../../../../broker/protocol/messages/fetch.ts";
import { produceRequest } from "../../../../broker/protocol/messages/produce.ts";
import { INT64_MAX } from "../../../../broker/protocol/int64.ts";
import { MalformedError } from "../../../../broker/protocol/reader.ts";
import {
  batchAt,
  batchSizeAt,
  buildBatch,
  crcMatches,
  iterateBatches,
  type LogRecord,
  readRecords,
  stampBatch,
  stampLogAppendTime,
} from "../../../../broker/protocol/record-batch.ts";
import { fromHex, kafkaBytes, toHex } from "./kafka-bytes.ts";

const T = 1_700_000_000_000;
const text = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Buffer.from(bytes).toString();
const utf8 = (value: string): Uint8Array => Buffer.from(value);

const threeRecords = [
  {
    key: utf8("k1"),
    value: utf8("v1"),
    timestamp: T,
    headers: [
      { key: "h", value: utf8("x") },
      { key: "n", value: null },
    ],
  },
  { value: utf8("v2"), timestamp: T + 5 },
  { key: utf8("k3"), timestamp: T - 10 },
];

function readable(record: LogRecord): unknown[] {
  const headers = record.headers.map(({ key, value }) => `${key}=${String(text(value))}`);
  return [record.offset, record.timestamp, text(record.key), text(record.value), ...headers];
}

describe("record batch", () => {
  it("is built byte for byte as Kafka builds it", () => {
    assert.equal(toHex(buildBatch({ records: threeRecords })), kafkaBytes.batch);
    const transactional = buildBatch({
      producerId: 4001,
      producerEpoch: 1,
      baseSequence: 17,
      transactional: true,
      records: [{ key: utf8("k"), value: utf8("a".repeat(90)), timestamp: T }],
    });
    assert.equal(toHex(transactional), kafkaBytes.transactional);
    const marker = buildBatch({
      baseOffset: 10,
      leaderEpoch: 3,
      producerId: 4000,
      producerEpoch: 2,
      transactional: true,
      control: true,
      records: [{ key: fromHex("00000001"), value: fromHex("000000000008"), timestamp: T }],
    });
    assert.equal(toHex(marker), kafkaBytes.commitMarker);
  });

  it("of Kafka's is read: header, records, their headers and nulls", () => {
    const bytes = fromHex(kafkaBytes.batch);
    const batch = batchAt(bytes, 0);
    assert(crcMatches(bytes, batch));
    assert.deepEqual(readRecords(bytes, batch).map(readable), [
      [0, T, "k1", "v1", "h=x", "n=null"],
      [1, T + 5, null, "v2"],
      [2, T - 10, "k3", null],
    ]);
    assert.deepEqual(
      { ...batch, crc: undefined },
      {
        position: 0,
        size: 97,
        baseOffset: 0,
        lastOffset: 2,
        partitionLeaderEpoch: -1,
        magic: 2,
        crc: undefined,
        attributes: 0,
        lastOffsetDelta: 2,
        baseTimestamp: T,
        maxTimestamp: T + 5,
        producerId: -1,
        producerEpoch: -1,
        baseSequence: -1,
        count: 3,
        codec: 0,
        logAppendTime: false,
        transactional: false,
        control: false,
        deleteHorizon: false,
      },
    );
  });

  it("of Kafka's is opened with each codec, snappy in Java's framing", () => {
    const codecs = { gzip: 1, snappy: 2, lz4: 3, zstd: 4 };
    for (const [name, codec] of Object.entries(codecs)) {
      const bytes = fromHex(kafkaBytes.compressed[name as keyof typeof codecs]);
      const batch = batchAt(bytes, 0);
      assert.equal(batch.codec, codec);
      assert(crcMatches(bytes, batch), name);
      const value = "a".repeat(90);
      assert.deepEqual(
        readRecords(bytes, batch).map(readable),
        [0, 1].map((offset) => [offset, T, "k", value]),
      );
      // The two records are 200 bytes together.
      assert.equal(readRecords(bytes, batch, 200).length, 2);
      assert.throws(() => readRecords(bytes, batch, 199), MalformedError, name);
    }
  });

  it("of Kafka's transactions is read: producer, sequence, control bit", () => {
    const one = batchAt(fromHex(kafkaBytes.transactional), 0);
    assert.deepEqual(
      [one.producerId, one.producerEpoch, one.baseSequence, one.transactional, one.control],
      [4001, 1, 17, true, false],
    );
    const marker = batchAt(fromHex(kafkaBytes.commitMarker), 0);
    assert.deepEqual(
      [marker.baseOffset, marker.partitionLeaderEpoch, marker.transactional, marker.control],
      [10, 3, true, true],
    );
  });

  it("takes offset and leader epoch without a new checksum", () => {
    const bytes = fromHex(kafkaBytes.batch);
    stampBatch(bytes, 0, 2 ** 40 + 3, 9);
    const batch = batchAt(bytes, 0);
    assert.deepEqual([batch.baseOffset, batch.lastOffset], [2 ** 40 + 3, 2 ** 40 + 5]);
    assert.equal(batch.partitionLeaderEpoch, 9);
    assert(crcMatches(bytes, batch));
    assert.deepEqual(toHex(bytes).slice(32), kafkaBytes.batch.slice(32), "from the magic on");
  });

  it("takes LogAppendTime as Kafka stamps it: attributes, largest timestamp and checksum", () => {
    const bytes = fromHex(kafkaBytes.batch);
    stampBatch(bytes, 0, 42, 6);
    stampLogAppendTime(bytes, 0, bytes.length, T + 1234);
    assert.equal(toHex(bytes), kafkaBytes.batchStamped);
    const batch = batchAt(bytes, 0);
    assert(batch.logAppendTime && crcMatches(bytes, batch));
    const times = readRecords(bytes, batch).map((record) => record.timestamp);
    assert.deepEqual(times, [T + 1234, T + 1234, T + 1234], "of every record");
  });

  it("is stamped where it lies, among others", () => {
    const one = fromHex(kafkaBytes.batch);
    const bytes = Buffer.concat([one, one, one]);
    stampBatch(bytes, one.length, 42, 6);
    stampLogAppendTime(bytes, one.length, one.length, T + 1234);
    assert.equal(toHex(bytes), kafkaBytes.batch + kafkaBytes.batchStamped + kafkaBytes.batch);
    assert.deepEqual(
      [...iterateBatches(bytes)].map((batch) => [batch.position, batch.baseOffset]),
      [
        [0, 0],
        [97, 42],
        [194, 0],
      ],
    );
  });

  it("cut short or of a size that cannot be is refused", () => {
    const bytes = fromHex(kafkaBytes.batch);
    for (let length = 1; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length);
      assert.throws(() => [...iterateBatches(cut)], MalformedError);
    }
    for (const size of [-12, -1, 0, 48]) {
      const changed = fromHex(kafkaBytes.batch);
      changed.writeInt32BE(size, 8);
      assert.throws(() => batchAt(changed, 0), MalformedError, String(size));
    }
    assert.equal(batchSizeAt(bytes, bytes.length - 11), undefined);
  });

  it("is refused when its records do not fill it, or their lengths do not fit", () => {
    const cases: [string, (bytes: Buffer) => void][] = [
      ["fewer records than bytes", (bytes) => bytes.writeInt32BE(2, 57)],
      ["more records than bytes", (bytes) => bytes.writeInt32BE(4, 57)],
      ["a negative count", (bytes) => bytes.writeInt32BE(-1, 57)],
      ["a count beyond all bytes", (bytes) => bytes.writeInt32BE(2 ** 31 - 1, 57)],
      ["a record that is longer than the batch", (bytes) => bytes.writeUInt8(0x7e, 61)],
      ["a record of a negative length", (bytes) => bytes.writeUInt8(0x01, 61)],
      ["a key that is longer than its record", (bytes) => bytes.writeUInt8(0x7e, 65)],
    ];
    for (const [name, change] of cases) {
      const bytes = fromHex(kafkaBytes.batch);
      change(bytes);
      assert.throws(() => readRecords(bytes, batchAt(bytes, 0)), MalformedError, name);
    }
  });
});

describe("Produce", () => {
  it("is written and read byte for byte at version 9", () => {
    const batch = fromHex(kafkaBytes.batch);
    const partition = { index: 2, records: batch };
    const value = {
      acks: -1,
      timeoutMs: 1500,
      topicData: [{ name: "orders", partitionData: [partition] }],
    };
    assert.equal(toHex(produceRequest.encode(value, 9)), kafkaBytes.produceRequest9);
    const read = produceRequest.decode(fromHex(kafkaBytes.produceRequest9), 0, 9);
    assert.deepEqual([read.transactionalId, read.acks, read.timeoutMs], [null, -1, 1500]);
    assert.equal(read.topicData[0]?.name, "orders");
    const records = read.topicData[0].partitionData[0]?.records;
    assert(records !== null && records !== undefined);
    assert.equal(toHex(records), kafkaBytes.batch);
  });
});

describe("Fetch", () => {
  const topicId = "00010203-0405-0607-0809-0a0b0c0d0e0f";

  it("is written and read byte for byte at version 18, its tagged fields in their places", () => {
    const value = {
      clusterId: "c1",
      replicaState: { replicaId: 2, replicaEpoch: 77 },
      maxWaitMs: 500,
      minBytes: 1,
      topics: [
        {
          topicId,
          partitions: [
            { partition: 1, fetchOffset: 99, partitionMaxBytes: 1000, highWatermark: 98 },
            { partition: 2, fetchOffset: 0, partitionMaxBytes: 1000 },
          ],
        },
      ],
    };
    assert.equal(toHex(fetchRequest.encode(value, 18)), kafkaBytes.fetchRequest18);
    const read = fetchRequest.decode(fromHex(kafkaBytes.fetchRequest18), 0, 18);
    assert.deepEqual(read.replicaState, { replicaId: 2, replicaEpoch: 77 });
    assert.deepEqual(
      read.topics[0]?.partitions.map((each) => each.highWatermark),
      [98, INT64_MAX],
    );
    assert.equal(toHex(fetchRequest.encode(read, 18)), kafkaBytes.fetchRequest18);
  });

  it("is answered byte for byte at version 12, with the current leader", () => {
    const partition = {
      partitionIndex: 0,
      errorCode: 6,
      highWatermark: 5,
      currentLeader: { leaderId: 4, leaderEpoch: 9 },
      abortedTransactions: null,
    };
    const value = { sessionId: 3, responses: [{ topic: "t", partitions: [partition] }] };
    assert.equal(toHex(fetchResponse.encode(value, 12)), kafkaBytes.fetchResponse12);
    const read = fetchResponse.decode(fromHex(kafkaBytes.fetchResponse12), 0, 12);
    assert.equal(toHex(fetchResponse.encode(read, 12)), kafkaBytes.fetchResponse12);
  });
});
