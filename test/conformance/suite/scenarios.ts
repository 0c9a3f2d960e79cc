/** What every client is asked to do, in this order; ../clients/README.md says what each means. */
export const scenarios = [
  "connect",
  "create-topic",
  "produce-none",
  "produce-gzip",
  "produce-snappy",
  "produce-lz4",
  "produce-zstd",
  "consume-group",
  "commit-resume",
  "rebalance",
  "offsets-by-timestamp",
  "idempotence",
  "admin",
  "configs",
  "delete-records",
  "record-900kb",
  "oversize-refused",
  "unknown-topic",
  "compacted-topic",
] as const;

export type Scenario = (typeof scenarios)[number];

/** How a client fared in a scenario; `n/a` when its API has no means for it. */
export interface Outcome {
  readonly result: "ok" | "fail" | "n/a";
  readonly reason?: string;
}

/** Name of the topic and the group that a client uses in a scenario. */
export function topicOf(prefix: string, scenario: Scenario): string {
  return `${prefix}-${scenario}`;
}
