import { type BrokerConfig, LONG_MAX } from "./config.ts";
import { type ConfigDefinition, listOf, refusal } from "./config-definition.ts";
import type { LogConfig } from "./log/types.ts";

/** A topic configuration: what a broker configuration is, and the broker's one that stands in for it. */
export interface TopicConfigDefinition extends ConfigDefinition {
  readonly synonym: string | undefined;
}

function define(
  name: string,
  synonym: string | undefined,
  definition: Pick<ConfigDefinition, "type" | "default" | "doc"> & Partial<ConfigDefinition>,
): TopicConfigDefinition {
  return { ...definition, name, synonym };
}

const number = (type: "int" | "long", value: number | string, min: number, doc: string) => ({
  type,
  default: String(value),
  min,
  doc,
});

/** Kafka's topic configurations (4.4) and ours. */
export const TOPIC_CONFIGS: readonly TopicConfigDefinition[] = [
  define("cleanup.policy", "log.cleanup.policy", {
    type: "list",
    default: "delete",
    oneOf: ["delete", "compact"],
    doc: "What becomes of old records.",
  }),
  define("compression.type", "compression.type", {
    type: "string",
    default: "producer",
    oneOf: ["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"],
    doc: "Codec of the topic's records.",
  }),
  define(
    "delete.retention.ms",
    "log.cleaner.delete.retention.ms",
    number("long", 86_400_000, 0, "How long a tombstone stays."),
  ),
  define(
    "file.delete.delay.ms",
    "log.segment.delete.delay.ms",
    number("long", 60_000, 0, "Between deciding to delete a segment and deleting it."),
  ),
  define(
    "flush.messages",
    undefined,
    number("long", LONG_MAX, 1, "Without effect: every append is flushed."),
  ),
  define(
    "flush.ms",
    undefined,
    number("long", LONG_MAX, 0, "Without effect: every append is flushed."),
  ),
  define(
    "index.interval.bytes",
    "log.index.interval.bytes",
    number("int", 4096, 0, "Bytes between two entries of an index."),
  ),
  define(
    "max.compaction.lag.ms",
    "log.cleaner.max.compaction.lag.ms",
    number("long", LONG_MAX, 1, "Longest time without compaction."),
  ),
  define(
    "max.message.bytes",
    "message.max.bytes",
    number("int", 1_048_588, 0, "Largest record batch, as it is stored."),
  ),
  define(
    "message.timestamp.after.max.ms",
    "log.message.timestamp.after.max.ms",
    number("long", 3_600_000, 0, "How far in the future a record may be."),
  ),
  define(
    "message.timestamp.before.max.ms",
    "log.message.timestamp.before.max.ms",
    number("long", LONG_MAX, 0, "How old a record may be."),
  ),
  define("message.timestamp.type", "log.message.timestamp.type", {
    type: "string",
    default: "CreateTime",
    oneOf: ["CreateTime", "LogAppendTime"],
    doc: "Whose time a record carries.",
  }),
  define("min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio", {
    type: "double",
    default: "0.5",
    min: 0,
    max: 1,
    doc: "Share of new records before compaction.",
  }),
  define(
    "min.compaction.lag.ms",
    "log.cleaner.min.compaction.lag.ms",
    number("long", 0, 0, "Shortest time before compaction."),
  ),
  define(
    "min.insync.replicas",
    "min.insync.replicas",
    number(
      "int",
      0,
      0,
      "In-sync replicas an acks=all append needs; 0: a majority of the replicas.",
    ),
  ),
  define("preallocate", undefined, {
    type: "boolean",
    default: "false",
    oneOf: ["true", "false"],
    doc: "Without effect.",
  }),
  define(
    "retention.bytes",
    "log.retention.bytes",
    number("long", -1, -1, "Oldest segments are deleted beyond this size of a partition."),
  ),
  define(
    "retention.ms",
    "log.retention.ms",
    number("long", 604_800_000, -1, "Segments older than this are deleted."),
  ),
  define(
    "segment.bytes",
    "log.segment.bytes",
    number("int", 1_073_741_824, 14, "A segment is rolled at this size."),
  ),
  define(
    "segment.index.bytes",
    "log.index.size.max.bytes",
    number("int", 10_485_760, 4, "Largest index."),
  ),
  define("segment.jitter.ms", undefined, number("long", 0, 0, "Without effect.")),
  define(
    "segment.ms",
    "log.roll.ms",
    number("long", 604_800_000, 1, "A segment is rolled at this age."),
  ),
  define("unclean.leader.election.enable", "unclean.leader.election.enable", {
    type: "boolean",
    default: "false",
    oneOf: ["true", "false"],
    doc: "A replica that may lack records may lead.",
  }),
  define("forebay.durability", undefined, {
    type: "string",
    default: "synced",
    oneOf: ["synced", "replicated"],
    doc: "What an acknowledgement waits for: stable storage, or the replicas' memory as in Kafka.",
  }),
];

