import assert from "node:assert/strict";
import { bareServices } from "../../../unit/broker/network/fakes.ts";
import fc from "fast-check";
import { ProtocolError } from "../../../../broker/errors.ts";
import { servedApis } from "../../../../broker/handlers/index.ts";
import { parseBatches, validateBatch } from "../../../../broker/log/append-validation.ts";
import { DEFAULT_LOG_CONFIG } from "../../../../broker/log/log-manager.ts";
import { type Answer, Dispatcher, type ServedApi } from "../../../../broker/network/dispatch.ts";
import type { CompressionCodec } from "../../../../broker/protocol/compression.ts";
import { ErrorCode } from "../../../../broker/protocol/error-codes.ts";
import { FrameSplitter } from "../../../../broker/protocol/framing.ts";
import { encodeRequest } from "../../../../broker/protocol/headers.ts";
import {
  type ProduceRequest,
  produceRequest,
} from "../../../../broker/protocol/messages/produce.ts";
import { MalformedError, MAX_REQUEST_ELEMENTS } from "../../../../broker/protocol/reader.ts";
import { buildBatch, crcMatches, readRecords } from "../../../../broker/protocol/record-batch.ts";
import { concatBytes, totalLength } from "../../../../lib/bytes.ts";
import { crc32c } from "../../../../lib/crc32c.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { valueOf } from "../../../support/message-values.ts";
import { mutate, mutation } from "../../../support/mutations.ts";
import { recordedFrames } from "../../../support/recorded-frames.ts";
import { runs } from "../../../support/runs.ts";

const MAX_FRAME_BYTES = 1024 * 1024;
const MAX_OPENED_BYTES = 256 * 1024;
const T0 = 1_700_000_000_000;
/** What may be wrong with records as they arrive; anything else would be a fault of the broker. */
const RECORD_ERRORS: ReadonlySet<number> = new Set([
  ErrorCode.CORRUPT_MESSAGE,
  ErrorCode.INVALID_RECORD,
  ErrorCode.MESSAGE_TOO_LARGE,
  ErrorCode.INVALID_TIMESTAMP,
  ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
]);

/** What was found in one case. */
interface Outcome {
  frames: number;
  answered: number;
  refused: number;
  opened: number;
}

/** What a decoded request takes in memory: its parts counted, and its text. */
function sizeOf(value: unknown, count: { parts: number; text: number }): void {
  count.parts++;
  if (typeof value === "string") count.text += value.length;
  else if (Array.isArray(value)) for (const one of value) sizeOf(one, count);
  else if (typeof value === "object" && value !== null && !(value instanceof Uint8Array)) {
    for (const one of Object.values(value)) sizeOf(one, count);
  }
}

function openRecords(records: Uint8Array, outcome: Outcome): void {
  try {
    for (const batch of parseBatches(records, "coordinator")) {
      let valid = true;
      try {
        validateBatch(records, batch, DEFAULT_LOG_CONFIG, T0, "client");
      } catch (error) {
        assert(error instanceof ProtocolError && RECORD_ERRORS.has(error.errorCode), String(error));
        valid = false;
      }
      assert(!valid || crcMatches(records, batch));
      // Whoever looks into a batch does so behind its checksum; one with the right checksum may still be hostile.
      let opened = 0;
      for (const { key, value, headers } of readRecords(records, batch, MAX_OPENED_BYTES)) {
        opened += (key?.length ?? 0) + (value?.length ?? 0);
        for (const header of headers) opened += header.key.length + (header.value?.length ?? 0);
      }
      assert(opened <= Math.max(MAX_OPENED_BYTES, records.length), "decompression is bounded");
      outcome.opened++;
    }
  } catch (error) {
    if (error instanceof MalformedError) return;
    assert(error instanceof ProtocolError && RECORD_ERRORS.has(error.errorCode), String(error));
  }
}

