import { ErrorCode } from "../protocol/error-codes.ts";
import type {
  DescribeConfigsRequest,
  describeConfigsResponse,
} from "../protocol/messages/describe-configs.ts";
import type { InputOf } from "../protocol/schema.ts";
import { BROKER_CONFIGS } from "../config.ts";
import type { ConfigType } from "../config-definition.ts";
import { ProtocolError } from "../errors.ts";
import { TOPIC_CONFIGS, topicConfigValue } from "../topic-config.ts";
import { codeOf, messageOf } from "./common.ts";
import type { Handler, RequestContext } from "./handler.ts";

type Response = InputOf<typeof describeConfigsResponse>;
type Result = NonNullable<Response["results"]>[number];
type Config = NonNullable<Result["configs"]>[number];

const RESOURCE_TOPIC = 2;
const RESOURCE_BROKER = 4;
/** Where a value comes from (DescribeConfigs, ConfigSource). */
const SOURCE_TOPIC = 1;
const SOURCE_STATIC_BROKER = 4;
const SOURCE_DEFAULT = 5;
const TYPES: Readonly<Record<ConfigType, number>> = {
  boolean: 1,
  string: 2,
  int: 3,
  long: 5,
  double: 6,
  list: 7,
};

export const handleDescribeConfigs: Handler<DescribeConfigsRequest, Response> = (
  context,
  request,
) => ({
  results: request.resources.map(({ resourceType, resourceName, configurationKeys }): Result => {
    const resource = { resourceType, resourceName };
    try {
      const configs =
        resourceType === RESOURCE_TOPIC
          ? topicConfigs(context, resourceName, request)
          : resourceType === RESOURCE_BROKER
            ? brokerConfigs(context, resourceName, request)
            : refuse(ErrorCode.INVALID_REQUEST, `resource type ${resourceType}`);
      const keys = configurationKeys === null ? undefined : new Set(configurationKeys);
      return {
        ...resource,
        errorCode: ErrorCode.NONE,
        errorMessage: null,
        configs: keys === undefined ? configs : configs.filter((one) => keys.has(one.name ?? "")),
      };
    } catch (error) {
      return { ...resource, errorCode: codeOf(error), errorMessage: messageOf(error), configs: [] };
    }
  }),
});

function refuse(code: number, message: string): never {
  throw new ProtocolError(code, message);
}

function topicConfigs(
  { services }: RequestContext,
  name: string,
  request: DescribeConfigsRequest,
): Config[] {
  const topic = services.metadata.topics.get(name);
  if (topic === undefined)
    refuse(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic.");
  return TOPIC_CONFIGS.map((definition) => {
    const own = topic.config.get(definition.name);
    const synonyms = [
      ...(own === undefined ? [] : [{ name: definition.name, value: own, source: SOURCE_TOPIC }]),
      ...(definition.synonym === undefined
        ? []
        : services.config
            .sources(definition.synonym)
            .map((given) => ({ ...given, source: SOURCE_STATIC_BROKER }))),
      {
        name: definition.synonym ?? definition.name,
        value: definition.default,
        source: SOURCE_DEFAULT,
      },
    ];
    return {
      name: definition.name,
      value: topicConfigValue(definition.name, topic.config, services.config),
      configSource: synonyms[0]?.source ?? SOURCE_DEFAULT,
      configType: TYPES[definition.type],
      synonyms: request.includeSynonyms ? synonyms : [],
      documentation: request.includeDocumentation ? definition.doc : null,
    };
  });
}

function brokerConfigs(
  { services }: RequestContext,
  name: string,
  request: DescribeConfigsRequest,
): Config[] {
  if (name !== "" && Number(name) !== services.brokerId) {
    refuse(
      ErrorCode.INVALID_REQUEST,
      `Unexpected broker id, expected ${services.brokerId}, but received ${name}`,
    );
  }
  return BROKER_CONFIGS.map((definition) => {
    const given = services.config.sources(definition.name);
    const synonyms = [
      ...given.map((one) => ({ ...one, source: SOURCE_STATIC_BROKER })),
      { name: definition.name, value: definition.default, source: SOURCE_DEFAULT },
    ];
    return {
      name: definition.name,
      value: given.length === 0 ? definition.default : services.config.text(definition.name),
      // Changed in the BrokerCluster object, not through the protocol.
      readOnly: true,
      configSource: synonyms[0]?.source ?? SOURCE_DEFAULT,
      configType: TYPES[definition.type],
      synonyms: request.includeSynonyms ? synonyms : [],
      documentation: request.includeDocumentation ? definition.doc : null,
    };
  });
}
