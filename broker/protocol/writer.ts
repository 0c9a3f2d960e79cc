import { appended } from "../../lib/small-list.ts";
import { setInt64 } from "./int64.ts";
import { uuidBytesOf } from "./uuid-text.ts";

const encoder = new TextEncoder();
/** Memory that one writer after the other fills: for a few dozen bytes, memory of its own takes ten times as much. */
const SLAB_BYTES = 4096;
/** With less than this left it is not passed on. */
const LEAST_BYTES = 256;
const MAX_IDLE = 4;

interface Slab {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  /** What writers before have filled. */
  used: number;
}

/** Slabs that nobody writes to now: as many as there were writers at a time, one within another. */
const idle: Slab[] = [];

function slabOf(capacity: number): Slab {
  const bytes = new Uint8Array(capacity);
  return { bytes, view: new DataView(bytes.buffer), used: 0 };
}

/**
 * Bytes to be sent, as a list of parts: large byte fields are taken as they are and never copied. (pure)
 */
export class Writer {
  #slab: Slab;
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView<ArrayBuffer>;
  #position: number;
  /** Where the present part begins in the buffer. */
  #partStart: number;
  #parts: Uint8Array[] = [];
  #partsLength = 0;

  /** @param capacity of memory of its own, when it is known to be more than a little */
  constructor(capacity?: number) {
    this.#slab = capacity === undefined ? (idle.pop() ?? slabOf(SLAB_BYTES)) : slabOf(capacity);
    this.#bytes = this.#slab.bytes;
    this.#view = this.#slab.view;
    this.#position = this.#slab.used;
    this.#partStart = this.#slab.used;
  }

  get length(): number {
    return this.#partsLength + this.#position - this.#partStart;
  }

  #reserve(length: number): number {
    const at = this.#position;
    const needed = at + length;
    if (needed > this.#bytes.length) {
      // Parts already taken keep their views of the old buffer.
      const used = at - this.#partStart;
      this.#slab = slabOf(Math.max(2 * (used + length), LEAST_BYTES));
      this.#slab.bytes.set(this.#bytes.subarray(this.#partStart, at));
      this.#bytes = this.#slab.bytes;
      this.#view = this.#slab.view;
      this.#partStart = 0;
      this.#position = used + length;
      return used;
    }
    this.#position = needed;
    return at;
  }

  boolean(value: boolean): void {
    this.int8(value ? 1 : 0);
  }
  int8(value: number): void {
    const at = this.#reserve(1);
    this.#view.setInt8(at, value);
  }
  int16(value: number): void {
    const at = this.#reserve(2);
    this.#view.setInt16(at, value);
  }
  uint16(value: number): void {
    const at = this.#reserve(2);
    this.#view.setUint16(at, value);
  }
  int32(value: number): void {
    const at = this.#reserve(4);
    this.#view.setInt32(at, value);
  }
  uint32(value: number): void {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value);
  }
  int64(value: number): void {
    const at = this.#reserve(8);
    setInt64(this.#view, at, value);
  }
  float64(value: number): void {
    const at = this.#reserve(8);
    this.#view.setFloat64(at, value);
  }
  uuid(text: string): void {
    this.text(uuidBytesOf(text));
  }
  uvarint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.int8((rest % 128) | 0x80);
      rest = Math.floor(rest / 128);
    }
    this.int8(rest);
  }
  varint(value: number): void {
    this.uvarint(value < 0 ? -2 * value - 1 : 2 * value);
  }
  varlong(value: number): void {
    this.varint(value);
  }
  /** The text's bytes without a length. */
  text(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
  }
  static utf8(text: string): Uint8Array {
    return encoder.encode(text);
  }
  /** The same of a text that `isShortAscii`. */
  ascii(text: string): void {
    const at = this.#reserve(text.length);
    for (let i = 0; i < text.length; i++) this.#bytes[at + i] = text.charCodeAt(i);
  }
  /** Bytes without a length; copied when small, else taken as a part of its own. */
  raw(bytes: Uint8Array): void {
    if (bytes.length <= 128) {
      this.text(bytes);
      return;
    }
    this.#cut();
    this.#parts = appended(this.#parts, bytes);
    this.#partsLength += bytes.length;
  }
  #cut(): void {
    if (this.#position === this.#partStart) return;
    const part = this.#bytes.subarray(this.#partStart, this.#position);
    this.#parts = appended(this.#parts, part);
    this.#partsLength += part.length;
    this.#partStart = this.#position;
  }
  /** Everything written, in order. The writer is not to be used after. */
  parts(): Uint8Array[] {
    this.#cut();
    const slab = this.#slab;
    slab.used = this.#position;
    const { length } = slab.bytes;
    if (length === SLAB_BYTES && length - slab.used >= LEAST_BYTES && idle.length < MAX_IDLE)
      idle.push(slab);
    return this.#parts;
  }
}
