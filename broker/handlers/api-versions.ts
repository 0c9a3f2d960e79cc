import { apis } from "../protocol/api-versions.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type { ApiVersionsRequest, apiVersionsResponse } from "../protocol/messages/api-versions.ts";
import type { InputOf } from "../protocol/schema.ts";
import type { Handler } from "./handler.ts";

/** What this broker speaks (KIP-35, KIP-511); a client that believes in another cluster is told so (KIP-1242). */
export function handleApiVersions(
  served: (apiKey: number) => boolean,
): Handler<ApiVersionsRequest, InputOf<typeof apiVersionsResponse>> {
  return ({ services }, request, version) => {
    const answer = apis
      .filter((api) => api.listener === "client" && served(api.key))
      .map((api) => ({ apiKey: api.key, minVersion: api.minVersion, maxVersion: api.maxVersion }));
    const nameRule = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;
    const named =
      version < 3 ||
      (nameRule.test(request.clientSoftwareName) && nameRule.test(request.clientSoftwareVersion));
    const elsewhere =
      version >= 5 &&
      request.clusterId !== null &&
      request.clusterId !== "" &&
      request.clusterId !== services.metadata.clusterId;
    const errorCode = elsewhere
      ? ErrorCode.REBOOTSTRAP_REQUIRED
      : named
        ? ErrorCode.NONE
        : ErrorCode.INVALID_REQUEST;
    return { errorCode, apiKeys: answer, throttleTimeMs: 0 };
  };
}
