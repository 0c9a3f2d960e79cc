import { ErrorCode } from "../protocol/error-codes.ts";
import type { MetadataView } from "../metadata/view.ts";
import type {
  ListConfigResourcesRequest,
  listConfigResourcesResponse,
} from "../protocol/messages/list-config-resources.ts";
import type { InputOf } from "../protocol/schema.ts";
import type { Handler } from "./handler.ts";

/** Resources that have configurations in Kafka (KIP-1142). */
const TOPIC = 2;
const BROKER = 4;
const BROKER_LOGGER = 8;
const CLIENT_METRICS = 16;
const GROUP = 32;

/** First version that asks for types; before it client metrics were meant (KIP-1000). */
const ASKS_FOR_TYPES = 1;

/** Names by type; loggers, client metrics and groups have no configurations of their own here. */
const NAMES = new Map<number, (metadata: MetadataView) => Iterable<string>>([
  [TOPIC, ({ topics }) => topics.keys()],
  [BROKER, ({ brokers }) => [...brokers.keys()].map(String)],
  [BROKER_LOGGER, () => []],
  [CLIENT_METRICS, () => []],
  [GROUP, () => []],
]);

/** What can be asked for with DescribeConfigs. An unknown type is refused with UNSUPPORTED_VERSION, as in Kafka. */
export const handleListConfigResources: Handler<
  ListConfigResourcesRequest,
  InputOf<typeof listConfigResourcesResponse>
> = ({ services }, request, version) => {
  const asked =
    version < ASKS_FOR_TYPES
      ? [CLIENT_METRICS]
      : request.resourceTypes.length === 0
        ? [...NAMES.keys()]
        : [...new Set(request.resourceTypes)];
  if (asked.some((type) => !NAMES.has(type))) {
    return { errorCode: ErrorCode.UNSUPPORTED_VERSION, configResources: [] };
  }
  const configResources = asked.flatMap((resourceType) =>
    [...(NAMES.get(resourceType)?.(services.metadata) ?? [])].map((resourceName) => ({
      resourceName,
      resourceType,
    })),
  );
  return { errorCode: ErrorCode.NONE, configResources };
};