/** A broker's path of a request from the socket up to its handler, which looks at what it got. */
class Path {
  readonly #outcome: Outcome = { frames: 0, answered: 0, refused: 0, opened: 0 };
  readonly #dispatcher: Dispatcher;
  #frameBytes = 0;

  constructor() {
    const looking = new Map<number, ServedApi>();
    for (const [key, { api }] of servedApis) {
      looking.set(key, { api, handler: (_context, request) => this.#look(key, request) });
    }
    this.#dispatcher = new Dispatcher(looking, silentLogger, (error) => {
      throw error;
    });
  }

  #look(key: number, request: unknown): object {
    const count = { parts: 0, text: 0 };
    sizeOf(request, count);
    // A struct may be two bytes on the wire; its fields and their defaults, a topic id at most, come on top.
    const bound = 40 * this.#frameBytes + 2000;
    assert(count.parts <= bound, `${count.parts} values of ${this.#frameBytes} bytes`);
    assert(count.text <= bound, `${count.text} characters of ${this.#frameBytes} bytes`);
    if (key === produceRequest.head.apiKey) {
      for (const { partitionData } of (request as ProduceRequest).topicData) {
        for (const { records } of partitionData) {
          if (records !== null) openRecords(records, this.#outcome);
        }
      }
    }
    return {};
  }

  /** Takes a stream in chunks until it is refused or at its end. */
  take(stream: Uint8Array, chunk: number): Outcome {
    const outcome = this.#outcome;
    Object.assign(outcome, { frames: 0, answered: 0, refused: 0, opened: 0 });
    const splitter = new FrameSplitter(MAX_FRAME_BYTES);
    try {
      for (let at = 0; at < stream.length; at += chunk) {
        splitter.push(stream.subarray(at, at + chunk), (frame) => {
          outcome.frames++;
          this.#frameBytes = frame.length;
          const answer = this.#dispatcher.dispatch(frame, {
            services: bareServices(),
            clientHost: "192.0.2.1:1",
            listener: "internal",
          });
          assert(!(answer instanceof Promise), "these handlers do not wait");
          checkAnswer(frame, answer);
          outcome.answered++;
        });
        assert(splitter.capacity <= 4096 + 2 * (at + chunk), "no more is held than has come");
      }
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      outcome.refused++;
    }
    return outcome;
  }
}

function checkAnswer(frame: Uint8Array, answer: Answer | undefined): void {
  assert(answer !== undefined);
  const bytes = concatBytes(answer.parts);
  assert.equal(totalLength(answer.parts), bytes.length);
  assert.deepEqual(bytes.subarray(0, 4), frame.slice(4, 8), "the correlation id comes back");
}

function framed(frame: Uint8Array): Uint8Array {
  const out = new Uint8Array(4 + frame.length);
  new DataView(out.buffer).setInt32(0, frame.length);
  out.set(frame, 4);
  return out;
}

/** Frames of every served API in every version, with any values that fit. */
function generatedFrames(): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (const { api } of servedApis.values()) {
    for (let version = api.firstAccepted; version <= api.maxVersion; version++) {
      const values = fc.sample(valueOf(api.request.fields, version), {
        numRuns: 4,
        seed: 1000 * api.key + version,
      });
      for (const value of values) {
        frames.push(concatBytes(encodeRequest(api.request, version, 7, "fuzz", value as never)));
      }
    }
  }
  return frames;
}

function batchOf(codec: CompressionCodec, count: number): Uint8Array {
  return buildBatch({
    compression: codec,
    producerId: 5,
    producerEpoch: 0,
    baseSequence: 0,
    records: Array.from({ length: count }, (_, i) => ({
      key: Buffer.from(`key-${i}`),
      value: Buffer.alloc(20 * i, 97),
      timestamp: T0 + i,
      headers: [{ key: "h", value: Buffer.from("v") }],
    })),
  });
}

