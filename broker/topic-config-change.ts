import type { Topic } from "../cluster/topic.ts";
import type { JsonPatchOperation } from "../kube/api.ts";
import { duplicates } from "../lib/duplicates.ts";
import type { BrokerConfig } from "./config.ts";
import { listOf } from "./config-definition.ts";
import { ProtocolError } from "./errors.ts";
import { ErrorCode } from "./protocol/error-codes.ts";
import { topicConfigDefinition, topicConfigRefusal, topicConfigValue } from "./topic-config.ts";

/** Operations of IncrementalAlterConfigs (KIP-339). */
export const ConfigOperation = { SET: 0, DELETE: 1, APPEND: 2, SUBTRACT: 3 } as const;

const MIN_IN_SYNC = "min.insync.replicas";

/** What is to become of one configuration. */
export interface ConfigChange {
  readonly name: string;
  /** One of ConfigOperation. */
  readonly operation: number;
  readonly value: string | null;
}

/** A topic's own configurations by Kafka's names: spec.config, and spec.minInSyncReplicas over it. (pure) */
export function ownTopicConfig(spec: Topic["spec"]): Map<string, string> {
  const config = new Map(Object.entries(spec.config ?? {}));
  if (spec.minInSyncReplicas !== undefined) config.set(MIN_IN_SYNC, String(spec.minInSyncReplicas));
  return config;
}

/**
 * A topic's own configurations after the changes, in order (pure). Throws ProtocolError: INVALID_REQUEST for a name given
 * twice or a value that is missing, INVALID_CONFIG for what the topic cannot have.
 * @param replaceAll what is not named goes (AlterConfigs, KIP-133), else it stays (IncrementalAlterConfigs, KIP-339).
 */
export function changeTopicConfig(
  own: ReadonlyMap<string, string>,
  changes: readonly ConfigChange[],
  replaceAll: boolean,
  broker: BrokerConfig,
): Map<string, string> {
  const twice = duplicates(changes.map(({ name }) => name));
  if (twice.size > 0) {
    throw new ProtocolError(
      ErrorCode.INVALID_REQUEST,
      `Error due to duplicate config keys: ${[...twice].join(", ")}`,
    );
  }
  const config = new Map(replaceAll ? [] : own);
  for (const change of changes) {
    const { name } = change;
    if (change.operation === ConfigOperation.DELETE) {
      // Also of a name that is not known: tools clear what they might have set (replication throttles).
      config.delete(name);
      continue;
    }
    const value = valueOf(change, own, broker);
    const refusal = topicConfigRefusal(name, value);
    if (refusal !== undefined) throw new ProtocolError(ErrorCode.INVALID_CONFIG, refusal);
    config.set(name, value);
  }
  return config;
}

function valueOf(
  { name, operation, value }: ConfigChange,
  own: ReadonlyMap<string, string>,
  broker: BrokerConfig,
): string {
  if (value === null) {
    throw new ProtocolError(ErrorCode.INVALID_REQUEST, `Null value not supported for : ${name}`);
  }
  if (operation === ConfigOperation.SET) return value;
  if (operation !== ConfigOperation.APPEND && operation !== ConfigOperation.SUBTRACT) {
    throw new ProtocolError(ErrorCode.INVALID_REQUEST, `Unknown operation ${operation}`);
  }
  if (topicConfigDefinition(name)?.type !== "list") {
    const verb = operation === ConfigOperation.APPEND ? "append to" : "subtract from";
    throw new ProtocolError(
      ErrorCode.INVALID_CONFIG,
      `Can't ${verb} ${name}: its type is not a list`,
    );
  }
  const present = listOf(topicConfigValue(name, own, broker));
  const given = listOf(value);
  return operation === ConfigOperation.APPEND
    ? [...new Set([...present, ...given])].join(",")
    : present.filter((one) => !given.includes(one)).join(",");
}

/** What makes a Topic's spec say the configurations; nothing if it does. (pure) */
export function writeTopicConfig(
  spec: Topic["spec"],
  wanted: ReadonlyMap<string, string>,
): JsonPatchOperation[] {
  const operations: JsonPatchOperation[] = [];
  const config = new Map(wanted);
  const minimum = Number(config.get(MIN_IN_SYNC) ?? 0);
  config.delete(MIN_IN_SYNC);
  const present = new Map(Object.entries(spec.config ?? {}));
  const same =
    present.size === config.size && [...config].every(([name, to]) => present.get(name) === to);
  if (!same) {
    operations.push({ op: "add", path: "/spec/config", value: Object.fromEntries(config) });
  }
  if (minimum > 0) {
    if (spec.minInSyncReplicas !== minimum) {
      operations.push({ op: "add", path: "/spec/minInSyncReplicas", value: minimum });
    }
  } else if (spec.minInSyncReplicas !== undefined) {
    operations.push({ op: "remove", path: "/spec/minInSyncReplicas" });
  }
  return operations;
}
