// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import { array, defineMessage, int16, string, type MessageOf } from "../schema.ts";

export const saslHandshakeRequest = defineMessage(
  { name: "SaslHandshakeRequest", apiKey: 17, kind: "request", versions: "0-1" },
  {
    mechanism: string("0+"),
  },
);
export type SaslHandshakeRequest = MessageOf<typeof saslHandshakeRequest>;

export const saslHandshakeResponse = defineMessage(
  { name: "SaslHandshakeResponse", apiKey: 17, kind: "response", versions: "0-1" },
  {
    errorCode: int16("0+"),
    mechanisms: array("0+", string("0+")),
  },
);
export type SaslHandshakeResponse = MessageOf<typeof saslHandshakeResponse>;
