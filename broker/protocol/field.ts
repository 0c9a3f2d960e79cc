import type { Reader } from "./reader.ts";
import { type Versions, versions } from "./versions.ts";
import type { Writer } from "./writer.ts";

export type Decode<T> = (reader: Reader) => T;
export type Encode<I> = (writer: Writer, value: I) => void;

/** How values of one type travel at one version: `flexible` is KIP-482's encoding. */
export interface FieldType<T, I> {
  readonly decode: (version: number, flexible: boolean, nullable: boolean) => Decode<T>;
  readonly encode: (version: number, flexible: boolean, nullable: boolean) => Encode<I>;
  /** The value of a field without a default of its own; arrays and structs are made anew each time. */
  readonly initial: () => T;
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
  /** What a field holds that was not sent: a decoded message may be changed, so nothing in it is shared. */
  readonly initial: () => T;
}

/** Every field is one: what is decoded is at least unknown, what may be given at most never. */
export type AnyField = Field<unknown, never>;
export type Fields = Readonly<Record<string, AnyField>>;
export type Decoded<F extends Fields> = {
  [K in keyof F]: F[K] extends Field<infer T, never> ? T : never;
};
export type Input<F extends Fields> = {
  readonly [K in keyof F]?: F[K] extends Field<unknown, infer I> ? I : never;
};

/** Tagged fields from here on are Forebay's own, between brokers; others skip what they do not know (KIP-482). */
export const FIRST_OWN_TAG = 10_000;

/** Options of a field whose type has no default but its own: arrays and structs. */
export interface PlainFieldOptions {
  /** Versions in which null is allowed. */
  readonly nullable?: string;
  readonly tag?: number;
  /** Versions in which the field is tagged; all of its own unless given. */
  readonly tagged?: string;
}

export interface FieldOptions<T> extends PlainFieldOptions {
  readonly default?: T;
}

export function field<T, I>(
  type: FieldType<T, I>,
  range: string,
  options: FieldOptions<T> = {},
): Field<T, I> {
  const own = versions(range);
  const tagged = options.tagged === undefined ? own : versions(options.tagged);
  const given = options.default;
  return {
    type,
    versions: own,
    nullable: options.nullable === undefined ? undefined : versions(options.nullable),
    tag: options.tag,
    taggedVersions: options.tag === undefined ? undefined : tagged,
    initial: given === undefined ? type.initial : () => given,
  };
}
