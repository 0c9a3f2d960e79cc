import assert from "node:assert/strict";
import { Arena } from "../../../../broker/log/arena.ts";
import { Journal, type JournalClient } from "../../../../broker/log/journal.ts";
import {
  ENTRY_HEADER_BYTES,
  EntryKind,
  FILE_HEADER_BYTES,
} from "../../../../broker/log/journal-format.ts";
import { StorageError } from "../../../../broker/log/storage.ts";
import { silentLogger } from "../../../../lib/logger.ts";
import { batchOf } from "../../../support/batches.ts";
import { Halted, haltable } from "../../../support/halted.ts";
import { MemoryStorage } from "../../../support/memory-storage.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

const TOPIC = new Uint8Array(16).fill(7);
const BATCH = batchOf({ valueBytes: 200 });
const ENTRY_BYTES = ENTRY_HEADER_BYTES + BATCH.length;

class Client implements JournalClient {
  generation = 0;
  readonly stable: [offset: number, generation: number][] = [];
  markStable(offset: number, generation: number): void {
    this.stable.push([offset, generation]);
  }
}

/** A journal on a volume that notes every operation. */
class Bench {
  readonly scheduler = new VirtualScheduler();
  readonly memory: MemoryStorage;
  readonly operations: string[] = [];
  readonly panics: unknown[] = [];
  readonly arena = new Arena({ budgetBytes: 64 * 1024, extentBytes: 4096 });
  failing: ((operation: string, path: string) => string | undefined) | undefined;

  constructor(delay = 1, journalBlockBytes = 1) {
    this.memory = new MemoryStorage({
      journalBlockBytes,
      scheduler: this.scheduler,
      delay: () => delay,
      fault: (operation, path) => {
        this.operations.push(`${operation} ${path}`);
        const code = this.failing?.(operation, path);
        if (code !== undefined) throw new StorageError(code, `${operation} failed`);
      },
    });
  }

  open(from = 0, replay: (offset: number) => void = () => undefined): Promise<Journal> {
    return this.scheduler.until(
      Journal.open(
        {
          storage: this.memory.mount(),
          scheduler: this.scheduler,
          logger: silentLogger,
          arena: this.arena,
          fileBytes: 5 * ENTRY_BYTES,
          panic: (error) => {
            this.panics.push(error);
            throw new Halted();
          },
        },
        from,
        (entry) => {
          replay(entry.offset);
        },
      ),
    );
  }

  async replayed(from = 0): Promise<number[]> {
    const offsets: number[] = [];
    await this.open(from, (offset) => offsets.push(offset));
    return offsets;
  }

  done(operation: string): number {
    return this.operations.filter((one) => one.startsWith(`${operation} journal/`)).length;
  }
}

function append(journal: Journal, client: JournalClient, offset: number): void {
  journal.append(
    { kind: EntryKind.append, topicId: TOPIC, partition: 0, offset },
    BATCH.length,
    (bytes, at) => bytes.set(BATCH, at),
    client,
    offset + 1,
  );
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i);

