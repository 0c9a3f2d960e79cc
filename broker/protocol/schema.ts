import { concatBytes, totalLength } from "../../lib/bytes.ts";
import { present } from "../../lib/assert.ts";
import { MalformedError, Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

/** What may be given for a `records` field: bytes that are sent as they are. */
export type RecordsInput = Uint8Array | readonly Uint8Array[] | null;

type Decode<T> = (reader: Reader) => T;
type Encode<I> = (writer: Writer, value: I) => void;

/** How values of one type travel at one version: `flexible` is KIP-482's encoding. */
interface FieldType<T, I> {
  readonly decode: (version: number, flexible: boolean, nullable: boolean) => Decode<T>;
  readonly encode: (version: number, flexible: boolean, nullable: boolean) => Encode<I>;
  readonly initial: T;
  /** The whole type is described by a name, for documents and the comparison with Kafka's own schemas. */
  readonly name: string;
  readonly fields?: Fields;
}

/** One field of a message: a type and the versions in which it is there. `T` is what is decoded, `I` what may be given. */
export interface Field<T, I = T> {
  readonly type: FieldType<T, I>;
  readonly versions: Versions;
  readonly nullable: Versions | undefined;
  readonly tag: number | undefined;
  readonly taggedVersions: Versions | undefined;
  readonly initial: T;
}

// The variance of a field's two types makes a common supertype impossible without this.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type AnyField = Field<any, any>;
export type Fields = Readonly<Record<string, AnyField>>;
export type Decoded<F extends Fields> = {
  [K in keyof F]: F[K] extends Field<infer T, infer _> ? T : never;
};
export type Input<F extends Fields> = {
  readonly [K in keyof F]?: F[K] extends Field<infer _, infer I> ? I : never;
};

export interface Versions {
  readonly from: number;
  readonly to: number;
}

/** "4-18", "3+", "0" or "none", as Kafka's schemas write them. */
export function versions(text: string): Versions {
  if (text === "none") return { from: 1, to: 0 };
  const match = /^(\d+)(\+|-(\d+))?$/.exec(text);
  if (match === null) throw new Error(`bad versions: ${text}`);
  const from = Number(match[1]);
  return { from, to: match[2] === undefined ? from : match[2] === "+" ? 32767 : Number(match[3]) };
}

export function inVersions(range: Versions | undefined, version: number): boolean {
  return range !== undefined && version >= range.from && version <= range.to;
}

export interface FieldOptions<T> {
  /** Versions in which null is allowed. */
  readonly nullable?: string;
  readonly tag?: number;
  /** Versions in which the field is tagged; all of its own unless given. */
  readonly tagged?: string;
  readonly default?: T;
}

function field<T, I>(
  type: FieldType<T, I>,
  range: string,
  options: FieldOptions<T> = {},
): Field<T, I> {
  const own = versions(range);
  return {
    type,
    versions: own,
    nullable: options.nullable === undefined ? undefined : versions(options.nullable),
    tag: options.tag,
    taggedVersions:
      options.tag === undefined
        ? undefined
        : options.tagged === undefined
          ? own
          : versions(options.tagged),
    initial: options.default === undefined ? type.initial : options.default,
  };
}

function plain<T>(name: string, initial: T, decode: Decode<T>, encode: Encode<T>): FieldType<T, T> {
  return { name, initial, decode: () => decode, encode: () => encode };
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

export const ZERO_UUID = types.uuid.initial;

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
  initial: "",
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
      const bytes = Writer.utf8(value);
      writeLength(writer, bytes.length);
      writer.text(bytes);
    };
  },
};

const bytesType: FieldType<Uint8Array | null, Uint8Array | null> = {
  name: "bytes",
  initial: new Uint8Array(0),
  decode(_version, flexible, nullable) {
    const readLength = lengthDecoder(true, flexible);
    return (reader) => {
      const length = readLength(reader);
      if (length >= 0) return reader.view(length);
      return nullable ? null : refuseNull("bytes");
    };
  },
  encode(_version, flexible) {
    const writeLength = lengthEncoder(true, flexible);
    return (writer, value) => {
      writeLength(writer, value === null ? -1 : value.length);
      if (value !== null) writer.raw(value);
    };
  },
};

