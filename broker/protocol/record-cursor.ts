import { MalformedError, Reader } from "./reader.ts";

/**
 * Goes through the records of an opened batch without making an object of any: the fields are those of the record that
 * `next` came to. Throws MalformedError at bytes that are no records. (core)
 */
export class RecordCursor {
  readonly body: Uint8Array;
  readonly count: number;
  /** Records seen, with the present one. */
  seen = 0;
  /** Where the present record lies, with its length field. */
  start = 0;
  end = 0;
  /** Where its fields behind the timestamp begin. */
  afterTimestamp = 0;
  attributes = 0;
  timestampDelta = 0;
  offsetDelta = 0;
  hasKey = false;
  hasValue = false;
  #keyStart = 0;
  #keyEnd = 0;
  readonly #reader: Reader;

  /** @param count as the batch's header says. */
  constructor(body: Uint8Array, count: number) {
    if (count < 0 || count > body.length) throw new MalformedError("record count");
    this.body = body;
    this.count = count;
    this.#reader = new Reader(body);
  }

  get key(): Uint8Array {
    return this.body.subarray(this.#keyStart, this.#keyEnd);
  }

  /** Goes to the next record. @returns false behind the last one. */
  next(): boolean {
    const reader = this.#reader;
    if (this.seen === this.count) {
      if (reader.remaining > 0) throw new MalformedError("bytes after the last record");
      return false;
    }
    this.seen++;
    this.start = reader.position;
    const length = reader.varint();
    this.end = reader.position + length;
    if (length < 0 || this.end > this.body.length) throw new MalformedError("record cut short");
    this.attributes = reader.int8();
    this.timestampDelta = reader.varlong();
    this.afterTimestamp = reader.position;
    this.offsetDelta = reader.varint();
    const keyLength = reader.varint();
    this.hasKey = keyLength >= 0;
    this.#keyStart = this.hasKey ? reader.skip(keyLength) : reader.position;
    this.#keyEnd = reader.position;
    const valueLength = reader.varint();
    this.hasValue = valueLength >= 0;
    if (this.hasValue) reader.skip(valueLength);
    const headers = reader.varint();
    if (headers < 0 || headers > reader.remaining) throw new MalformedError("record header count");
    for (let i = 0; i < headers; i++) {
      const nameLength = reader.varint();
      reader.skip(nameLength);
      const headerLength = reader.varint();
      if (headerLength >= 0) reader.skip(headerLength);
    }
    if (reader.position !== this.end) throw new MalformedError("record of another length");
    return true;
  }
}
