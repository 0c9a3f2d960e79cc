/** One deliberate mistake: in each file the text, which must occur exactly once, is replaced. */
export interface Plant {
  readonly name: string;
  /** The invariants of docs/invariants.md that it breaks; finding any violation counts. */
  readonly breaks: string;
  /** A seed that finds it, so that there is no long search each time. */
  readonly seed: number;
  readonly edits: readonly {
    /** Below the repository's folder. */
    readonly file: string;
    readonly find: string;
    readonly replace: string;
  }[];
}

/** Known mistakes of systems like ours. The simulator must find each of them (plant-hook.ts puts them in). */
export const PLANTS: readonly Plant[] = [
  {
    name: "acknowledge-before-sync",
    breaks: "L1, R5",
    seed: 2,
    edits: [{ file: "broker/log/journal.ts", find: "    await file.open.sync();\n", replace: "" }],
  },
  {
    name: "follower-counts-before-its-sync",
    breaks: "R2",
    seed: 1,
    edits: [
      {
        file: "broker/replication/followed.ts",
        find: "if (log.stableOffset < log.logEndOffset) return undefined;",
        replace: "",
      },
      {
        file: "broker/replication/replica-fetcher.ts",
        find: "if (appended) await this.#context.flush();",
        replace: "if (appended) await Promise.resolve();",
      },
    ],
  },
  {
    name: "high-watermark-over-committed-isr-only",
    breaks: "R2",
    seed: 19,
    edits: [
      {
        file: "broker/replication/leader-replica.ts",
        find: "for (const id of this.#pending?.add ?? []) lowest = Math.min(lowest, this.followerOffset(id));",
        replace: "",
      },
    ],
  },
  {
    name: "truncate-by-high-watermark",
    breaks: "R4, R5",
    seed: 1,
    edits: [
      {
        file: "broker/replication/partition.ts",
        find: '    return led ? "lost-leadership" : "same";',
        replace:
          "    if (this.#following !== undefined) void this.log.truncateTo(this.log.highWatermark);\n" +
          '    return led ? "lost-leadership" : "same";',
      },
    ],
  },
  {
    name: "never-truncate",
    breaks: "R4, R6",
    seed: 2,
    edits: [
      {
        file: "broker/replication/follower-replica.ts",
        find: "if (lastFetchedEpoch < 0) return undefined;",
        replace: "if (lastFetchedEpoch < 1e9) return undefined;",
      },
    ],
  },
  {
    name: "elect-outside-the-isr",
    breaks: "C4, R5",
    seed: 6,
    edits: [
      {
        file: "cluster/partition-change.ts",
        find: "  if (!rules.unclean) return undefined;\n",
        replace: "",
      },
    ],
  },
  {
    name: "same-leader-epoch-after-an-election",
    breaks: "C2",
    seed: 1,
    edits: [
      {
        file: "cluster/partition-change.ts",
        find: "return { ...state, leader, leaderEpoch: state.leaderEpoch + 1 };",
        replace: "return { ...state, leader };",
      },
    ],
  },
  {
    name: "in-sync-after-a-lost-volume",
    breaks: "C6, R5",
    seed: 1,
    edits: [
      {
        file: "broker/controller/registration.ts",
        find: "(recorded.id !== storage.id || recorded.generation > storage.generation);",
        replace: 'recorded.id === "";',
      },
    ],
  },
  {
    name: "fetch-of-an-old-broker-epoch-counts",
    breaks: "C7, R2",
    seed: 5,
    edits: [
      {
        file: "broker/replication/leader-replica.ts",
        find: "if (brokerEpoch > follower.brokerEpoch) {",
        replace: "if (follower.brokerEpoch < 0) {",
      },
      {
        file: "broker/replication/isr-additions.ts",
        find: 'return status?.state === "running" && status.epoch === brokerEpochs.get(id);',
        replace: 'return status?.state === "running";',
      },
    ],
  },
  {
    name: "placement-and-state-taken-for-one",
    breaks: "C7, C9, R2",
    seed: 108,
    edits: [
      {
        file: "broker/replication/isr-additions.ts",
        find: "    if (!placement.replicas.includes(id) || isDismissed(state, placement, id)) return false;\n",
        replace: "",
      },
      {
        file: "broker/replication/isr-changes.ts",
        find: "      for (const slice of slices) image.absorbSlice(slice);\n",
        replace: "",
      },
      {
        file: "broker/replication/log-deletion.ts",
        find: 'if (found === "moved") found = (await this.#departs(log)) ? "gone" : "unknown";',
        replace: 'if (found === "moved") found = "gone";',
      },
    ],
  },
  {
    name: "serve-without-contact",
    breaks: "R7",
    seed: 1,
    edits: [
      {
        file: "broker/replication/contact.ts",
        find: "return !this.#lapsed && now - this.#last <= this.#sessionTimeoutMs;",
        replace: "return now >= this.#last - this.#sessionTimeoutMs;",
      },
    ],
  },
  {
    name: "retry-a-lost-compare-and-swap-blindly",
    breaks: "C1, C2",
    seed: 22,
    edits: [
      {
        file: "broker/replication/shard-patch.ts",
        find: '{ op: "test", path, value: stateText(from) },',
        replace: "",
      },
    ],
  },
  {
    name: "producer-ids-given-twice",
    breaks: "L4, R5",
    seed: 54,
    edits: [
      {
        file: "broker/coordinator/transaction/producer-ids.ts",
        find: "data: { ...found.data, [NEXT]: String(first + PRODUCER_ID_BLOCK) },",
        replace: "data: { ...found.data },",
      },
    ],
  },
  {
    name: "replay-without-the-last-entry",
    breaks: "L2, R5",
    seed: 1,
    edits: [
      {
        file: "broker/log/journal-replay.ts",
        find: "    await replay(entry);\n",
        replace:
          "    if (readEntry(bytes, entry.next, position + entry.next) === undefined) break;\n" +
          "    await replay(entry);\n",
      },
    ],
  },
  {
    name: "lead-again-in-the-epoch-of-before-the-restart",
    breaks: "C3",
    seed: 3,
    edits: [
      {
        file: "cluster/partition-change.ts",
        find: "if (next.leader === broker) next = withLeader(next, NO_LEADER);",
        replace: "",
      },
      {
        file: "broker/replication/partition.ts",
        find: "const leads = state?.leader === self && state.leaderEpoch > this.#burnedEpoch;",
        replace: "const leads = state?.leader === self;",
      },
    ],
  },
  {
    name: "commit-below-the-minimum-in-sync",
    breaks: "R3, R5",
    seed: 2,
    edits: [
      {
        file: "broker/replication/leader-replica.ts",
        find: "if (!this.enoughInSync || this.#state.elr.length > 0) return false;",
        replace: "",
      },
    ],
  },
  {
    name: "old-producer-epoch-begins-anew",
    breaks: "L4",
    seed: 3,
    edits: [
      {
        file: "broker/log/producer-state.ts",
        find: "if (batch.producerEpoch < entry.producerEpoch) {",
        replace: "if (batch.producerEpoch < 0) {",
      },
      {
        file: "broker/log/producer-state.ts",
        find: "if (batch.producerEpoch > entry.producerEpoch) {",
        replace: "if (batch.producerEpoch !== entry.producerEpoch) {",
      },
    ],
  },
  {
    name: "a-lease-proves-leadership",
    breaks: "R7, C8",
    seed: 10,
    edits: [
      {
        file: "broker/broker-parts.ts",
        find: "image.setController(holder?.id ?? -1);",
        replace:
          "image.setController(holder?.id ?? -1);\n" +
          "      contact.leaseHeld = holder?.id === brokerId && holder.epoch === epoch;",
      },
      {
        file: "broker/replication/contact.ts",
        find: "return !this.#lapsed && now",
        replace: "return this.leaseHeld === true || !this.#lapsed && now",
      },
    ],
  },
  {
    name: "serve-damaged-records",
    breaks: "L5",
    seed: 42,
    edits: [
      {
        file: "broker/log/whole-batches.ts",
        find: "if (at < recentFrom && !crcMatches(bytes, header)) {",
        replace: "if (at < 0 && !crcMatches(bytes, header)) {",
      },
    ],
  },
];
