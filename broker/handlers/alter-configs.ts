import { duplicates } from "../../lib/duplicates.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type {
  AlterConfigsRequest,
  alterConfigsResponse,
} from "../protocol/messages/alter-configs.ts";
import type {
  IncrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
} from "../protocol/messages/incremental-alter-configs.ts";
import type { InputOf } from "../protocol/schema.ts";
import { ProtocolError } from "../errors.ts";
import type { BrokerServices } from "../services.ts";
import { type ConfigChange, ConfigOperation } from "../topic-config-change.ts";
import { codeOf, messageOf } from "./common.ts";
import type { Handler, RequestContext } from "./handler.ts";

const RESOURCE_TOPIC = 2;
const RESOURCE_BROKER = 4;

interface Resource {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly configs: readonly { readonly name: string; readonly configOperation?: number }[];
}

/** Replaces all configurations of a topic (the older way, kept for clients that know no other). */
export const handleAlterConfigs: Handler<
  AlterConfigsRequest,
  InputOf<typeof alterConfigsResponse>
> = async (context, { resources, validateOnly }) => {
  const twice = duplicates(resources.map(keyOf));
  const responses = await Promise.all(
    resources.map((resource) =>
      altered(context, resource, twice, async (topic) => {
        const changes = resource.configs.map(({ name, value }): ConfigChange => ({
          name,
          operation: ConfigOperation.SET,
          value,
        }));
        await context.services.topicAdmin.alterConfigs(topic, changes, true, validateOnly);
      }),
    ),
  );
  return { responses };
};

/** Changes single configurations of a topic (KIP-339). */
export const handleIncrementalAlterConfigs: Handler<
  IncrementalAlterConfigsRequest,
  InputOf<typeof incrementalAlterConfigsResponse>
> = async (context, { resources, validateOnly }) => {
  const twice = duplicates(resources.map(keyOf));
  const responses = await Promise.all(
    resources.map((resource) =>
      altered(context, resource, twice, async (topic) => {
        const changes = resource.configs.map(({ name, configOperation, value }): ConfigChange => ({
          name,
          operation: configOperation,
          value,
        }));
        await context.services.topicAdmin.alterConfigs(topic, changes, false, validateOnly);
      }),
    ),
  );
  return { responses };
};

async function altered(
  { services }: RequestContext,
  asked: Resource,
  twice: ReadonlySet<string>,
  alter: (topic: string) => Promise<void>,
): Promise<{
  resourceType: number;
  resourceName: string;
  errorCode: number;
  errorMessage: string | null;
}> {
  const { resourceType, resourceName, configs } = asked;
  const resource = { resourceType, resourceName };
  try {
    if (twice.has(keyOf(asked))) {
      throw new ProtocolError(ErrorCode.INVALID_REQUEST, "Each resource must appear at most once.");
    }
    if (resourceType === RESOURCE_BROKER) requireNothingToDo(services, configs);
    else if (resourceType !== RESOURCE_TOPIC) {
      throw new ProtocolError(ErrorCode.INVALID_REQUEST, `Resource type ${resourceType}`);
    } else await alter(resourceName);
    return { ...resource, errorCode: ErrorCode.NONE, errorMessage: null };
  } catch (error) {
    return { ...resource, errorCode: codeOf(error), errorMessage: messageOf(error) };
  }
}

/** Brokers are configured in Kubernetes. What is to be deleted and is not set is deleted: tools clear replication throttles. */
function requireNothingToDo(
  { metadata }: BrokerServices,
  configs: readonly { readonly name: string; readonly configOperation?: number }[],
): void {
  for (const { name, configOperation } of configs) {
    if (configOperation === ConfigOperation.DELETE && !metadata.brokerConfig.has(name)) continue;
    throw new ProtocolError(
      ErrorCode.INVALID_REQUEST,
      "Broker configurations are set in the BrokerCluster object (spec.config).",
    );
  }
}

function keyOf({ resourceType, resourceName }: Resource): string {
  return `${resourceType}/${resourceName}`;
}
