import { setField } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { statusError } from "./status-errors.ts";

/**
 * Reads the few objects that kubectl creates in protobuf (`create namespace`, `configmap`, `secret`, `serviceaccount`):
 * the envelope `k8s\0` and `runtime.Unknown`, then the fields of generated.proto of each kind that those commands set.
 */

type Type = "string" | "bytes" | "bool" | "int" | "stringMap" | "bytesMap" | Message;
interface Message {
  readonly [fieldNumber: number]: readonly [name: string, type: Type];
}

const META: Message = {
  1: ["name", "string"],
  2: ["generateName", "string"],
  3: ["namespace", "string"],
  5: ["uid", "string"],
  6: ["resourceVersion", "string"],
  11: ["labels", "stringMap"],
  12: ["annotations", "stringMap"],
};
const KINDS: Readonly<Record<string, Message>> = {
  "v1/Namespace": { 1: ["metadata", META] },
  "v1/ServiceAccount": { 1: ["metadata", META] },
  "v1/ConfigMap": {
    1: ["metadata", META],
    2: ["data", "stringMap"],
    3: ["binaryData", "bytesMap"],
    4: ["immutable", "bool"],
  },
  "v1/Secret": {
    1: ["metadata", META],
    2: ["data", "bytesMap"],
    3: ["type", "string"],
    4: ["stringData", "stringMap"],
    5: ["immutable", "bool"],
  },
};

/** @throws KubeError 415 for another kind, 400 for damaged bytes. */
export function decodeProtobuf(body: Uint8Array): JsonObject {
  if (Buffer.from(body.subarray(0, 4)).toString("latin1") !== "k8s\0") throw malformed();
  let apiVersion = "";
  let kind = "";
  let raw: Uint8Array = new Uint8Array();
  for (const [number, value] of fieldsOf(body.subarray(4))) {
    if (number === 1 && typeof value !== "number") {
      for (const [inner, text] of fieldsOf(value)) {
        if (inner === 1) apiVersion = textOf(text);
        if (inner === 2) kind = textOf(text);
      }
    } else if (number === 2 && typeof value !== "number") raw = value;
  }
  const message = KINDS[`${apiVersion}/${kind}`];
  if (message === undefined) {
    throw statusError(
      415,
      "UnsupportedMediaType",
      `${kind} is not accepted as protobuf - accepted media types include: application/json, application/yaml`,
    );
  }
  return { apiVersion, kind, ...decode(raw, message) };
}

function decode(bytes: Uint8Array, message: Message): JsonObject {
  const result: JsonObject = {};
  for (const [number, value] of fieldsOf(bytes)) {
    const field = message[number];
    if (field === undefined) continue;
    const [name, type] = field;
    if (type === "bool") result[name] = value === 1;
    else if (type === "int") result[name] = value;
    else if (typeof value === "number") throw malformed();
    else if (type === "string") {
      // Fields without a value are written as empty strings.
      if (value.length > 0) result[name] = textOf(value);
    } else if (type === "bytes") result[name] = Buffer.from(value).toString("base64");
    else if (type === "stringMap" || type === "bytesMap") {
      const entry = new Map(fieldsOf(value));
      const map = (result[name] ??= {}) as JsonObject;
      const content = entry.get(2) ?? new Uint8Array();
      const shown =
        type === "stringMap" || typeof content === "number"
          ? textOf(content)
          : Buffer.from(content).toString("base64");
      setField(map, textOf(entry.get(1) ?? new Uint8Array()), shown);
    } else result[name] = decode(value, type);
  }
  return result;
}

/** The fields of a message: a number for varints, bytes for all that has a length; fixed-size ones are passed over. */
function* fieldsOf(bytes: Uint8Array): Generator<[number, number | Uint8Array]> {
  let position = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[position++];
      if (byte === undefined) throw malformed();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw malformed();
  };
  while (position < bytes.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        yield [number, varint()];
        break;
      case 1:
        position += 8;
        break;
      case 5:
        position += 4;
        break;
      case 2: {
        const length = varint();
        if (length > bytes.length - position) throw malformed();
        yield [number, bytes.subarray(position, position + length)];
        position += length;
        break;
      }
      default:
        throw malformed();
    }
  }
}

function textOf(value: number | Uint8Array): string {
  if (typeof value === "number") throw malformed();
  return Buffer.from(value).toString("utf8");
}

function malformed(): Error {
  return statusError(400, "BadRequest", "the body of the request is not valid protobuf");
}
