import { HOUR, type Bytes, KIB, type Millis, MIB, MINUTE } from "../lib/units.ts";
import { type ConfigDefinition, refusal } from "./config-definition.ts";
import { DEFAULT_LOG_OPTIONS, type LogOptions } from "./log/log-options.ts";
import { RACK_AWARE_SELECTOR } from "./replication/read-replica.ts";

/** The largest long of Kafka's, for "without limit": as a number it is rounded, which no use of it minds. */
export const LONG_MAX = "9223372036854775807";

const int = (name: string, value: number, min: number, doc: string): ConfigDefinition => ({
  name,
  type: "int",
  default: String(value),
  min,
  doc,
});
const long = (
  name: string,
  value: number,
  min: number,
  doc: string,
  rest: Partial<ConfigDefinition> = {},
): ConfigDefinition => ({ ...int(name, value, min, doc), type: "long", ...rest });
/** A setting that another one is derived from when that is not given: by default it is not given either. */
const coarse = (
  name: string,
  type: "int" | "long",
  min: number,
  doc: string,
): ConfigDefinition => ({
  name,
  type,
  default: null,
  min,
  doc,
});
const flag = (name: string, value: boolean, doc: string): ConfigDefinition => ({
  name,
  type: "boolean",
  default: String(value),
  oneOf: ["true", "false"],
  doc,
});
const text = (
  name: string,
  value: string | null,
  doc: string,
  oneOf?: readonly string[],
): ConfigDefinition => ({
  name,
  type: "string",
  default: value,
  ...(oneOf === undefined ? {} : { oneOf }),
  doc,
});

