import { apis } from "../protocol/api-versions.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type { ApiVersionsRequest, apiVersionsResponse } from "../protocol/messages/api-versions.ts";
import type { InputOf } from "../protocol/schema.ts";
import type { BrokerServices } from "../services.ts";
import type { Handler } from "./handler.ts";

const NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;
/** First versions with the client's name (KIP-511), and with the broker it believes to talk to (KIP-1242). */
const NAMES_CLIENT = 3;
const NAMES_BROKER = 5;

/**
 * What this broker speaks (KIP-35, KIP-511). A client that takes it for another broker, or its cluster for another, is told
 * to begin at its bootstrap servers again: pods swap addresses (KIP-1242).
 */
export function handleApiVersions(
  served: (apiKey: number) => boolean,
): Handler<ApiVersionsRequest, InputOf<typeof apiVersionsResponse>> {
  return ({ services }, request, version) => {
    const errorCode = !isValid(request, version)
      ? ErrorCode.INVALID_REQUEST
      : meansAnother(request, version, services)
        ? ErrorCode.REBOOTSTRAP_REQUIRED
        : ErrorCode.NONE;
    const offered = errorCode === ErrorCode.NONE ? apis : [];
    const apiKeys = offered
      .filter((api) => api.listener === "client" && served(api.key))
      .map((api) => ({ apiKey: api.key, minVersion: api.minVersion, maxVersion: api.maxVersion }));
    return { errorCode, apiKeys, throttleTimeMs: 0 };
  };
}

function isValid(request: ApiVersionsRequest, version: number): boolean {
  const { clientSoftwareName, clientSoftwareVersion, clusterId, nodeId } = request;
  if (version >= NAMES_BROKER && (clusterId === null) !== (nodeId === -1)) return false;
  return (
    version < NAMES_CLIENT || (NAME.test(clientSoftwareName) && NAME.test(clientSoftwareVersion))
  );
}

function meansAnother(
  { clusterId, nodeId }: ApiVersionsRequest,
  version: number,
  { metadata, brokerId }: BrokerServices,
): boolean {
  if (version < NAMES_BROKER || clusterId === null) return false;
  return clusterId !== metadata.clusterId || nodeId !== brokerId;
}
