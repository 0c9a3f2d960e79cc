import { HOUR, MINUTE, type Bytes, type Millis } from "../../../lib/units.ts";

/** What group coordinators obey; Kafka's names in the comments. */
export interface GroupConfig {
  /** group.min.session.timeout.ms */
  readonly minSessionTimeoutMs: Millis;
  /** group.max.session.timeout.ms */
  readonly maxSessionTimeoutMs: Millis;
  /** group.initial.rebalance.delay.ms: how long the first rebalance of an empty group waits for more members. */
  readonly initialRebalanceDelayMs: Millis;
  /** group.max.size */
  readonly maxSize: number;
  /** offset.metadata.max.bytes */
  readonly maxOffsetMetadataBytes: Bytes;
  /** offsets.retention.minutes, in milliseconds */
  readonly offsetsRetentionMs: Millis;
  /** offsets.retention.check.interval.ms */
  readonly retentionCheckIntervalMs: Millis;
  /** offsets.commit.timeout.ms: how long an answer waits for its records to be committed. */
  readonly commitTimeoutMs: Millis;
}

/** Kafka's defaults, except `group.max.size`, which is unbounded there. */
export const DEFAULT_GROUP_CONFIG: GroupConfig = {
  minSessionTimeoutMs: 6_000,
  maxSessionTimeoutMs: 1_800_000,
  initialRebalanceDelayMs: 3_000,
  maxSize: 10_000,
  maxOffsetMetadataBytes: 4_096,
  offsetsRetentionMs: 7 * 24 * HOUR,
  retentionCheckIntervalMs: 10 * MINUTE,
  commitTimeoutMs: 5_000,
};

/** The configuration as the cluster's settings (Kafka's names) say at each moment; the default for what they do not set. */
export function groupConfig(settings: () => ReadonlyMap<string, string>): GroupConfig {
  const integer = (name: string, least: number, fallback: number): number => {
    const text = settings().get(name);
    const value = text === undefined ? NaN : Number(text);
    return Number.isSafeInteger(value) && value >= least ? value : fallback;
  };
  const fallback = DEFAULT_GROUP_CONFIG;
  return {
    get minSessionTimeoutMs() {
      return integer("group.min.session.timeout.ms", 1, fallback.minSessionTimeoutMs);
    },
    get maxSessionTimeoutMs() {
      return integer("group.max.session.timeout.ms", 1, fallback.maxSessionTimeoutMs);
    },
    get initialRebalanceDelayMs() {
      return integer("group.initial.rebalance.delay.ms", 0, fallback.initialRebalanceDelayMs);
    },
    get maxSize() {
      return integer("group.max.size", 1, fallback.maxSize);
    },
    get maxOffsetMetadataBytes() {
      return integer("offset.metadata.max.bytes", 0, fallback.maxOffsetMetadataBytes);
    },
    get offsetsRetentionMs() {
      return integer("offsets.retention.minutes", 1, fallback.offsetsRetentionMs / MINUTE) * MINUTE;
    },
    get retentionCheckIntervalMs() {
      return integer("offsets.retention.check.interval.ms", 1, fallback.retentionCheckIntervalMs);
    },
    get commitTimeoutMs() {
      return integer("offsets.commit.timeout.ms", 1, fallback.commitTimeoutMs);
    },
  };
}
