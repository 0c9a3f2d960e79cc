import { totalLength } from "../../lib/bytes.ts";
import { appended } from "../../lib/small-list.ts";
import {
  field,
  type Decode,
  type Decoded,
  type Encode,
  type Field,
  type FieldOptions,
  type Fields,
  type FieldType,
  type Input,
  type PlainFieldOptions,
} from "./field.ts";
import { MalformedError } from "./reader.ts";
import { isShortAscii } from "./short-text.ts";
import { decodeFields, encodeFields, initialOf } from "./struct-codec.ts";
import { Writer } from "./writer.ts";

/** What may be given for a `records` field: bytes that are sent as they are. */
export type RecordsInput = Uint8Array | readonly Uint8Array[] | null;

function plain<T>(name: string, initial: T, decode: Decode<T>, encode: Encode<T>): FieldType<T, T> {
  return { name, initial: () => initial, decode: () => decode, encode: () => encode };
}

const types = {
  boolean: plain(
    "bool",
    false,
    (r) => r.boolean(),
    (w, v: boolean) => w.boolean(v),
  ),
  int8: plain(
    "int8",
    0,
    (r) => r.int8(),
    (w, v: number) => w.int8(v),
  ),
  int16: plain(
    "int16",
    0,
    (r) => r.int16(),
    (w, v: number) => w.int16(v),
  ),
  uint16: plain(
    "uint16",
    0,
    (r) => r.uint16(),
    (w, v: number) => w.uint16(v),
  ),
  int32: plain(
    "int32",
    0,
    (r) => r.int32(),
    (w, v: number) => w.int32(v),
  ),
  uint32: plain(
    "uint32",
    0,
    (r) => r.uint32(),
    (w, v: number) => w.uint32(v),
  ),
  int64: plain(
    "int64",
    0,
    (r) => r.int64(),
    (w, v: number) => w.int64(v),
  ),
  float64: plain(
    "float64",
    0,
    (r) => r.float64(),
    (w, v: number) => w.float64(v),
  ),
  uuid: plain(
    "uuid",
    "00000000-0000-0000-0000-000000000000",
    (r) => r.uuid(),
    (w, v: string) => w.uuid(v),
  ),
};

export const ZERO_UUID = types.uuid.initial();

type Scalar<T> = (range: string, options?: FieldOptions<T>) => Field<T>;
export const boolean: Scalar<boolean> = (range, options) => field(types.boolean, range, options);
export const int8: Scalar<number> = (range, options) => field(types.int8, range, options);
export const int16: Scalar<number> = (range, options) => field(types.int16, range, options);
export const uint16: Scalar<number> = (range, options) => field(types.uint16, range, options);
export const int32: Scalar<number> = (range, options) => field(types.int32, range, options);
export const uint32: Scalar<number> = (range, options) => field(types.uint32, range, options);
export const int64: Scalar<number> = (range, options) => field(types.int64, range, options);
export const float64: Scalar<number> = (range, options) => field(types.float64, range, options);
export const uuid: Scalar<string> = (range, options) => field(types.uuid, range, options);

/** Lengths: -1 is null; compact ones are one more, 0 is null (KIP-482). */
function lengthDecoder(wide: boolean, flexible: boolean): Decode<number> {
  if (flexible) return (reader) => reader.uvarint() - 1;
  return wide ? (reader) => reader.int32() : (reader) => reader.int16();
}
function lengthEncoder(wide: boolean, flexible: boolean): Encode<number> {
  if (flexible) return (writer, length) => writer.uvarint(length + 1);
  return wide ? (writer, length) => writer.int32(length) : (writer, length) => writer.int16(length);
}
function refuseNull(name: string): never {
  throw new MalformedError(`${name} is null where it may not be`);
}

const stringType: FieldType<string | null, string | null> = {
  name: "string",
  initial: () => "",
  decode(_version, flexible, nullable) {
    const readLength = lengthDecoder(false, flexible);
    return (reader) => {
      const length = readLength(reader);
      if (length >= 0) return reader.utf8(length);
      return nullable ? null : refuseNull("a string");
    };
  },
  encode(_version, flexible, nullable) {
    const writeLength = lengthEncoder(false, flexible);
    return (writer, value) => {
      if (value === null) {
        if (!nullable) refuseNull("a string");
        writeLength(writer, -1);
        return;
      }
      if (isShortAscii(value)) {
        writeLength(writer, value.length);
        writer.ascii(value);
        return;
      }
      const bytes = Writer.utf8(value);
      writeLength(writer, bytes.length);
      writer.text(bytes);
    };
  },
};

const bytesType: FieldType<Uint8Array | null, Uint8Array | null> = {
  name: "bytes",
  initial: () => new Uint8Array(0),
  decode(_version, flexible, nullable) {
    const readLength = lengthDecoder(true, flexible);
    return (reader) => {
      const length = readLength(reader);
      if (length >= 0) return reader.view(length);
      return nullable ? null : refuseNull("bytes");
    };
  },
  encode(_version, flexible, nullable) {
    const writeLength = lengthEncoder(true, flexible);
    return (writer, value) => {
      if (value === null) {
        if (!nullable) refuseNull("bytes");
        writeLength(writer, -1);
        return;
      }
      writeLength(writer, value.length);
      writer.raw(value);
    };
  },
};