/** Makes the checksum of a single batch right again, so that what lies behind it is reached. */
function reseal(batch: Uint8Array): Uint8Array {
  if (batch.length < 61) return batch;
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  view.setInt32(8, batch.length - 12);
  view.setUint32(17, crc32c(batch, 21, batch.length));
  return batch;
}

describe("fuzzing the way of a request", () => {
  const recorded = recordedFrames();
  const path = new Path();
  const changes = fc.array(mutation, { minLength: 1, maxLength: 5, size: "max" });
  const chunk = fc.constantFrom(65_536, 7, 100);

  it("takes every recorded and every generated frame as it is", () => {
    const frames = [...recorded.map(({ frame }) => frame), ...generatedFrames()];
    for (const frame of frames) {
      const { answered, refused } = path.take(framed(frame), 65_536);
      assert.deepEqual({ answered, refused }, { answered: 1, refused: 0 });
    }
    const clients = new Set(recorded.map(({ client }) => client));
    assert.deepEqual([...clients].sort(), ["java", "kafkajs", "librdkafka", "platformatic"]);
  });

  /** Each case is a stream of two changed frames; what it comes to is one of the few things it may. */
  const fuzz = (frames: readonly Uint8Array[], count: number): void => {
    const seen = { answered: 0, refused: 0, opened: 0 };
    fc.assert(
      fc.property(
        fc.nat(frames.length - 1),
        changes,
        chunk,
        fc.boolean(),
        (i, list, size, whole) => {
          const frame = frames[i] ?? new Uint8Array(0);
          // Either what is in the frame is changed, or the stream with its sizes as well.
          const stream = whole
            ? framed(list.reduce(mutate, frame))
            : list.reduce(mutate, concatBytes([framed(frame), framed(frame)]));
          const outcome = path.take(stream, size);
          assert(outcome.frames <= 1 + stream.length / 4);
          seen.answered += outcome.answered;
          seen.refused += outcome.refused;
          seen.opened += outcome.opened;
        },
      ),
      runs(count),
    );
    // A fuzzer that is always refused at the door tests the door only.
    assert(seen.answered > count / 10 && seen.refused > count / 10, JSON.stringify(seen));
  };

  it("recorded frames, changed: 40,000 cases", () => {
    const before = process.memoryUsage.rss();
    fuzz(
      recorded.map(({ frame }) => frame),
      40_000,
    );
    const grown = process.memoryUsage.rss() - before;
    assert(grown < 300 * 1024 * 1024, `${grown} bytes more are resident`);
  });

  it("frames of every served API and version, changed: 40,000 cases", () => {
    fuzz(generatedFrames(), 40_000);
  });

  it("record batches of every codec, changed behind a right checksum: 20,000 cases", () => {
    const outcome: Outcome = { frames: 0, answered: 0, refused: 0, opened: 0 };
    const batches = ([0, 1, 2, 3, 4] as const).flatMap((codec) => [
      batchOf(codec, 1),
      batchOf(codec, 30),
    ]);
    fc.assert(
      fc.property(fc.nat(batches.length - 1), changes, fc.boolean(), (i, list, sealed) => {
        const batch = list.reduce(mutate, batches[i] ?? new Uint8Array(0));
        openRecords(sealed ? reseal(batch.slice()) : batch, outcome);
      }),
      runs(20_000),
    );
    assert(outcome.opened > 500, `${outcome.opened} could be opened`);
  });

  it("a request of many small elements is refused before they are in memory", () => {
    // DeleteTopics 1: an array of strings, each of two bytes when empty.
    const count = MAX_REQUEST_ELEMENTS + 1;
    const frame = new Uint8Array(10 + 4 + 2 * count + 4);
    const view = new DataView(frame.buffer);
    view.setInt16(0, 20);
    view.setInt16(2, 1);
    view.setInt16(8, -1);
    view.setInt32(10, count);
    assert.equal(path.take(framed(frame), 65_536).refused, 1);
    view.setInt32(10, count - 1);
    assert.equal(path.take(framed(frame), 65_536).answered, 1);
  });
});
