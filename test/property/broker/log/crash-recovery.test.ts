import assert from "node:assert/strict";
import fc from "fast-check";
import { DEFAULT_LOG_CONFIG } from "../../../../broker/log/log-manager.ts";
import type { PartitionLog } from "../../../../broker/log/types.ts";
import { ProtocolError } from "../../../../broker/errors.ts";
import { batchAt, buildBatch } from "../../../../broker/protocol/record-batch.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { type LogVolume, unsteadyVolume } from "../../../support/log-volume.ts";
import { runs } from "../../../support/runs.ts";

const PARTITIONS = 2;

type Step =
  | {
      readonly kind: "append";
      readonly partition: number;
      readonly records: number;
      readonly bytes: number;
      /** Appended as a follower, so far behind the log's end: the leader's log is a compacted one. */
      readonly gap: number;
    }
  | { readonly kind: "flush" }
  | { readonly kind: "pass"; readonly ms: number }
  | {
      readonly kind: "truncate";
      readonly partition: number;
      readonly back: number;
      readonly into: number;
    }
  | { readonly kind: "startAt"; readonly partition: number; readonly ahead: number }
  | { readonly kind: "epoch"; readonly partition: number }
  | { readonly kind: "crash" }
  | { readonly kind: "restart" };

const partition = fc.nat(PARTITIONS - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      partition,
      records: fc.integer({ min: 1, max: 4 }),
      bytes: fc.constantFrom(10, 300, 3000),
      gap: fc.constantFrom(0, 0, 0, 1, 5),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("flush" as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(1, 5, 200) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("truncate" as const),
      partition,
      back: fc.nat(5),
      into: fc.nat(4),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("startAt" as const), partition, ahead: fc.nat(3) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("epoch" as const), partition }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("crash" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
);

/** What a log must hold: the batches by offset, and how far a crash may not reach. */
interface Model {
  start: number;
  batches: { readonly base: number; readonly end: number; readonly bytes: Buffer }[];
  epoch: number;
  sequence: number;
}

async function contentOf(volume: LogVolume, log: PartitionLog): Promise<Model["batches"]> {
  // The log may end in a gap; what is missing then shows in the comparison.
  return (await volume.batches(log, 5000)).map(({ header, bytes }) => ({
    base: header.baseOffset,
    end: header.lastOffset + 1,
    bytes,
  }));
}

describe("log", () => {
  it("holds after every crash what was stable, byte for byte, and nothing that was never appended (L1 to L4)", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60, size: "max" }),
        fc.integer(),
        async (steps, seed) => {
          const random = seededRandom(seed);
          const volume = unsteadyVolume(random, { checkpointMs: 50 });
          const { scheduler, storage } = volume;
          let manager = await volume.open();
          const config = { ...DEFAULT_LOG_CONFIG, segmentBytes: 10_000, indexIntervalBytes: 500 };
          const models: Model[] = Array.from({ length: PARTITIONS }, () => ({
            start: 0,
            batches: [],
            epoch: 0,
            sequence: 0,
          }));
          const logs: PartitionLog[] = [];
          const reopen = async (): Promise<void> => {
            for (let p = 0; p < PARTITIONS; p++) {
              logs[p] = await volume.openLog(manager, config, p);
            }
          };
          await reopen();
          const check = async (stable: readonly number[]): Promise<void> => {
            for (const [p, model] of models.entries()) {
              const log = logs[p];
              assert(log);
              assert(
                log.logEndOffset >= (stable[p] ?? 0),
                `L1: ${log.logEndOffset} of ${stable[p]} stable in ${p}`,
              );
              const found = await contentOf(volume, log);
              const kept = model.batches.filter((one) => one.end <= log.logEndOffset);
              assert.deepEqual(
                found.map(({ base, end }) => [base, end]),
                kept.map(({ base, end }) => [base, end]),
                `L2, L3: offsets of ${p}`,
              );
              for (const [i, one] of found.entries())
                assert(one.bytes.equals(kept[i]?.bytes ?? Buffer.alloc(0)), "L2: bytes");
              assert.equal(log.latestEpoch >= 0 || found.length === 0, true);
              // L4: the newest batch is known as a repeat, the next sequence is taken.
              const last = kept.at(-1);
              if (last !== undefined) {
                const repeat = log.appendAsLeader(last.bytes, model.epoch, "client");
                assert(repeat.duplicate && repeat.baseOffset === last.base, "L4");
              }
              model.batches = kept;
              model.sequence =
                last === undefined
                  ? 0
                  : batchAt(last.bytes, 0).baseSequence + batchAt(last.bytes, 0).count;
            }
          };
          for (const one of steps) {
            switch (one.kind) {
              case "append": {
                const model = models[one.partition];
                const log = logs[one.partition];
                assert(model && log);
                const records = Array.from({ length: one.records }, () => ({
                  value: Buffer.alloc(one.bytes, random.below(256)),
                  timestamp: scheduler.wallNow(),
                }));
                const expected = log.logEndOffset + one.gap;
                const batch = buildBatch({
                  baseOffset: expected,
                  leaderEpoch: model.epoch,
                  records,
                  producerId: 7,
                  producerEpoch: 0,
                  baseSequence: model.sequence,
                });
                try {
                  if (one.gap > 0) log.appendAsFollower(batch);
                  else assert(!log.appendAsLeader(batch, model.epoch, "client").duplicate);
                  const [baseOffset, lastOffset] = [expected, expected + one.records - 1];
                  assert.equal(log.logEndOffset, lastOffset + 1);
                  model.sequence += one.records;
                  const stored = Buffer.from(batch);
                  stored.writeBigInt64BE(BigInt(baseOffset), 0);
                  stored.writeInt32BE(model.epoch, 12);
                  model.batches.push({ base: baseOffset, end: lastOffset + 1, bytes: stored });
                } catch (error) {
                  // Behind a truncation the sequences are being read back.
                  assert(error instanceof ProtocolError, String(error));
                  await scheduler.advance(50);
                }
                break;
              }
              case "flush":
                await scheduler.until(manager.flush());
                break;
              case "pass":
                await scheduler.advance(one.ms);
                break;
              case "truncate": {
                const model = models[one.partition];
                const log = logs[one.partition];
                assert(model && log);
                const keep = Math.max(0, model.batches.length - one.back);
                const next = model.batches[keep]?.base ?? log.logEndOffset;
                const kept = model.batches[keep - 1]?.end ?? model.start;
                const end = Math.min(kept + one.into, next);
                await scheduler.until(log.truncateTo(end));
                model.batches = model.batches.slice(0, keep);
                const last = model.batches.at(-1);
                model.sequence =
                  last === undefined
                    ? 0
                    : batchAt(last.bytes, 0).baseSequence + batchAt(last.bytes, 0).count;
                assert.equal(log.logEndOffset, end);
                break;
              }
              case "startAt": {
                const model = models[one.partition];
                const log = logs[one.partition];
                assert(model && log);
                const offset = log.logEndOffset + one.ahead;
                await scheduler.until(log.truncateFullyAndStartAt(offset));
                model.start = offset;
                model.batches = [];
                model.sequence = 0;
                break;
              }
              case "epoch": {
                const model = models[one.partition];
                assert(model);
                model.epoch++;
                break;
              }
              case "crash": {
                const stable = logs.map((log) => log.stableOffset);
                storage.crash(random);
                manager = await volume.open();
                await reopen();
                await check(stable);
                break;
              }
              case "restart": {
                const ends = logs.map((log) => log.logEndOffset);
                await scheduler.until(manager.close());
                manager = await volume.open();
                await reopen();
                await check(ends);
                break;
              }
            }
          }
          await check(logs.map((log) => log.logEndOffset));
        },
      ),
      runs(150),
    );
  });
});