describe("journal", () => {
  it("syncs once for all that a turn appended, and tells each client its newest offset", async () => {
    const bench = new Bench();
    const journal = await bench.open();
    const [a, b] = [new Client(), new Client()];
    for (const offset of [0, 1, 2]) append(journal, a, offset);
    append(journal, b, 40);
    assert.deepEqual(a.stable, [], "nothing is stable before the sync");
    await bench.scheduler.until(journal.flush());
    assert.deepEqual([a.stable, b.stable], [[[3, 0]], [[41, 0]]]);
    assert.equal(bench.done("sync"), 1);
  });

  it("is written behind what the append woke: followers have it before the loop waits for the disk", async () => {
    const bench = new Bench(0);
    const journal = await bench.open();
    const client = new Client();
    append(journal, client, 0);
    await bench.scheduler.until(journal.flush());
    bench.operations.length = 0;
    append(journal, client, 1);
    // What waits for a partition is told after its journal was.
    bench.scheduler.soon(() => bench.operations.push("served"));
    await bench.scheduler.until(journal.flush());
    assert.deepEqual([bench.operations[0], bench.done("write")], ["served", 1]);
  });

  it("gathers what comes during a sync for the next one", async () => {
    const bench = new Bench(10);
    const journal = await bench.open();
    const client = new Client();
    append(journal, client, 0);
    await bench.scheduler.until(journal.flush());
    const before = bench.done("sync");
    append(journal, client, 1);
    await bench.scheduler.advance(5);
    for (const offset of range(2, 12)) append(journal, client, offset);
    await bench.scheduler.until(journal.flush());
    assert.equal(bench.done("sync") - before, 2);
    assert.deepEqual(client.stable.slice(-2), [
      [2, 0],
      [12, 0],
    ]);
  });

  it("tells the generation in which something was appended", async () => {
    const bench = new Bench();
    const journal = await bench.open();
    const client = new Client();
    append(journal, client, 0);
    client.generation = 4;
    await bench.scheduler.until(journal.flush());
    append(journal, client, 0);
    await bench.scheduler.until(journal.flush());
    assert.deepEqual(client.stable, [
      [1, 0],
      [1, 4],
    ]);
  });

  it("hands every whole entry back in order, from the position asked for", async () => {
    const bench = new Bench();
    const journal = await bench.open();
    const client = new Client();
    for (const offset of range(0, 23)) {
      append(journal, client, offset);
      if (offset % 2 === 0) await bench.scheduler.until(journal.flush());
    }
    assert(bench.memory.paths().length > 3, "over several files");
    await bench.scheduler.until(journal.close());
    assert.deepEqual(await bench.replayed(), range(0, 23));
    assert.deepEqual(await bench.replayed(9 * ENTRY_BYTES), range(9, 23));
  });

  it("cuts a torn tail, goes on behind it and never brings the torn back", async () => {
    const bench = new Bench();
    const journal = await bench.open();
    const client = new Client();
    for (const offset of range(0, 4)) append(journal, client, offset);
    await bench.scheduler.until(journal.flush());
    await bench.scheduler.until(journal.close());
    bench.memory.corrupt("journal/0000000000.journal", FILE_HEADER_BYTES + 2 * ENTRY_BYTES + 5);
    const offsets: number[] = [];
    const next = await bench.open(0, (offset) => offsets.push(offset));
    assert.deepEqual(offsets, [0, 1]);
    assert.equal(next.position, 2 * ENTRY_BYTES);
    append(next, client, 100);
    await bench.scheduler.until(next.flush());
    await bench.scheduler.until(next.close());
    assert.deepEqual(await bench.replayed(), [0, 1, 100]);
  });

  it("uses freed files again and keeps at most three of them", async () => {
    const bench = new Bench();
    const journal = await bench.open();
    const client = new Client();
    for (const offset of range(0, 40)) {
      append(journal, client, offset);
      await bench.scheduler.until(journal.flush());
    }
    assert.equal(bench.memory.paths().length, 8);
    await bench.scheduler.until(journal.freeBefore(34 * ENTRY_BYTES));
    assert.equal(bench.memory.paths().length, 5, "two in use, three spare");
    for (const offset of range(40, 53)) {
      append(journal, client, offset);
      await bench.scheduler.until(journal.flush());
    }
    assert.equal(bench.memory.paths().length, 5, "the spares were taken");
    await bench.scheduler.until(journal.close());
    assert.deepEqual(await bench.replayed(34 * ENTRY_BYTES), range(34, 53));
  });

  it("takes another file while one that was freed is being opened", async () => {
    const bench = new Bench();
    const journal = await bench.open();
    const client = new Client();
    for (const offset of range(0, 20)) {
      append(journal, client, offset);
      await bench.scheduler.until(journal.flush());
    }
    await bench.scheduler.until(journal.freeBefore(5 * ENTRY_BYTES));
    let freed: Promise<void> | undefined;
    bench.failing = (operation) => {
      if (operation === "open") freed ??= journal.freeBefore(10 * ENTRY_BYTES);
      return undefined;
    };
    for (const offset of range(20, 40)) {
      append(journal, client, offset);
      await bench.scheduler.until(journal.flush());
    }
    assert(freed !== undefined);
    await freed;
    await bench.scheduler.until(journal.close());
    assert.deepEqual(bench.panics, []);
    assert.deepEqual(await bench.replayed(15 * ENTRY_BYTES), range(15, 40));
  });

  it("writes whole blocks, and replays from wherever a checkpoint was", async () => {
    const bench = new Bench(1, 512);
    const journal = await bench.open();
    const client = new Client();
    const marks = new Map<number, number>();
    for (const offset of range(0, 60)) {
      append(journal, client, offset);
      // Before some flushes, within what one flush writes, and behind them.
      if (offset % 5 === 1) marks.set(journal.mark(), offset + 1);
      if (offset % 7 === 0) await bench.scheduler.until(journal.flush());
    }
    await bench.scheduler.until(journal.flush());
    await bench.scheduler.until(journal.close());
    assert.equal(journal.position % 512, 0);
    for (const [position, offset] of marks) {
      assert.equal(position % 512, 0);
      assert.deepEqual(await bench.replayed(position), range(offset, 60));
    }
  });

  it("keeps files that hold an entry at or after the position freed", async () => {
    const bench = new Bench();
    const journal = await bench.open();
    const client = new Client();
    for (const offset of range(0, 12)) {
      append(journal, client, offset);
      await bench.scheduler.until(journal.flush());
    }
    await bench.scheduler.until(journal.freeBefore(9 * ENTRY_BYTES));
    await bench.scheduler.until(journal.close());
    assert.deepEqual(await bench.replayed(9 * ENTRY_BYTES), range(9, 12));
  });

  it("refuses while the volume is full, acknowledges nothing, and goes on when there is room", async () => {
    const bench = new Bench();
    const journal = await bench.open();
    const client = new Client();
    append(journal, client, 0);
    await bench.scheduler.until(journal.flush());
    bench.failing = (operation) => (operation === "write" ? "ENOSPC" : undefined);
    append(journal, client, 1);
    let flushed = false;
    const waiting = journal.flush().then(() => (flushed = true));
    await bench.scheduler.advance(5000);
    assert.equal(journal.refusing, true);
    assert.equal(flushed, false);
    assert.deepEqual(client.stable, [[1, 0]]);
    bench.failing = undefined;
    await bench.scheduler.until(waiting);
    assert.equal(journal.refusing, false);
    assert.deepEqual(client.stable, [
      [1, 0],
      [2, 0],
    ]);
    await bench.scheduler.until(journal.close());
    assert.deepEqual(await bench.replayed(), [0, 1]);
    assert.deepEqual(bench.panics, []);
  });

  const fatal: [string, string, string][] = [
    ["EIO on a write", "write", "EIO"],
    ["EIO on a sync", "sync", "EIO"],
    ["a sync that fails for want of space", "sync", "ENOSPC"],
  ];
  for (const [name, operation, code] of fatal) {
    it(`stops for ever at ${name}: nothing is acknowledged, the sync is not tried again`, async () => {
      const bench = new Bench();
      const journal = await bench.open();
      const client = new Client();
      append(journal, client, 0);
      await bench.scheduler.until(journal.flush());
      await haltable(async () => {
        bench.failing = (asked) => (asked === operation ? code : undefined);
        append(journal, client, 1);
        await bench.scheduler.advance(100);
        bench.failing = undefined;
        const before = bench.operations.length;
        append(journal, client, 2);
        await bench.scheduler.advance(5000);
        assert.equal(bench.panics.length, 1);
        assert.deepEqual(bench.operations.slice(before), []);
        assert.deepEqual(client.stable, [[1, 0]]);
        assert.equal(journal.refusing, true);
      });
    });
  }

  describe("with damage on disk", () => {
    const FIRST = "journal/0000000000.journal";
    const SECOND = "journal/0000000001.journal";
    const entry = (number: number): number => FILE_HEADER_BYTES + number * ENTRY_BYTES + 30;

    /** Seven entries in two files, each synced by itself but for the last two. */
    async function written(): Promise<Bench> {
      const bench = new Bench();
      const journal = await bench.open();
      const client = new Client();
      for (const offset of range(0, 7)) {
        append(journal, client, offset);
        if (offset !== 5) await bench.scheduler.until(journal.flush());
      }
      await bench.scheduler.until(journal.close());
      return bench;
    }

    const CASES: readonly {
      readonly what: string;
      readonly at: readonly [file: string, position: number];
      readonly replayed: number;
      readonly damaged: boolean;
    }[] = [
      { what: "in the first entry", at: [FIRST, entry(0)], replayed: 0, damaged: true },
      { what: "in an entry", at: [FIRST, entry(2)], replayed: 2, damaged: true },
      { what: "in the last entry of a file", at: [FIRST, entry(4)], replayed: 4, damaged: true },
      { what: "in the header of a file", at: [FIRST, 5], replayed: 0, damaged: true },
      { what: "in the header of the last file", at: [SECOND, 5], replayed: 5, damaged: false },
      // They were written together: a crash could have left only the second one.
      { what: "in one of the last", at: [SECOND, entry(0)], replayed: 5, damaged: false },
      { what: "in the last one", at: [SECOND, entry(1)], replayed: 6, damaged: false },
    ];
    for (const { what, at, replayed, damaged } of CASES) {
      it(`${what} ends there, and ${damaged ? "knows" : "takes it for a torn tail"}`, async () => {
        const bench = await written();
        bench.memory.corrupt(...at);
        const offsets: number[] = [];
        const journal = await bench.open(0, (offset) => offsets.push(offset));
        assert.deepEqual(offsets, range(0, replayed));
        assert.equal(journal.damaged, damaged);
      });
    }

    it("is whole again once that was coped with", async () => {
      const bench = await written();
      bench.memory.corrupt(FIRST, entry(2));
      const journal = await bench.open();
      await bench.scheduler.until(journal.freeBefore(journal.position));
      append(journal, new Client(), 100);
      await bench.scheduler.until(journal.flush());
      await bench.scheduler.until(journal.close());
      const offsets: number[] = [];
      const again = await bench.open(2 * ENTRY_BYTES, (offset) => offsets.push(offset));
      assert.deepEqual(offsets, [100]);
      assert.equal(again.damaged, false);
    });
  });
});
