/** Committed offsets and groups. */
export const OFFSETS_TOPIC = "__consumer_offsets";

/** Topics that hold a broker's own state: records that a client wrote into them would be taken for it. */
export const INTERNAL_TOPICS: ReadonlySet<string> = new Set([
  OFFSETS_TOPIC,
  "__transaction_state",
  "__share_group_state",
]);