/** Broker configurations that are known; what is not listed is kept and shown but has no effect. */
export const BROKER_CONFIGS: readonly ConfigDefinition[] = [
  flag("auto.create.topics.enable", true, "A topic that a client asks for is created."),
  int("num.partitions", 1, 1, "Partitions of a topic created without a number."),
  int(
    "default.replication.factor",
    3,
    1,
    "Replicas of a topic created without a number; at most the brokers.",
  ),
  int(
    "min.insync.replicas",
    0,
    0,
    "In-sync replicas an acks=all append needs; 0: a majority of the replicas.",
  ),
  flag("unclean.leader.election.enable", false, "A replica that may lack records may lead."),
  int("broker.session.timeout.ms", 2000, 100, "Silence after which a broker is taken for dead."),
  text("broker.rack", null, "Where this broker is: a zone. Set from spec.rackKey."),
  text(
    "replica.selector.class",
    null,
    "RackAwareReplicaSelector: a consumer reads from a replica in its rack (client.rack).",
    [RACK_AWARE_SELECTOR],
  ),
  int("broker.heartbeat.interval.ms", 300, 10, "Between two heartbeats to the controller."),
  int(
    "replica.lag.time.max.ms",
    10_000,
    100,
    "A follower behind for longer leaves the in-sync replicas.",
  ),
  int("replica.fetch.wait.max.ms", 500, 1, "How long a follower's fetch waits for records."),
  int("replica.fetch.max.bytes", MIB, 1, "Bytes of one partition in a follower's fetch."),
  int("replica.fetch.response.max.bytes", 10 * MIB, 1, "Bytes of a follower's fetch."),
  int(
    "forebay.leader.settle.ms",
    5000,
    0,
    "A returned broker leads its preferred partitions after this.",
  ),
  int("message.max.bytes", 1_048_588, 0, "Largest record batch, as it is stored."),
  int("socket.request.max.bytes", 100 * MIB, 1, "Largest request."),
  int("max.connections", 10_000, 1, "Connections of one listener."),
  int("max.connections.per.ip", 2_147_483_647, 0, "Connections of one address to one listener."),
  text(
    "max.connections.per.ip.overrides",
    "",
    "The same for some addresses: address:number, separated by commas.",
  ),
  long(
    "queued.max.request.bytes",
    64 * MIB,
    MIB,
    "Memory for requests that have not come whole or wait; beyond it sockets are not read.",
  ),
  long(
    "forebay.answer.max.bytes",
    128 * MIB,
    MIB,
    "Memory for answers that clients have not taken, and for reading them from segments.",
  ),
  int(
    "forebay.slow.client.ms",
    5000,
    100,
    "While memory is short, a client that does not go on for so long is cut off.",
  ),
  long("connections.max.idle.ms", 10 * MINUTE, 1000, "An idle connection is closed after this."),
  int("fetch.max.bytes", 55 * MIB, 1024, "Largest answer to a fetch."),
  int("max.incremental.fetch.session.cache.slots", 1000, 0, "Fetch sessions kept."),
  text("log.dirs", "data", "Folder of this broker's volume. Set from FOREBAY_DATA."),
  int("quota.window.num", 11, 1, "Windows of its quota that a client may use at once."),
  int("quota.window.size.seconds", 1, 1, "Length of such a window."),
  int("log.segment.bytes", 1024 * MIB, 14, "A segment is rolled at this size."),
  long("log.roll.ms", 7 * 24 * HOUR, 1, "A segment is rolled at this age.", {
    coarser: [{ name: "log.roll.hours", factor: HOUR }],
  }),
  coarse("log.roll.hours", "int", 1, "log.roll.ms in hours, when that is not given."),
  long("log.retention.ms", 7 * 24 * HOUR, -1, "Segments older than this are deleted; -1: never.", {
    coarser: [
      { name: "log.retention.minutes", factor: MINUTE },
      { name: "log.retention.hours", factor: HOUR },
    ],
  }),
  coarse(
    "log.retention.minutes",
    "int",
    -1,
    "log.retention.ms in minutes, when that is not given.",
  ),
  coarse("log.retention.hours", "int", -1, "log.retention.ms in hours, when no finer is given."),
  long(
    "log.retention.bytes",
    -1,
    -1,
    "Oldest segments are deleted beyond this size of a partition; -1: never.",
  ),
  long(
    "log.retention.check.interval.ms",
    5 * MINUTE,
    1,
    "Between two looks for segments to delete.",
  ),
  {
    name: "log.cleanup.policy",
    type: "list",
    default: "delete",
    oneOf: ["delete", "compact"],
    doc: "What becomes of old records.",
  },
  flag("log.cleaner.enable", true, "Topics with cleanup.policy=compact are compacted."),
  long("log.cleaner.backoff.ms", 15_000, 0, "Between two looks for logs to compact."),
  long(
    "log.cleaner.dedupe.buffer.size",
    32 * MIB,
    MIB,
    "Memory for the keys of the log being compacted, 24 bytes each; more keys take more passes.",
  ),
  int("log.cleaner.io.buffer.size", 512 * KIB, KIB, "Bytes read at once for compaction."),
  {
    name: "log.cleaner.io.max.bytes.per.second",
    type: "double",
    default: "1.7976931348623157E308",
    min: 1,
    doc: "Bytes that compaction reads and writes a second, at most.",
  },
  {
    name: "log.cleaner.min.cleanable.ratio",
    type: "double",
    default: "0.5",
    min: 0,
    max: 1,
    doc: "Share of new records before compaction.",
  },
  long("log.cleaner.delete.retention.ms", 24 * HOUR, 0, "How long a tombstone stays."),
  long("log.cleaner.min.compaction.lag.ms", 0, 0, "Shortest time before compaction."),
  long("log.cleaner.max.compaction.lag.ms", 0, 1, "Longest time without compaction.", {
    default: LONG_MAX,
  }),
  int("log.index.interval.bytes", 4096, 0, "Bytes between two entries of an index."),
  int("log.index.size.max.bytes", 10 * MIB, 4, "Largest index."),
  text("log.message.timestamp.type", "CreateTime", "Whose time a record carries.", [
    "CreateTime",
    "LogAppendTime",
  ]),
  long("log.message.timestamp.before.max.ms", 0, 0, "How old a record may be.", {
    default: LONG_MAX,
  }),
  long("log.message.timestamp.after.max.ms", HOUR, 0, "How far in the future a record may be."),
  long(
    "log.segment.delete.delay.ms",
    MINUTE,
    0,
    "Between deciding to delete a segment and deleting it.",
  ),
  text("compression.type", "producer", "Codec of a topic's records.", [
    "producer",
    "uncompressed",
    "gzip",
    "snappy",
    "lz4",
    "zstd",
  ]),
  int(
    "producer.id.expiration.ms",
    24 * HOUR,
    1,
    "A silent producer's sequence is forgotten after this.",
  ),
  int("offsets.topic.num.partitions", 50, 1, "Partitions of __consumer_offsets; at most 100."),
  int(
    "offsets.topic.replication.factor",
    3,
    1,
    "Replicas of __consumer_offsets; at most the brokers.",
  ),
  int("offsets.topic.segment.bytes", 100 * MIB, 1, "Segment size of __consumer_offsets."),
  int(
    "offsets.retention.minutes",
    10_080,
    1,
    "Offsets of an empty group are forgotten after this.",
  ),
  int("offset.metadata.max.bytes", 4096, 0, "Largest metadata of a committed offset."),
  int("offsets.commit.timeout.ms", 5000, 1, "How long a commit may wait for its replicas."),
  int("group.initial.rebalance.delay.ms", 3000, 0, "A new group waits this long for more members."),
  int("group.min.session.timeout.ms", 6000, 1, "Shortest session a member may ask for."),
  int("group.max.session.timeout.ms", 1_800_000, 1, "Longest session a member may ask for."),
  int("group.max.size", 10_000, 1, "Members of one group."),
  long(
    "forebay.tail.bytes",
    64 * MIB,
    256 * KIB,
    "Memory for the newest records of all partitions.",
  ),
  long("forebay.journal.file.bytes", 64 * MIB, MIB, "Size of one journal file."),
  int(
    "forebay.checkpoint.interval.ms",
    10_000,
    10,
    "Segments are written and synced at least this often; until then the journal has what they lack.",
  ),
  long(
    "forebay.volume.reserve.bytes",
    1024 * MIB,
    0,
    "Clients' records are refused while less of the volume is free, or less than a twentieth of a small one.",
  ),
  int(
    "forebay.trust.written.ms",
    DEFAULT_LOG_OPTIONS.trustWrittenMs,
    0,
    "Checksums of batches are looked at when they are read this long after they were written, or by another process.",
  ),
];

