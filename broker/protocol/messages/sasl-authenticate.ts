// Field tables taken from Apache Kafka 4.4.0 message schemas, Apache-2.0 (NOTICE).
import { bytes, defineMessage, int16, int64, nullableString, type MessageOf } from "../schema.ts";

export const saslAuthenticateRequest = defineMessage(
  { name: "SaslAuthenticateRequest", apiKey: 36, kind: "request", versions: "0-2", flexible: 2 },
  {
    authBytes: bytes("0+"),
  },
);
export type SaslAuthenticateRequest = MessageOf<typeof saslAuthenticateRequest>;

export const saslAuthenticateResponse = defineMessage(
  { name: "SaslAuthenticateResponse", apiKey: 36, kind: "response", versions: "0-2", flexible: 2 },
  {
    errorCode: int16("0+"),
    errorMessage: nullableString("0+", { nullable: "0+" }),
    authBytes: bytes("0+"),
    sessionLifetimeMs: int64("1+"),
  },
);
export type SaslAuthenticateResponse = MessageOf<typeof saslAuthenticateResponse>;
