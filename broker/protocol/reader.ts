import { getInt64 } from "./int64.ts";
import { SHORT_TEXT_BYTES, shortText } from "./short-text.ts";
import { uuidTextAt } from "./uuid-text.ts";

/** Bytes from outside that are not what the protocol says: answered by closing the connection or CORRUPT_MESSAGE. */
export class MalformedError extends Error {
  override readonly name = "MalformedError";
}

/**
 * Elements of all arrays of one request together: an element may be a byte on the wire and a hundred in memory, so a
 * request of a hundred megabytes would take gigabytes. A client of a hundred thousand partitions needs fewer.
 */
export const MAX_REQUEST_ELEMENTS = 2 ** 18;

const utf8 = new TextDecoder("utf-8", { fatal: false });

/** Requests lie in the same memory most of the time; what is large is not kept for it. */
const KEPT_VIEW_BYTES = 2 ** 20;
let kept: DataView = new DataView(new ArrayBuffer(0));

function viewOf(buffer: ArrayBufferLike): DataView {
  if (kept.buffer === buffer) return kept;
  const view = new DataView(buffer);
  if (buffer.byteLength <= KEPT_VIEW_BYTES) kept = view;
  return view;
}

/** A cursor over received bytes. Every read is checked against the end; nothing is allocated by a claimed length. (pure) */
export class Reader {
  readonly bytes: Uint8Array;
  #end: number;
  position: number;
  /** Elements of arrays that may yet be read. */
  elementsLeft = Infinity;
  readonly #view: DataView;
  /** Where `bytes` begins in the view. */
  readonly #base: number;

  constructor(bytes: Uint8Array, position = 0) {
    this.bytes = bytes;
    this.position = position;
    this.#end = bytes.length;
    this.#view = viewOf(bytes.buffer);
    this.#base = bytes.byteOffset;
  }

  get remaining(): number {
    return this.#end - this.position;
  }

  /** Moves on by `length` and returns where it was. */
  skip(length: number): number {
    const at = this.position;
    if (length < 0 || length > this.#end - at) throw new MalformedError("read beyond the end");
    this.position = at + length;
    return at;
  }

  /**
   * Reads the next `length` bytes with `read`, which may go no further and is to take all of them. What throws in it is the end
   * of the whole message: the bound stays.
   */
  within<T>(length: number, read: (reader: Reader) => T): T {
    const outer = this.#end;
    const from = this.skip(length);
    this.#end = from + length;
    this.position = from;
    const value = read(this);
    if (this.remaining > 0) throw new MalformedError("a field of another length");
    this.#end = outer;
    return value;
  }

  /** An array of so many elements is about to be read: nothing is allocated for one that cannot be whole. */
  claimElements(count: number): void {
    // No element is smaller than a byte.
    if (count > this.remaining) throw new MalformedError("array longer than its message");
    this.elementsLeft -= count;
    if (this.elementsLeft < 0) throw new MalformedError("more elements than a request may have");
  }

  boolean(): boolean {
    return this.int8() !== 0;
  }
  int8(): number {
    return this.#view.getInt8(this.#base + this.skip(1));
  }
  int16(): number {
    return this.#view.getInt16(this.#base + this.skip(2));
  }
  uint16(): number {
    return this.#view.getUint16(this.#base + this.skip(2));
  }
  int32(): number {
    return this.#view.getInt32(this.#base + this.skip(4));
  }
  uint32(): number {
    return this.#view.getUint32(this.#base + this.skip(4));
  }
  /** Exact up to 2^53; the largest is read as INT64_MAX. */
  int64(): number {
    return getInt64(this.#view, this.#base + this.skip(8));
  }
  float64(): number {
    return this.#view.getFloat64(this.#base + this.skip(8));
  }
  /** Lower-case text with dashes. */
  uuid(): string {
    return uuidTextAt(this.bytes, this.skip(16));
  }
  uvarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.bytes[this.skip(1)] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new MalformedError("varint of more than five bytes");
  }
  /** Zigzag, 32 bits. */
  varint(): number {
    const value = this.uvarint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
  /** Zigzag, 64 bits, exact up to 2^52. */
  varlong(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.bytes[this.skip(1)] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
    throw new MalformedError("varlong of more than ten bytes");
  }
  utf8(length: number): string {
    const at = this.skip(length);
    if (length < SHORT_TEXT_BYTES) {
      const text = shortText(this.bytes, at, length);
      if (text !== undefined) return text;
    }
    return utf8.decode(this.bytes.subarray(at, at + length));
  }
  /** A view: valid as long as the frame is. */
  view(length: number): Uint8Array {
    const at = this.skip(length);
    return this.bytes.subarray(at, at + length);
  }
  /** Tagged fields nobody here knows (KIP-482). */
  skipTaggedFields(): void {
    for (let count = this.uvarint(); count > 0; count--) {
      this.uvarint();
      this.skip(this.uvarint());
    }
  }
}