const recordsType: FieldType<Uint8Array | null, RecordsInput> = {
  name: "records",
  initial: () => null,
  decode: bytesType.decode,
  encode(_version, flexible, nullable) {
    const writeLength = lengthEncoder(true, flexible);
    return (writer, value) => {
      if (value === null) {
        if (!nullable) refuseNull("records");
        writeLength(writer, -1);
      } else if (value instanceof Uint8Array) {
        writeLength(writer, value.length);
        writer.raw(value);
      } else {
        writeLength(writer, totalLength(value));
        for (const part of value) writer.raw(part);
      }
    };
  },
};

export const string: Scalar<string> = (range, options) =>
  field(stringType as FieldType<string, string>, range, options);
export const nullableString = (
  range: string,
  options: FieldOptions<string | null>,
): Field<string | null> => field(stringType, range, options);
export const bytes: Scalar<Uint8Array> = (range, options) =>
  field(bytesType as FieldType<Uint8Array, Uint8Array>, range, options);
export const nullableBytes = (
  range: string,
  options: FieldOptions<Uint8Array | null>,
): Field<Uint8Array | null> => field(bytesType, range, options);
/** Record batches: a view into the frame, valid no longer than it is. */
export const records = (
  range: string,
  options?: FieldOptions<Uint8Array | null>,
): Field<Uint8Array | null, RecordsInput> => field(recordsType, range, options);

/** A struct as the type of a field or of an array's elements. */
function structType<F extends Fields>(fields: F): FieldType<Decoded<F>, Input<F>> {
  return {
    name: "struct",
    fields,
    initial: () => initialOf(fields),
    decode: (version, flexible) => decodeFields(fields, version, flexible),
    encode: (version, flexible) => encodeFields(fields, version, flexible),
  };
}

export function struct<F extends Fields>(
  range: string,
  fields: F,
  options?: PlainFieldOptions,
): Field<Decoded<F>, Input<F>> {
  return field(structType(fields), range, options);
}

export function nullableStruct<F extends Fields>(
  range: string,
  fields: F,
  options: FieldOptions<null>,
): Field<Decoded<F> | null, Input<F> | null> {
  const inner = structType(fields);
  const type: FieldType<Decoded<F> | null, Input<F> | null> = {
    name: "struct",
    fields,
    initial: inner.initial,
    decode(version, flexible, nullable) {
      const decode = inner.decode(version, flexible, false);
      return nullable ? (reader) => (reader.int8() < 0 ? null : decode(reader)) : decode;
    },
    encode(version, flexible, nullable) {
      const encode = inner.encode(version, flexible, false);
      return (writer, value) => {
        if (nullable) writer.int8(value === null ? -1 : 1);
        if (value !== null) encode(writer, value);
        else if (!nullable) refuseNull("a struct");
      };
    },
  };
  return field(type, range, options);
}

/** Decoded arrays are fresh and may be changed by whoever got them. */
function arrayType<T, I>(element: FieldType<T, I>): FieldType<T[] | null, readonly I[] | null> {
  return {
    name: `[]${element.name}`,
    initial: () => [],
    ...(element.fields === undefined ? {} : { fields: element.fields }),
    decode(version, flexible, nullable) {
      const readLength = lengthDecoder(true, flexible);
      const one = element.decode(version, flexible, false);
      return (reader) => {
        const length = readLength(reader);
        if (length < 0) return nullable ? null : refuseNull("an array");
        reader.claimElements(length);
        let out: T[] = [];
        for (let i = 0; i < length; i++) out = appended(out, one(reader));
        return out;
      };
    },
    encode(version, flexible, nullable) {
      const writeLength = lengthEncoder(true, flexible);
      const one = element.encode(version, flexible, false);
      return (writer, value) => {
        if (value === null) {
          if (!nullable) refuseNull("an array");
          writeLength(writer, -1);
          return;
        }
        writeLength(writer, value.length);
        for (const item of value) one(writer, item);
      };
    },
  };
}

/** Elements of a scalar array are given by a field of that type, whose versions do not matter. */
export function array<T, I>(
  range: string,
  element: Field<T, I>,
  options?: PlainFieldOptions,
): Field<T[], readonly I[]> {
  return field(arrayType(element.type) as FieldType<T[], readonly I[]>, range, options);
}
export function nullableArray<T, I>(
  range: string,
  element: Field<T, I>,
  options: FieldOptions<null>,
): Field<T[] | null, readonly I[] | null> {
  return field(arrayType(element.type), range, options);
}
export function structs<F extends Fields>(
  range: string,
  fields: F,
  options?: PlainFieldOptions,
): Field<Decoded<F>[], readonly Input<F>[]> {
  return field(
    arrayType(structType(fields)) as FieldType<Decoded<F>[], readonly Input<F>[]>,
    range,
    options,
  );
}
export function nullableStructs<F extends Fields>(
  range: string,
  fields: F,
  options: FieldOptions<null>,
): Field<Decoded<F>[] | null, readonly Input<F>[] | null> {
  return field(arrayType(structType(fields)), range, options);
}
