import assert from "node:assert/strict";
import { CoordinatorRuntime } from "../../../../broker/coordinator/coordinator-runtime.ts";
import { DEFAULT_GROUP_CONFIG } from "../../../../broker/coordinator/group/group-config.ts";
import type { GroupRecord } from "../../../../broker/coordinator/group/group-metadata.ts";
import { GroupShard } from "../../../../broker/coordinator/group/group-shard.ts";
import { answer } from "../../../../broker/coordinator/outcome.ts";
import { ProtocolError } from "../../../../broker/errors.ts";
import { ErrorCode } from "../../../../broker/protocol/error-codes.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { FakePartition, FakeScheduler, testFormat } from "./fakes.ts";

interface Setup {
  readonly scheduler: FakeScheduler;
  readonly runtime: CoordinatorRuntime<GroupShard, GroupRecord>;
  readonly partition: FakePartition;
}

async function setup(): Promise<Setup> {
  const scheduler = new FakeScheduler();
  const runtime = new CoordinatorRuntime<GroupShard, GroupRecord>({
    topic: "__consumer_offsets",
    create: () => new GroupShard(DEFAULT_GROUP_CONFIG),
    format: testFormat,
    scheduler,
    logger: silentLogger,
    commitTimeoutMs: 5_000,
  });
  const partition = new FakePartition(0, 1);
  runtime.onBecameLeader(partition.hosted);
  await scheduler.settle();
  return { scheduler, runtime, partition };
}

/** What has become of a promise so far. */
function watch(promise: Promise<unknown>): { outcome: unknown } {
  const seen: { outcome: unknown } = { outcome: "waiting" };
  promise.then(
    (value) => (seen.outcome = value),
    (error: unknown) => (seen.outcome = error instanceof ProtocolError ? error.errorCode : error),
  );
  return seen;
}

const commit = ({ runtime }: Setup, offset: number): { outcome: unknown } =>
  watch(
    runtime.submit<{ readonly errorCode: number }>(0, (shard, at, from) =>
      shard.commit(
        {
          groupId: "g",
          memberId: "",
          groupInstanceId: null,
          generationId: -1,
          unknownGroupError: ErrorCode.ILLEGAL_GENERATION,
          offsets: [
            {
              topic: "t",
              partition: 0,
              value: {
                offset,
                leaderEpoch: -1,
                metadata: "",
                commitTimestamp: at.wall,
                expireTimestamp: -1,
                topicId: undefined,
              },
            },
          ],
          from,
        },
        at,
      ),
    ),
  );

const fetch = ({ runtime }: Setup): { outcome: unknown } =>
  watch(
    runtime.submit<number | undefined>(0, (shard, _at, from) =>
      answer(from, shard.groups.get("g")?.offsets.get("t", 0)?.offset),
    ),
  );

const ok = { errorCode: ErrorCode.NONE };

