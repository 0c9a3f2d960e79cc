import { Reader } from "./reader.ts";
import type { MessageDefinition } from "./schema.ts";
import { Writer } from "./writer.ts";
import { flexibleRequest } from "./api-versions.ts";

/** The header of a request (versions 1 and 2), and where its body begins in the frame. */
export interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  readonly bodyOffset: number;
}

const API_VERSIONS_KEY = 18;

/**
 * Throws MalformedError. The client id keeps its two-byte length in header version 2 too; of an API or version that is
 * not known only the first three fields are sure, which is all that a refusal needs.
 */
export function decodeRequestHeader(frame: Uint8Array): RequestHeader {
  const reader = new Reader(frame);
  const apiKey = reader.int16();
  const apiVersion = reader.int16();
  const correlationId = reader.int32();
  const length = reader.int16();
  const clientId = length < 0 ? null : reader.utf8(length);
  if (flexibleRequest(apiKey, apiVersion)) reader.skipTaggedFields();
  return { apiKey, apiVersion, correlationId, clientId, bodyOffset: reader.position };
}

/** A whole request as the content of a frame (without its size). */
export function encodeRequest<I>(
  definition: MessageDefinition<unknown, I>,
  version: number,
  correlationId: number,
  clientId: string | null,
  value: I,
): Uint8Array[] {
  const writer = new Writer();
  writer.int16(definition.head.apiKey);
  writer.int16(version);
  writer.int32(correlationId);
  if (clientId === null) writer.int16(-1);
  else {
    const bytes = Writer.utf8(clientId);
    writer.int16(bytes.length);
    writer.text(bytes);
  }
  if (definition.isFlexible(version)) writer.uvarint(0);
  definition.write(writer, value, version);
  return writer.parts();
}

/**
 * A whole response as the content of a frame (without its size), in parts. Its header is version 1 when it is flexible, but
 * always version 0 for ApiVersions (KIP-511).
 */
export function encodeResponse<I>(
  definition: MessageDefinition<unknown, I>,
  version: number,
  correlationId: number,
  value: I,
): Uint8Array[] {
  const writer = new Writer();
  writer.int32(correlationId);
  if (hasFlexibleHeader(definition, version)) writer.uvarint(0);
  definition.write(writer, value, version);
  return writer.parts();
}

function hasFlexibleHeader(definition: MessageDefinition<unknown>, version: number): boolean {
  return definition.isFlexible(version) && definition.head.apiKey !== API_VERSIONS_KEY;
}

export function decodeResponse<T>(
  definition: MessageDefinition<T>,
  version: number,
  frame: Uint8Array,
): { readonly correlationId: number; readonly value: T } {
  const reader = new Reader(frame);
  const correlationId = reader.int32();
  if (hasFlexibleHeader(definition, version)) reader.skipTaggedFields();
  return { correlationId, value: definition.decode(frame, reader.position, version) };
}