const recordsType: FieldType<Uint8Array | null, RecordsInput> = {
  name: "records",
  initial: null,
  decode: (version, flexible) => bytesType.decode(version, flexible, true),
  encode(_version, flexible) {
    const writeLength = lengthEncoder(true, flexible);
    return (writer, value) => {
      if (value === null) {
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
    get initial() {
      return initialOf(fields);
    },
    decode: (version, flexible) => decodeFields(fields, version, flexible),
    encode: (version, flexible) => encodeFields(fields, version, flexible),
  };
}

export function struct<F extends Fields>(
  range: string,
  fields: F,
  options?: FieldOptions<Decoded<F>>,
): Field<Decoded<F>, Input<F>> {
  return field(structType(fields), range, options);
}

export function nullableStruct<F extends Fields>(
  range: string,
  fields: F,
  options: FieldOptions<Decoded<F> | null>,
): Field<Decoded<F> | null, Input<F> | null> {
  const inner = structType(fields);
  const type: FieldType<Decoded<F> | null, Input<F> | null> = {
    name: "struct",
    fields,
    initial: null,
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
    get initial() {
      return [];
    },
    ...(element.fields === undefined ? {} : { fields: element.fields }),
    decode(version, flexible, nullable) {
      const readLength = lengthDecoder(true, flexible);
      const one = element.decode(version, flexible, false);
      return (reader) => {
        const length = readLength(reader);
        if (length < 0) return nullable ? null : refuseNull("an array");
        // No element is smaller than a byte, so a longer array cannot be whole: nothing is allocated for it.
        if (length > reader.remaining) throw new MalformedError("array longer than its message");
        const out: T[] = [];
        for (let i = 0; i < length; i++) out.push(one(reader));
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
  options?: FieldOptions<T[]>,
): Field<T[], readonly I[]> {
  return field(arrayType(element.type) as FieldType<T[], readonly I[]>, range, options);
}
export function nullableArray<T, I>(
  range: string,
  element: Field<T, I>,
  options: FieldOptions<T[] | null>,
): Field<T[] | null, readonly I[] | null> {
  return field(arrayType(element.type), range, options);
}
export function structs<F extends Fields>(
  range: string,
  fields: F,
  options?: FieldOptions<Decoded<F>[]>,
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
  options: FieldOptions<Decoded<F>[] | null>,
): Field<Decoded<F>[] | null, readonly Input<F>[] | null> {
  return field(arrayType(structType(fields)), range, options);
}

function initialOf<F extends Fields>(fields: F): Decoded<F> {
  const out: Record<string, unknown> = {};
  for (const name of Object.keys(fields)) out[name] = initialValue(present(fields[name], name));
  return out as Decoded<F>;
}
/** Arrays and structs are made anew each time: a decoded message may be changed. */
function initialValue(one: AnyField): unknown {
  return Array.isArray(one.initial) ? [] : (one.initial as unknown);
}

/** The decoder of one version: fields that are not in it get their defaults. */
function decodeFields<F extends Fields>(
  fields: F,
  version: number,
  flexible: boolean,
): Decode<Decoded<F>> {
  const steps: {
    readonly name: string;
    readonly decode: Decode<unknown> | undefined;
    readonly one: AnyField;
  }[] = [];
  const tagged = new Map<number, { readonly name: string; readonly decode: Decode<unknown> }>();
  for (const [name, one] of Object.entries(fields)) {
    const there = inVersions(one.versions, version);
    const decode = there
      ? one.type.decode(version, flexible, inVersions(one.nullable, version))
      : undefined;
    if (decode !== undefined && one.tag !== undefined && inVersions(one.taggedVersions, version)) {
      tagged.set(one.tag, { name, decode });
      steps.push({ name, decode: undefined, one });
    } else steps.push({ name, decode, one });
  }
  return (reader) => {
    const out: Record<string, unknown> = {};
    for (const { name, decode, one } of steps) {
      out[name] = decode === undefined ? initialValue(one) : decode(reader);
    }
    if (flexible) {
      for (let count = reader.uvarint(); count > 0; count--) {
        const tag = reader.uvarint();
        const length = reader.uvarint();
        const end = reader.position + length;
        const known = tagged.get(tag);
        if (known !== undefined && length <= reader.remaining) {
          out[known.name] = known.decode(reader);
          if (reader.position !== end) throw new MalformedError("tagged field of another length");
        } else reader.skip(length);
      }
    }
    return out as Decoded<F>;
  };
}

function encodeFields<F extends Fields>(
  fields: F,
  version: number,
  flexible: boolean,
): Encode<Input<F>> {
  const steps: {
    readonly name: string;
    readonly encode: Encode<unknown>;
    readonly one: AnyField;
  }[] = [];
  const tagged: {
    readonly name: string;
    readonly tag: number;
    readonly encode: Encode<unknown>;
    readonly one: AnyField;
  }[] = [];
  for (const [name, one] of Object.entries(fields)) {
    if (!inVersions(one.versions, version)) continue;
    const encode = one.type.encode(
      version,
      flexible,
      inVersions(one.nullable, version),
    ) as Encode<unknown>;
    if (one.tag !== undefined && inVersions(one.taggedVersions, version)) {
      tagged.push({ name, tag: one.tag, encode, one });
    } else steps.push({ name, encode, one });
  }
  tagged.sort((a, b) => a.tag - b.tag);
  return (writer, value) => {
    const given = value as Record<string, unknown>;
    for (const { name, encode, one } of steps) {
      const own = given[name];
      encode(writer, own === undefined ? one.initial : own);
    }
    if (!flexible) return;
    if (tagged.length === 0) {
      writer.uvarint(0);
      return;
    }
    const sent = tagged.filter(
      ({ name, one }) => given[name] !== undefined && !isDefault(given[name], one),
    );
    writer.uvarint(sent.length);
    for (const { name, tag, encode } of sent) {
      const inner = new Writer();
      encode(inner, given[name]);
      writer.uvarint(tag);
      writer.uvarint(inner.length);
      for (const part of inner.parts()) writer.raw(part);
    }
  };
}

/** Tagged fields that say nothing are left out (KIP-482). */
function isDefault(value: unknown, one: AnyField): boolean {
  if (value === one.initial) return true;
  if (Array.isArray(value)) return value.length === 0 && Array.isArray(one.initial);
  if (one.type.name === "struct" && value !== null && one.type.fields !== undefined) {
    const given = value as Record<string, unknown>;
    return Object.entries(one.type.fields).every(
      ([name, inner]) => given[name] === undefined || isDefault(given[name], inner),
    );
  }
  return false;
}

export interface MessageHead {
  readonly name: string;
  readonly apiKey: number;
  readonly kind: "request" | "response" | "record";
  /** Versions that exist. */
  readonly versions: string;
  /** First version with the encoding of KIP-482; undefined if none has it. */
  readonly flexible?: number;
}

/** A message of the protocol: its fields, compiled on first use into an encoder and a decoder for each version. */
export interface MessageDefinition<T, I = unknown> {
  readonly head: MessageHead;
  readonly fields: Fields;
  isFlexible(version: number): boolean;
  /** Reads the message from `offset`. Throws MalformedError. */
  decode(bytes: Uint8Array, offset: number, version: number): T;
  /** Fields left out take their defaults; fields that the version lacks are not sent. */
  encode(value: I, version: number): Uint8Array;
  /** The same as a list of parts, without copying byte fields. */
  encodeParts(value: I, version: number): Uint8Array[];
}

export function defineMessage<const F extends Fields>(
  head: MessageHead,
  fields: F,
): MessageDefinition<Decoded<F>, Input<F>> {
  const decoders: (Decode<Decoded<F>> | undefined)[] = [];
  const encoders: (Encode<Input<F>> | undefined)[] = [];
  const isFlexible = (version: number): boolean =>
    head.flexible !== undefined && version >= head.flexible;
  const encodeParts = (value: Input<F>, version: number): Uint8Array[] => {
    const encode = (encoders[version] ??= encodeFields(fields, version, isFlexible(version)));
    const writer = new Writer();
    encode(writer, value);
    return writer.parts();
  };
  return {
    head,
    fields,
    isFlexible,
    decode(source, offset, version) {
      const decode = (decoders[version] ??= decodeFields(fields, version, isFlexible(version)));
      return decode(new Reader(source, offset));
    },
    encode: (value, version) => concatBytes(encodeParts(value, version)),
    encodeParts,
  };
}

export type MessageOf<M> = M extends MessageDefinition<infer T, infer _> ? T : never;
export type InputOf<M> = M extends MessageDefinition<infer _, infer I> ? I : never;