const BY_NAME = new Map(TOPIC_CONFIGS.map((one) => [one.name, one]));

export function topicConfigDefinition(name: string): TopicConfigDefinition | undefined {
  return BY_NAME.get(name);
}

/** Why a topic cannot have this configuration, or undefined when it can. */
export function topicConfigRefusal(name: string, value: string): string | undefined {
  const definition = BY_NAME.get(name);
  if (definition === undefined) return `Unknown topic config name: ${name}`;
  return refusal(definition, value);
}

/** A topic configuration's value in force. */
export function topicConfigValue(
  name: string,
  own: ReadonlyMap<string, string>,
  broker: BrokerConfig,
): string {
  const definition = BY_NAME.get(name);
  const given = own.get(name);
  if (given !== undefined && definition !== undefined && refusal(definition, given) === undefined)
    return given;
  const synonym = definition?.synonym === undefined ? undefined : broker.text(definition.synonym);
  return synonym ?? definition?.default ?? "";
}

/** What a partition needs of its topic's configuration. */
export interface EffectiveTopicConfig {
  readonly log: LogConfig;
  readonly minInSyncReplicas: number;
  readonly uncleanLeaderElection: boolean;
}

export function effectiveTopicConfig(
  own: ReadonlyMap<string, string>,
  broker: BrokerConfig,
  replicas: number,
): EffectiveTopicConfig {
  const value = (name: string): string => topicConfigValue(name, own, broker);
  const num = (name: string): number => Number(value(name));
  const policies = listOf(value("cleanup.policy"));
  const compact = policies.includes("compact");
  const majority = Math.floor(replicas / 2) + 1;
  const wanted = num("min.insync.replicas");
  return {
    log: {
      segmentBytes: num("segment.bytes"),
      // So that what is new does not stay in the active segment, which is not compacted, for longer.
      segmentMs: compact
        ? Math.min(num("segment.ms"), num("max.compaction.lag.ms"))
        : num("segment.ms"),
      retentionBytes: num("retention.bytes"),
      retentionMs: num("retention.ms"),
      indexIntervalBytes: num("index.interval.bytes"),
      maxIndexBytes: num("segment.index.bytes"),
      maxMessageBytes: num("max.message.bytes"),
      timestampType:
        value("message.timestamp.type") === "LogAppendTime" ? "LogAppendTime" : "CreateTime",
      timestampBeforeMaxMs: num("message.timestamp.before.max.ms"),
      timestampAfterMaxMs: num("message.timestamp.after.max.ms"),
      compact,
      delete: policies.includes("delete"),
      minCleanableDirtyRatio: num("min.cleanable.dirty.ratio"),
      minCompactionLagMs: num("min.compaction.lag.ms"),
      maxCompactionLagMs: num("max.compaction.lag.ms"),
      deleteRetentionMs: num("delete.retention.ms"),
      fileDeleteDelayMs: num("file.delete.delay.ms"),
      durability: value("forebay.durability") === "replicated" ? "replicated" : "synced",
    },
    // More than there are replicas could never be met (a topic of one replica on a cluster whose default is two).
    minInSyncReplicas: Math.min(wanted === 0 ? majority : wanted, Math.max(1, replicas)),
    uncleanLeaderElection: value("unclean.leader.election.enable") === "true",
  };
}
