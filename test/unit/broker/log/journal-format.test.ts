import assert from "node:assert/strict";
import {
  type Entry,
  ENTRY_HEADER_BYTES,
  EntryKind,
  type EntryKindValue,
  fileHeader,
  FILE_HEADER_BYTES,
  readEntry,
  readFileHeader,
  sealEntry,
} from "../../../../broker/log/journal-format.ts";
import { batchOf } from "../../../support/batches.ts";

const TOPIC = Uint8Array.from({ length: 16 }, (_, i) => i * 3);
const POSITION = 2 ** 40 + 17;
/** Bytes of the header that mean nothing, but are under the checksum of their word. */
const AT = 5;
const SYNCED_BEHIND = 1000;

function sealed(kind: EntryKindValue, payload: Uint8Array): Uint8Array {
  const length = ENTRY_HEADER_BYTES + payload.length;
  const bytes = new Uint8Array(AT + length + 7);
  bytes.set(payload, AT + ENTRY_HEADER_BYTES);
  sealEntry(bytes, AT, length, POSITION, POSITION - SYNCED_BEHIND, {
    kind,
    topicId: TOPIC,
    partition: 12,
    offset: 2 ** 45,
  });
  return bytes;
}

const payloads: Record<keyof typeof EntryKind, Uint8Array> = {
  append: batchOf({ count: 3, valueBytes: 100, baseOffset: 2 ** 45 }),
  truncate: new Uint8Array(0),
  startAt: new Uint8Array(0),
  epoch: Uint8Array.of(0, 0, 0, 9),
  logStart: new Uint8Array(0),
};

describe("journal entry", () => {
  for (const [name, kind] of Object.entries(EntryKind)) {
    const payload = payloads[name as keyof typeof EntryKind];
    const bytes = sealed(kind, payload);

    it(`of kind ${name} is read back as it was sealed`, () => {
      const entry = readEntry(bytes, AT, POSITION);
      assert.deepEqual(
        { ...entry, topicId: [...(entry?.topicId ?? [])], payload: [...(entry?.payload ?? [])] },
        {
          kind,
          topicId: [...TOPIC],
          partition: 12,
          offset: 2 ** 45,
          syncedBefore: POSITION - 1024,
          payload: [...payload],
          next: AT + ENTRY_HEADER_BYTES + payload.length,
        } satisfies Omit<Entry, "topicId" | "payload"> & Record<"topicId" | "payload", number[]>,
      );
    });

    it(`of kind ${name} is refused when any of its bytes is another`, () => {
      for (let i = AT; i < AT + ENTRY_HEADER_BYTES + payload.length; i++) {
        const damaged = bytes.slice();
        damaged[i] = (damaged[i] ?? 0) ^ 0x20;
        assert.equal(readEntry(damaged, AT, POSITION), undefined, `byte ${i - AT}`);
      }
    });

    it(`of kind ${name} is refused when it is cut short`, () => {
      for (let end = AT; end < AT + ENTRY_HEADER_BYTES + payload.length; end++) {
        assert.equal(readEntry(bytes.subarray(0, end), AT, POSITION), undefined, `${end - AT}`);
      }
    });

    it(`of kind ${name} is refused at another journal position, as in a recycled file`, () => {
      assert.equal(readEntry(bytes, AT, POSITION + 1), undefined);
      assert.equal(readEntry(bytes, AT, 0), undefined);
    });
  }

  const BEHIND: readonly (readonly [synced: number, said: number])[] = [
    [POSITION, POSITION],
    [POSITION - 1, POSITION - 64],
    [POSITION - 64, POSITION - 64],
    [POSITION - 2 ** 29, POSITION - 2 ** 29],
    // Too far to be said.
    [POSITION - 2 ** 30, 0],
  ];
  for (const [synced, said] of BEHIND) {
    it(`says what was synced ${POSITION - synced} bytes before it, never too much`, () => {
      const bytes = new Uint8Array(ENTRY_HEADER_BYTES);
      const head = { kind: EntryKind.truncate, topicId: TOPIC, partition: 0, offset: 0 };
      sealEntry(bytes, 0, ENTRY_HEADER_BYTES, POSITION, synced, head);
      assert.equal(readEntry(bytes, 0, POSITION)?.syncedBefore, said);
      assert.ok(said <= synced);
    });
  }

  it("is not seen in a hole of zeros", () => {
    assert.equal(readEntry(new Uint8Array(1000), 0, 0), undefined);
  });
});

describe("journal file header", () => {
  it("gives the start position back", () => {
    assert.equal(fileHeader(2 ** 50).length, FILE_HEADER_BYTES);
    assert.equal(readFileHeader(fileHeader(2 ** 50)), 2 ** 50);
    assert.equal(readFileHeader(fileHeader(0)), 0);
  });

  it("is refused when it is damaged, cut short or never written", () => {
    for (let i = 0; i < 16; i++) {
      const damaged = fileHeader(12345);
      damaged[i] = (damaged[i] ?? 0) ^ 0x01;
      assert.equal(readFileHeader(damaged), undefined, `byte ${i}`);
    }
    assert.equal(readFileHeader(fileHeader(1).subarray(0, FILE_HEADER_BYTES - 1)), undefined);
    assert.equal(readFileHeader(new Uint8Array(FILE_HEADER_BYTES)), undefined);
  });
});