describe("CoordinatorRuntime", () => {
  it("answers a write only when it is committed, and so a read that saw it (G1)", async () => {
    const all = await setup();
    const write = commit(all, 7);
    const read = fetch(all);
    await all.scheduler.settle();
    assert.deepEqual([write.outcome, read.outcome], ["waiting", "waiting"]);
    all.partition.commit();
    await all.scheduler.settle();
    assert.deepEqual([write.outcome, read.outcome], [ok, 7]);
  });

  it("keeps several writes in flight", async () => {
    const all = await setup();
    const writes = [commit(all, 1), commit(all, 2), commit(all, 3)];
    assert.equal(all.partition.batches.length, 3);
    all.partition.commit();
    await all.scheduler.settle();
    assert.deepEqual(
      writes.map((each) => each.outcome),
      [ok, ok, ok],
    );
  });

  it("has not moved when an append is refused", async () => {
    const all = await setup();
    commit(all, 7);
    all.partition.commit();
    all.partition.refuseWith = ErrorCode.NOT_ENOUGH_REPLICAS;
    const write = commit(all, 8);
    const read = fetch(all);
    await all.scheduler.settle();
    assert.equal(write.outcome, ErrorCode.COORDINATOR_NOT_AVAILABLE);
    assert.equal(read.outcome, 7);
  });

  it("refuses answers whose commit failed, and later ones until the log has caught up", async () => {
    const all = await setup();
    const write = commit(all, 7);
    all.partition.failCommits(ErrorCode.REQUEST_TIMED_OUT);
    await all.scheduler.settle();
    const read = fetch(all);
    await all.scheduler.settle();
    assert.deepEqual(
      [write.outcome, read.outcome],
      [ErrorCode.COORDINATOR_NOT_AVAILABLE, "waiting"],
    );
    all.partition.commit();
    await all.scheduler.settle();
    assert.equal(read.outcome, 7);
  });

  it("answers COORDINATOR_LOAD_IN_PROGRESS while it loads, then what the log says", async () => {
    const all = await setup();
    commit(all, 7);
    all.partition.commit();
    const next = new FakePartition(0, 2, all.partition.batches);
    let open = (): void => undefined;
    next.gate = new Promise((resolve) => (open = resolve));
    all.runtime.onBecameLeader(next.hosted);
    const early = fetch(all);
    await all.scheduler.settle();
    assert.equal(early.outcome, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
    open();
    await all.scheduler.settle();
    const read = fetch(all);
    await all.scheduler.settle();
    assert.equal(read.outcome, 7);
  });

  it("starts again when a newer leadership begins in the middle of loading", async () => {
    const all = await setup();
    const write = commit(all, 7);
    all.partition.commit();
    await all.scheduler.settle();
    assert.deepEqual(write.outcome, ok);
    const stuck = new FakePartition(0, 2, all.partition.batches);
    let open = (): void => undefined;
    stuck.gate = new Promise((resolve) => (open = resolve));
    all.runtime.onBecameLeader(stuck.hosted);
    const newer = new FakePartition(0, 3, all.partition.batches);
    all.runtime.onBecameLeader(newer.hosted);
    await all.scheduler.settle();
    commit(all, 8);
    newer.commit();
    // News of the older leadership, and its load, come too late to matter.
    all.runtime.onLostLeadership("__consumer_offsets", 0, 2);
    open();
    await all.scheduler.settle();
    const read = fetch(all);
    await all.scheduler.settle();
    assert.equal(read.outcome, 8);
    assert.equal(stuck.batches.length, 1);
  });

  it("tells everybody who waits NOT_COORDINATOR when leadership is lost", async () => {
    const all = await setup();
    const write = commit(all, 7);
    all.runtime.onLostLeadership("__consumer_offsets", 0, 1);
    const read = fetch(all);
    await all.scheduler.settle();
    assert.deepEqual(
      [write.outcome, read.outcome],
      [ErrorCode.NOT_COORDINATOR, ErrorCode.NOT_COORDINATOR],
    );
  });

  it("does not read for a leader that no longer leads", async () => {
    const all = await setup();
    all.partition.isLeader = false;
    const read = fetch(all);
    await all.scheduler.settle();
    assert.equal(read.outcome, ErrorCode.NOT_COORDINATOR);
  });

  it("expires offsets of a group without members after their retention, and the group with them", async () => {
    const all = await setup();
    commit(all, 7);
    all.partition.commit();
    const week = DEFAULT_GROUP_CONFIG.offsetsRetentionMs;
    const check = DEFAULT_GROUP_CONFIG.retentionCheckIntervalMs;
    await all.scheduler.advance(week - check);
    const before = fetch(all);
    await all.scheduler.advance(2 * check);
    all.partition.commit();
    const after = fetch(all);
    await all.scheduler.settle();
    assert.deepEqual([before.outcome, after.outcome], [7, undefined]);
    assert.deepEqual(
      all.partition
        .records()
        .slice(1)
        .map((each) => [each.kind, each.value]),
      [
        ["offset", null],
        ["group", null],
      ],
    );
  });
});