const BY_NAME = new Map(BROKER_CONFIGS.map((one) => [one.name, one]));

export function brokerConfigDefinition(name: string): ConfigDefinition | undefined {
  return BY_NAME.get(name);
}

/** Why a broker would not start with a configuration, or undefined when it would. */
export function configProblem(name: string, value: string): string | undefined {
  const definition = BY_NAME.get(name);
  return definition === undefined ? undefined : refusal(definition, value);
}

/** A broker's configuration: given values over defaults, with typed access to what the broker itself uses. */
export class BrokerConfig {
  readonly #given: ReadonlyMap<string, string>;

  /** Throws on a value that its configuration cannot have. */
  constructor(given: ReadonlyMap<string, string> = new Map()) {
    for (const [name, value] of given) {
      const reason = configProblem(name, value);
      if (reason !== undefined) throw new Error(reason);
    }
    this.#given = given;
  }

  get given(): ReadonlyMap<string, string> {
    return this.#given;
  }

  /** The same with some values replaced; values that cannot be are passed over. */
  with(changes: ReadonlyMap<string, string>): BrokerConfig {
    const merged = new Map(this.#given);
    for (const [name, value] of changes) {
      if (configProblem(name, value) === undefined) merged.set(name, value);
    }
    return new BrokerConfig(merged);
  }

  /**
   * What was given for a configuration, by its own name or in coarser units, the one in force first; the values are as
   * they were given.
   */
  sources(name: string): { readonly name: string; readonly value: string }[] {
    const definition = BY_NAME.get(name);
    return [name, ...(definition?.coarser ?? []).map((one) => one.name)].flatMap((each) => {
      const value = this.#given.get(each);
      return value === undefined ? [] : [{ name: each, value }];
    });
  }

  text(name: string): string {
    const own = this.#given.get(name);
    if (own !== undefined) return own;
    const definition = BY_NAME.get(name);
    for (const { name: coarser, factor } of definition?.coarser ?? []) {
      const value = this.#given.get(coarser);
      // -1, without limit, is so in every unit.
      if (value !== undefined) return Number(value) < 0 ? "-1" : String(Number(value) * factor);
    }
    return definition?.default ?? "";
  }
  number(name: string): number {
    return Number(this.text(name));
  }
  flag(name: string): boolean {
    return this.text(name) === "true";
  }

  get brokerSessionTimeoutMs(): Millis {
    return this.number("broker.session.timeout.ms");
  }
  get brokerHeartbeatIntervalMs(): Millis {
    return this.number("broker.heartbeat.interval.ms");
  }
  get replicaLagTimeMaxMs(): Millis {
    return this.number("replica.lag.time.max.ms");
  }
  get replicaFetchWaitMaxMs(): Millis {
    return this.number("replica.fetch.wait.max.ms");
  }
  get replicaFetchMaxBytes(): Bytes {
    return this.number("replica.fetch.max.bytes");
  }
  get replicaFetchResponseMaxBytes(): Bytes {
    return this.number("replica.fetch.response.max.bytes");
  }
  /** Consumers are sent to a replica in their rack (KIP-392). */
  get readsFromNearest(): boolean {
    return this.text("replica.selector.class") === RACK_AWARE_SELECTOR;
  }
  get quotaBurstSeconds(): number {
    return this.number("quota.window.num") * this.number("quota.window.size.seconds");
  }
  get leaderSettleMs(): Millis {
    return this.number("forebay.leader.settle.ms");
  }
  /** Connections that an address may have (max.connections.per.ip and its overrides). */
  get maxConnectionsPerIp(): (address: string) => number {
    const everyone = this.number("max.connections.per.ip");
    const own = new Map(
      this.text("max.connections.per.ip.overrides")
        .split(",")
        .map((one): [string, number] => {
          // An address of version 6 has colons of its own.
          const at = one.lastIndexOf(":");
          return [one.slice(0, at).trim(), Number(one.slice(at + 1))];
        })
        .filter(([address, limit]) => address !== "" && Number.isInteger(limit)),
    );
    return (address) => own.get(address) ?? own.get(address.replace(/^::ffff:/, "")) ?? everyone;
  }
  get logOptions(): Partial<LogOptions> {
    const tailBytes = this.number("forebay.tail.bytes");
    return {
      tailBytes,
      extentBytes: Math.min(DEFAULT_LOG_OPTIONS.extentBytes, tailBytes / 4),
      // Well before the tail is full of what is not in segments, which is when clients' appends have to wait.
      writeOutBytes: Math.min(DEFAULT_LOG_OPTIONS.writeOutBytes, tailBytes / 8),
      journalFileBytes: this.number("forebay.journal.file.bytes"),
      checkpointMs: this.number("forebay.checkpoint.interval.ms"),
      reserveBytes: this.number("forebay.volume.reserve.bytes"),
      trustWrittenMs: this.number("forebay.trust.written.ms"),
      retentionCheckMs: this.number("log.retention.check.interval.ms"),
      cleanerEnabled: this.flag("log.cleaner.enable"),
      cleanerBackoffMs: this.number("log.cleaner.backoff.ms"),
      cleanerDedupeBytes: this.number("log.cleaner.dedupe.buffer.size"),
      cleanerBufferBytes: this.number("log.cleaner.io.buffer.size"),
      cleanerBytesPerSecond: this.number("log.cleaner.io.max.bytes.per.second"),
      producerExpirationMs: this.number("producer.id.expiration.ms"),
    };
  }
}

/** Java's properties format, as far as broker configurations need it: `name=value`, comments with # or !. */
export function parseProperties(content: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of content.split("\n")) {
    const match = /^\s*([^#!=:\s][^=:\s]*)\s*[=:]\s*(.*?)\s*$/.exec(line);
    if (match?.[1] !== undefined) values.set(match[1], match[2] ?? "");
  }
  return values;
}

/** The configuration of a broker process: its file, then `FOREBAY_CONFIG_<NAME_WITH_UNDERSCORES>` variables over it. */
export function loadBrokerConfig(
  properties: string,
  env: Readonly<Record<string, string | undefined>>,
): BrokerConfig {
  const values = parseProperties(properties);
  for (const [name, value] of Object.entries(env)) {
    const match = /^FOREBAY_CONFIG_(.+)$/.exec(name);
    if (match?.[1] !== undefined && value !== undefined) {
      values.set(match[1].toLowerCase().replaceAll("_", "."), value);
    }
  }
  return new BrokerConfig(values);
}
