import { concatBytes } from "../../lib/bytes.ts";
import type { Decode, Decoded, Encode, Fields, Input } from "./field.ts";
import { MAX_REQUEST_ELEMENTS, Reader } from "./reader.ts";
import { decodeFields, encodeFields } from "./struct-codec.ts";
import { Writer } from "./writer.ts";

// The words in which a file of messages/ is written come from here, all of them.
export { FIRST_OWN_TAG } from "./field.ts";
export type { Decoded, Field, FieldOptions, Fields, Input } from "./field.ts";
export * from "./field-types.ts";
export { inVersions, versions, type Versions } from "./versions.ts";

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
  /** Puts it behind what the writer has. */
  write(writer: Writer, value: I, version: number): void;
}

export function defineMessage<const F extends Fields>(
  head: MessageHead,
  fields: F,
): MessageDefinition<Decoded<F>, Input<F>> {
  const decoders: (Decode<Decoded<F>> | undefined)[] = [];
  const encoders: (Encode<Input<F>> | undefined)[] = [];
  const isFlexible = (version: number): boolean =>
    head.flexible !== undefined && version >= head.flexible;
  const write = (writer: Writer, value: Input<F>, version: number): void => {
    const encode = (encoders[version] ??= encodeFields(fields, version, isFlexible(version)));
    encode(writer, value);
  };
  const encodeParts = (value: Input<F>, version: number): Uint8Array[] => {
    const writer = new Writer();
    write(writer, value, version);
    return writer.parts();
  };
  return {
    head,
    fields,
    isFlexible,
    decode(source, offset, version) {
      const decode = (decoders[version] ??= decodeFields(fields, version, isFlexible(version)));
      const reader = new Reader(source, offset);
      if (head.kind === "request") reader.elementsLeft = MAX_REQUEST_ELEMENTS;
      return decode(reader);
    },
    encode: (value, version) => concatBytes(encodeParts(value, version)),
    encodeParts,
    write,
  };
}

export type MessageOf<M> = M extends MessageDefinition<infer T, never> ? T : never;
export type InputOf<M> = M extends MessageDefinition<unknown, infer I> ? I : never;
