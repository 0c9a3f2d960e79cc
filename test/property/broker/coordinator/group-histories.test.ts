import assert from "node:assert/strict";
import fc from "fast-check";
import { CoordinatorRuntime } from "../../../../broker/coordinator/coordinator-runtime.ts";
import type {
  JoinAnswer,
  LeaveAnswer,
  SyncAnswer,
} from "../../../../broker/coordinator/group/classic-messages.ts";
import { DEFAULT_GROUP_CONFIG } from "../../../../broker/coordinator/group/group-config.ts";
import type { GroupRecord } from "../../../../broker/coordinator/group/group-metadata.ts";
import { GroupShard } from "../../../../broker/coordinator/group/group-shard.ts";
import type { Moment, Outcome, Pending } from "../../../../broker/coordinator/outcome.ts";
import { ProtocolError } from "../../../../broker/errors.ts";
import { ErrorCode } from "../../../../broker/protocol/error-codes.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import {
  FakePartition,
  FakeScheduler,
  moment,
  testFormat,
} from "../../../unit/broker/coordinator/fakes.ts";

const CLIENTS = 4;
const PARTITIONS = 5;
const config = { ...DEFAULT_GROUP_CONFIG, initialRebalanceDelayMs: 500, maxSize: CLIENTS + 1 };

type Step =
  | { readonly kind: "act"; readonly client: number; readonly times: number }
  | { readonly kind: "forget" | "leave"; readonly client: number }
  | { readonly kind: "commitOffset"; readonly client: number; readonly partition: number }
  | { readonly kind: "advance"; readonly by: number }
  | { readonly kind: "commitLog" | "refuseAppends" | "allowAppends" | "failCommits" }
  | { readonly kind: "failover"; readonly keepUncommitted: number };

