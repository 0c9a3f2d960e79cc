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
import { topicConfigDefinition, topicConfigValue } from "../topic-config.ts";
import { codeOf, messageOf } from "./common.ts";
import type { Handler, RequestContext } from "./handler.ts";

const RESOURCE_TOPIC = 2;
/** Operations of IncrementalAlterConfigs (KIP-339). */
const SET = 0;
const DELETE = 1;
const APPEND = 2;
const SUBTRACT = 3;

/** Replaces all configurations of a topic (the older way, kept for clients that know no other). */
export const handleAlterConfigs: Handler<
  AlterConfigsRequest,
  InputOf<typeof alterConfigsResponse>
> = async (context, request) => ({
  responses: await Promise.all(
    request.resources.map((resource) =>
      altered(context, resource, async () => {
        const changes = new Map(resource.configs.map(({ name, value }) => [name, value]));
        await context.services.topicAdmin.alterConfigs(
          resource.resourceName,
          changes,
          true,
          request.validateOnly,
        );
      }),
    ),
  ),
});

/** Changes single configurations of a topic (KIP-339). */
export const handleIncrementalAlterConfigs: Handler<
  IncrementalAlterConfigsRequest,
  InputOf<typeof incrementalAlterConfigsResponse>
> = async (context, request) => ({
  responses: await Promise.all(
    request.resources.map((resource) =>
      altered(context, resource, async () => {
        const changes = new Map<string, string | null>();
        for (const { name, configOperation, value } of resource.configs) {
          changes.set(name, changed(context, resource.resourceName, name, configOperation, value));
        }
        await context.services.topicAdmin.alterConfigs(
          resource.resourceName,
          changes,
          false,
          request.validateOnly,
        );
      }),
    ),
  ),
});

async function altered(
  { services }: RequestContext,
  { resourceType, resourceName }: { readonly resourceType: number; readonly resourceName: string },
  alter: () => Promise<void>,
): Promise<{
  errorCode: number;
  errorMessage: string | null;
  resourceType: number;
  resourceName: string;
}> {
  const resource = { resourceType, resourceName };
  try {
    if (resourceType !== RESOURCE_TOPIC) {
      throw new ProtocolError(
        ErrorCode.INVALID_REQUEST,
        "Broker configurations are set in the BrokerCluster object (spec.config).",
      );
    }
    if (!services.metadata.topics.has(resourceName)) {
      throw new ProtocolError(
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        "This server does not host this topic.",
      );
    }
    await alter();
    return { ...resource, errorCode: ErrorCode.NONE, errorMessage: null };
  } catch (error) {
    return { ...resource, errorCode: codeOf(error), errorMessage: messageOf(error) };
  }
}

function changed(
  { services }: RequestContext,
  topic: string,
  name: string,
  operation: number,
  value: string | null,
): string | null {
  if (operation === DELETE) return null;
  if (value === null) throw new ProtocolError(ErrorCode.INVALID_CONFIG, `Null value for ${name}.`);
  if (operation === SET) return value;
  if (
    (operation !== APPEND && operation !== SUBTRACT) ||
    topicConfigDefinition(name)?.type !== "list"
  ) {
    throw new ProtocolError(
      ErrorCode.INVALID_CONFIG,
      `Operation ${operation} is not allowed for ${name}.`,
    );
  }
  const own = services.metadata.topics.get(topic)?.config ?? new Map<string, string>();
  const present = topicConfigValue(name, own, services.config)
    .split(",")
    .filter((one) => one !== "");
  const given = value.split(",");
  const next =
    operation === APPEND
      ? [...new Set([...present, ...given])]
      : present.filter((one) => !given.includes(one));
  return next.join(",");
}
