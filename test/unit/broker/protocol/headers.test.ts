import assert from "node:assert/strict";
import {
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from "../../../../broker/protocol/headers.ts";
import {
  apiVersionsRequest,
  apiVersionsResponse,
} from "../../../../broker/protocol/messages/api-versions.ts";
import {
  metadataRequest,
  metadataResponse,
} from "../../../../broker/protocol/messages/metadata.ts";
import type { MessageDefinition } from "../../../../broker/protocol/schema.ts";
import { MalformedError } from "../../../../broker/protocol/reader.ts";
import { fromHex, kafkaBytes, toHex } from "./kafka-bytes.ts";

const encoded = (version: number, clientId: string | null): string => {
  const parts = encodeRequest(metadataRequest, version, 7, clientId, {});
  return toHex(Buffer.concat(parts));
};

describe("request header", () => {
  it("is version 1 for what is not flexible, byte for byte", () => {
    assert(encoded(5, "kc").startsWith(kafkaBytes.requestHeader1));
    assert(encoded(5, null).startsWith(kafkaBytes.requestHeader1NullClient));
    for (const [bytes, clientId] of [
      [kafkaBytes.requestHeader1, "kc"],
      [kafkaBytes.requestHeader1NullClient, null],
    ] as const) {
      assert.deepEqual(decodeRequestHeader(fromHex(bytes)), {
        apiKey: 3,
        apiVersion: 5,
        correlationId: 7,
        clientId,
        bodyOffset: bytes.length / 2,
      });
    }
  });

  it("is version 2 for what is, with the client id's length still of two bytes", () => {
    assert(encoded(12, "kc").startsWith(kafkaBytes.requestHeader2));
    const header = decodeRequestHeader(fromHex(kafkaBytes.requestHeader2));
    assert.equal(header.clientId, "kc");
    assert.equal(header.bodyOffset, kafkaBytes.requestHeader2.length / 2);
  });

  it("passes over tagged fields nobody knows", () => {
    const header = decodeRequestHeader(fromHex(kafkaBytes.requestHeader2UnknownTag));
    assert.equal(header.clientId, "kc");
    assert.equal(header.bodyOffset, kafkaBytes.requestHeader2UnknownTag.length / 2);
  });

  it("gives what a refusal needs for APIs and versions nobody knows", () => {
    const tooNew = decodeRequestHeader(fromHex("0012 0063 00000007 0002 6b63 ff"));
    assert.deepEqual(
      [tooNew.apiKey, tooNew.apiVersion, tooNew.correlationId, tooNew.clientId],
      [18, 99, 7, "kc"],
    );
    assert.equal(decodeRequestHeader(fromHex("7000 0000 00000001 ffff")).apiKey, 0x7000);
  });

  it("cut short is refused", () => {
    const bytes = fromHex(kafkaBytes.requestHeader2UnknownTag);
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => decodeRequestHeader(bytes.subarray(0, length)), MalformedError);
    }
  });
});

/** What a whole response has before its body. */
function headerOf<I extends object>(
  definition: MessageDefinition<unknown, I>,
  version: number,
): string {
  const whole = toHex(Buffer.concat(encodeResponse(definition, version, 7, {} as I)));
  const body = toHex(definition.encode({} as I, version));
  assert.ok(whole.endsWith(body));
  return whole.slice(0, whole.length - body.length);
}

describe("response header", () => {
  it("is version 0 or 1 as the message is flexible", () => {
    assert.equal(headerOf(metadataResponse, 8), kafkaBytes.responseHeader0);
    assert.equal(headerOf(metadataResponse, 9), kafkaBytes.responseHeader1);
  });

  it("is always version 0 for ApiVersions (KIP-511)", () => {
    for (const version of [0, 1, 2, 3, 4, 5]) {
      assert.equal(headerOf(apiVersionsResponse, version), kafkaBytes.responseHeader0);
    }
  });

  it("is read with its tagged fields, which nobody knows", () => {
    const body = metadataResponse.encode({ clusterId: "c" }, 9);
    const frame = Buffer.concat([fromHex("00000007 01 05 02 ffff"), body]);
    const { correlationId, value } = decodeResponse(metadataResponse, 9, frame);
    assert.deepEqual([correlationId, value.clusterId], [7, "c"]);
  });
});

describe("ApiVersions", () => {
  it("is answered in version 0 byte for byte, 16 bytes for one API", () => {
    const value = { apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 5 }] };
    const frame = Buffer.concat(encodeResponse(apiVersionsResponse, 0, 7, value));
    assert.equal(toHex(frame), kafkaBytes.responseHeader0 + kafkaBytes.apiVersionsResponse0);
    assert.equal(frame.length, 16);
  });

  it("is answered in version 3 byte for byte, features and their epoch tagged", () => {
    const value = {
      throttleTimeMs: 5,
      apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 5 }],
      supportedFeatures: [{ name: "group.version", minVersion: 0, maxVersion: 1 }],
      finalizedFeaturesEpoch: 3,
    };
    assert.equal(toHex(apiVersionsResponse.encode(value, 3)), kafkaBytes.apiVersionsResponse3);
    const frame = fromHex(kafkaBytes.responseHeader0 + kafkaBytes.apiVersionsResponse3);
    const read = decodeResponse(apiVersionsResponse, 3, frame);
    assert.equal(read.correlationId, 7);
    assert.deepEqual(read.value, {
      ...value,
      errorCode: 0,
      finalizedFeatures: [],
      zkMigrationReady: false,
    });
  });

  it("is asked with a flexible header from version 3 on", () => {
    const parts = encodeRequest(apiVersionsRequest, 3, 1, "a", {
      clientSoftwareName: "n",
      clientSoftwareVersion: "2",
    });
    assert.equal(
      toHex(Buffer.concat(parts)),
      "0012000300000001000161" + "00" + "026e" + "0232" + "00",
    );
  });
});