const client = fc.nat({ max: CLIENTS - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("act" as const),
      client,
      times: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("commitLog" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("commitOffset" as const),
      client,
      partition: fc.nat({ max: PARTITIONS - 1 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("advance" as const),
      by: fc.constantFrom(100, 600, 3_000, 12_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom("forget" as const, "leave" as const), client }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "refuseAppends" as const,
        "allowAppends" as const,
        "failCommits" as const,
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("failover" as const),
      keepUncommitted: fc.nat({ max: 3 }),
    }),
  },
);

/** A consumer that does what its last answer asks for. Odd ones are static members. */
interface Client {
  readonly instance: string | null;
  memberId: string;
  generation: number;
  members: readonly string[] | undefined;
  next: "join" | "sync" | "heartbeat";
  busy: boolean;
}

class World {
  readonly scheduler = new FakeScheduler();
  partition = new FakePartition(0, 1);
  readonly clients: Client[] = Array.from({ length: CLIENTS }, (_, at) => ({
    instance: at % 2 === 1 ? `instance-${String(at)}` : null,
    memberId: "",
    generation: -1,
    members: undefined,
    next: "join",
    busy: false,
  }));
  /** Generation → partition → who was told that it is theirs. */
  readonly owners = new Map<number, Map<number, string>>();
  stable = 0;
  #ids = 0;
  #state: GroupShard | undefined;
  readonly runtime = new CoordinatorRuntime<GroupShard, GroupRecord>({
    topic: "__consumer_offsets",
    create: () => (this.#state = new GroupShard(config)),
    format: testFormat,
    scheduler: this.scheduler,
    logger: silentLogger,
    commitTimeoutMs: 5_000,
  });

  async start(): Promise<void> {
    this.runtime.onBecameLeader(this.partition.hosted);
    await this.scheduler.settle();
  }

  #ask<T>(
    event: (shard: GroupShard, at: Moment, from: Pending<T>) => Outcome<GroupRecord>,
    then: (value: T) => void,
    failed: () => void,
  ): void {
    const { partition } = this;
    const promise = this.runtime.submit(0, event);
    const end = partition.end;
    promise
      .then(
        (value) => {
          assert(
            partition.highWatermark >= end,
            "G1: an answer leaves after its records are committed",
          );
          then(value);
        },
        (error: unknown) => {
          assert(error instanceof ProtocolError, String(error));
          failed();
        },
      )
      .catch((error: unknown) => (this.failure = error));
  }
  failure: unknown;

  act(who: Client): void {
    if (who.busy) return;
    who.busy = true;
    const idle = (): void => void (who.busy = false);
    if (who.next === "join") this.#join(who, idle);
    else if (who.next === "sync") this.#sync(who, idle);
    else {
      const { memberId, instance, generation } = who;
      this.#ask<{ readonly errorCode: number }>(
        (shard, at, from) =>
          shard.heartbeat(
            "g",
            { memberId, groupInstanceId: instance, generationId: generation, from },
            at,
          ),
        ({ errorCode }) => {
          idle();
          this.#after(who, errorCode);
        },
        idle,
      );
    }
  }

  #after(who: Client, errorCode: number): void {
    if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID || errorCode === ErrorCode.FENCED_INSTANCE_ID)
      who.memberId = "";
    if (errorCode !== ErrorCode.NONE) who.next = "join";
  }

  #join(who: Client, idle: () => void): void {
    const newMemberId = `member-${String(this.#ids++)}`;
    this.#ask<JoinAnswer>(
      (shard, at, from) =>
        shard.join(
          "g",
          {
            memberId: who.memberId,
            newMemberId,
            groupInstanceId: who.instance,
            clientId: "c",
            clientHost: "/h",
            protocolType: "consumer",
            protocols: [{ name: "range", metadata: new Uint8Array([1]) }],
            rebalanceTimeoutMs: 5_000,
            sessionTimeoutMs: 10_000,
            requireKnownMemberId: true,
            supportsSkipAssignment: true,
            from,
          },
          at,
        ),
      (answer) => {
        idle();
        if (answer.errorCode === ErrorCode.MEMBER_ID_REQUIRED) who.memberId = answer.memberId;
        else if (answer.errorCode !== ErrorCode.NONE) this.#after(who, answer.errorCode);
        else {
          who.memberId = answer.memberId;
          who.generation = answer.generationId;
          who.next = "sync";
          who.members =
            answer.leader === who.memberId && !answer.skipAssignment
              ? answer.members.map((each) => each.memberId)
              : undefined;
        }
      },
      idle,
    );
  }

  #sync(who: Client, idle: () => void): void {
    const { memberId, instance, generation, members } = who;
    const assignments = (members ?? []).map((id, at, all) => ({
      memberId: id,
      assignment: Uint8Array.from(
        Array.from({ length: PARTITIONS }, (_, p) => p).filter((p) => p % all.length === at),
      ),
    }));
    this.#ask<SyncAnswer>(
      (shard, at, from) =>
        shard.sync(
          "g",
          {
            memberId,
            groupInstanceId: instance,
            generationId: generation,
            protocolType: "consumer",
            protocolName: "range",
            assignments,
            from,
          },
          at,
        ),
      (answer) => {
        idle();
        if (answer.errorCode !== ErrorCode.NONE) {
          this.#after(who, answer.errorCode);
          return;
        }
        who.next = "heartbeat";
        this.stable += 1;
        let owners = this.owners.get(generation);
        if (owners === undefined) {
          owners = new Map();
          this.owners.set(generation, owners);
        }
        for (const partition of answer.assignment) {
          // A static member may come back under another id; its instance is who it is.
          const self = instance ?? memberId;
          assert.equal(
            owners.get(partition) ?? self,
            self,
            `G2: partition ${String(partition)} in generation ${String(generation)}`,
          );
          owners.set(partition, self);
        }
      },
      idle,
    );
  }

  async run(each: Step): Promise<void> {
    switch (each.kind) {
      case "act":
        for (let i = 0; i < each.times; i++) {
          const who = this.clients[each.client];
          if (who !== undefined) this.act(who);
          await this.scheduler.settle();
        }
        break;
      case "forget": {
        // The process dies: its answers go nowhere, its successor knows only the instance id.
        const old = this.clients[each.client];
        if (old !== undefined)
          this.clients[each.client] = {
            ...old,
            memberId: "",
            generation: -1,
            next: "join",
            busy: false,
          };
        break;
      }
      case "leave": {
        const who = this.clients[each.client];
        if (who === undefined || who.memberId === "") break;
        const members = [{ memberId: who.memberId, groupInstanceId: who.instance }];
        this.#ask<LeaveAnswer>(
          (shard, at, from) => shard.leave("g", { members, from }, at),
          () => undefined,
          () => undefined,
        );
        this.clients[each.client] = {
          ...who,
          memberId: "",
          generation: -1,
          next: "join",
          busy: false,
        };
        break;
      }
      case "commitOffset": {
        const who = this.clients[each.client];
        if (who === undefined) break;
        this.#ask<{ readonly errorCode: number }>(
          (shard, at, from) =>
            shard.commit(
              {
                groupId: "g",
                memberId: who.memberId,
                groupInstanceId: who.instance,
                generationId: who.generation,
                unknownGroupError: ErrorCode.ILLEGAL_GENERATION,
                offsets: [
                  {
                    topic: "t",
                    partition: each.partition,
                    value: {
                      offset: at.now,
                      leaderEpoch: 0,
                      metadata: "m",
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
          () => undefined,
          () => undefined,
        );
        break;
      }
      case "advance":
        await this.scheduler.advance(each.by);
        break;
      case "commitLog":
        this.partition.commit();
        break;
      case "refuseAppends":
        this.partition.refuseWith = ErrorCode.NOT_ENOUGH_REPLICAS;
        break;
      case "allowAppends":
        this.partition.refuseWith = undefined;
        break;
      case "failCommits":
        this.partition.failCommits(ErrorCode.REQUEST_TIMED_OUT);
        break;
      case "failover": {
        const old = this.partition;
        old.isLeader = false;
        this.runtime.onLostLeadership("__consumer_offsets", 0, old.leaderEpoch);
        old.failCommits(ErrorCode.NOT_LEADER_OR_FOLLOWER);
        let spare = each.keepUncommitted;
        const kept = old.batches.filter(
          (batch) => batch.base + batch.count <= old.highWatermark || spare-- > 0,
        );
        this.partition = new FakePartition(0, old.leaderEpoch + 1, kept);
        this.runtime.onBecameLeader(this.partition.hosted);
        break;
      }
    }
    await this.scheduler.settle();
    if (this.failure !== undefined) throw new Error("history failed", { cause: this.failure });
    this.#checkReplay();
  }

  /** The recorded state is what a replay of the log gives, and a settled group is what is recorded. */
  #checkReplay(): void {
    const live = this.#state;
    if (live === undefined || !this.runtime.isActive(0)) return;
    const replayed = new GroupShard(config);
    for (const record of this.partition.records()) replayed.replay(record, moment(0));
    const recorded = (shard: GroupShard): unknown[] =>
      [...shard.groups]
        .filter(([, { group, offsets }]) => group.recorded !== undefined || !offsets.isEmpty)
        .map(([id, { group, offsets }]) => [id, group.recorded, [...offsets.ofTopic("t")]]);
    assert.deepEqual(recorded(live), recorded(replayed));
    const group = live.groups.get("g")?.group;
    if (
      group?.recorded === undefined ||
      group.state === "PreparingRebalance" ||
      group.state === "CompletingRebalance"
    )
      return;
    assert.equal(group.generation, group.recorded.generation);
    assert.deepEqual(
      [...group.members.values()].map((each) => [each.memberId, each.assignment]),
      group.recorded.members.map((each) => [each.memberId, each.assignment]),
    );
  }
}

describe("histories of a consumer group", () => {
  it("keep G1 and G2 and agree with a replay of the log, through failovers and refused appends", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 120 }), async (steps) => {
        const world = new World();
        await world.start();
        for (const each of steps) await world.run(each);
      }),
      { numRuns: 120, seed: 20261124 },
    );
  }).timeout(60_000);

  it("end in one generation that covers every partition, once nothing disturbs them any more", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const world = new World();
        await world.start();
        for (const each of steps) await world.run(each);
        await world.run({ kind: "allowAppends" });
        for (let round = 0; round < 60; round++) {
          for (let at = 0; at < CLIENTS; at++) {
            await world.run({ kind: "act", client: at, times: 1 });
            await world.run({ kind: "commitLog" });
          }
          await world.run({ kind: "advance", by: 600 });
        }
        const generations = new Set(world.clients.map((each) => each.generation));
        assert.deepEqual(
          world.clients.map((each) => each.next),
          Array.from({ length: CLIENTS }, () => "heartbeat"),
        );
        assert.equal(generations.size, 1);
        assert.equal(world.owners.get([...generations][0] ?? -1)?.size, PARTITIONS);
      }),
      { numRuns: 25, seed: 7 },
    );
  }).timeout(60_000);
});
