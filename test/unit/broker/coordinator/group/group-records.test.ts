import assert from "node:assert/strict";
import fc from "fast-check";
import type { GroupRecord } from "../../../../../broker/coordinator/group/group-metadata.ts";
import {
  decodeRecord,
  encodeKey,
  encodeValue,
} from "../../../../../broker/coordinator/group/group-records.ts";

const hex = (bytes: Uint8Array | null): string => Buffer.from(bytes ?? []).toString("hex");
const blob = fc.uint8Array({ maxLength: 300 });
const text = fc.string({ unit: "grapheme", maxLength: 200 });
const plain = { noNullPrototype: true };
const record: fc.Arbitrary<GroupRecord> = fc.oneof(
  fc.record(
    {
      kind: fc.constant("offset" as const),
      groupId: text,
      topic: text,
      partition: fc.nat(),
      value: fc.option(
        fc.record(
          {
            offset: fc.maxSafeNat(),
            leaderEpoch: fc.integer({ min: -1, max: 1000 }),
            metadata: text,
            commitTimestamp: fc.maxSafeNat(),
            expireTimestamp: fc.constant(-1),
            topicId: fc.option(fc.uuid(), { nil: undefined }),
          },
          plain,
        ),
      ),
    },
    plain,
  ),
  fc.record(
    {
      kind: fc.constant("group" as const),
      groupId: text,
      value: fc.option(
        fc.record(
          {
            protocolType: text,
            generation: fc.nat(),
            protocol: fc.option(text),
            leader: fc.option(text),
            currentStateTimestamp: fc.maxSafeNat(),
            members: fc.array(
              fc.record(
                {
                  memberId: text,
                  groupInstanceId: fc.option(text),
                  clientId: text,
                  clientHost: text,
                  rebalanceTimeoutMs: fc.nat(),
                  sessionTimeoutMs: fc.nat(),
                  subscription: blob,
                  assignment: blob,
                },
                plain,
              ),
              { maxLength: 4 },
            ),
          },
          plain,
        ),
      ),
    },
    plain,
  ),
);

describe("records of __consumer_offsets", () => {
  it("are read as they were written", () => {
    fc.assert(
      fc.property(record, (each) => {
        assert.deepEqual(decodeRecord(encodeKey(each), encodeValue(each)), each);
      }),
      { seed: 3 },
    );
  });

  it("have Kafka's bytes for an offset with a topic id (key 1, value 4)", () => {
    const each: GroupRecord = {
      kind: "offset",
      groupId: "g",
      topic: "t",
      partition: 2,
      value: {
        offset: 7,
        leaderEpoch: 3,
        metadata: "m",
        commitTimestamp: 256,
        expireTimestamp: -1,
        topicId: "00112233-4455-6677-8899-aabbccddeeff",
      },
    };
    assert.equal(hex(encodeKey(each)), "0001" + "000167" + "000174" + "00000002");
    assert.equal(
      hex(encodeValue(each)),
      "0004" +
        "0000000000000007" +
        "00000003" +
        "026d" +
        "0000000000000100" +
        "010010" +
        "00112233445566778899aabbccddeeff",
    );
  });

  it("keep the expiry that an old client asked for (value 1)", () => {
    const value = {
      offset: 7,
      leaderEpoch: -1,
      metadata: "",
      commitTimestamp: 5,
      expireTimestamp: 9,
      topicId: undefined,
    };
    const each: GroupRecord = { kind: "offset", groupId: "g", topic: "t", partition: 0, value };
    assert.equal(hex(encodeValue(each)).slice(0, 4), "0001");
    assert.deepEqual(decodeRecord(encodeKey(each), encodeValue(each)), each);
  });

  it("leave keys of other coordinators unread, and refuse bytes that end too soon", () => {
    assert.equal(decodeRecord(Uint8Array.of(0, 3, 0, 1, 0x67), new Uint8Array(4)), undefined);
    assert.throws(() => decodeRecord(Uint8Array.of(0, 2, 0, 9, 0x67), null), RangeError);
  });
});
