import assert from "node:assert/strict";
import { LoopWrites } from "../../../../broker/log/loop-writes.ts";
import { VirtualScheduler } from "../../../support/virtual-scheduler.ts";

const PAGE = 4096;

/** A disk whose writes take as long as is said, while which the loop does nothing else. */
class Disk {
  #now = 0;
  readonly writes: LoopWrites;

  constructor() {
    const scheduler = new VirtualScheduler();
    scheduler.now = () => this.#now;
    this.writes = new LoopWrites(scheduler);
  }

  /** @returns whether the loop has waited for it */
  write(ms: number, bytes = PAGE): boolean {
    return this.writes.attempt(bytes, () => {
      this.#now += ms;
      return true;
    });
  }

  pass(ms: number): void {
    this.#now += ms;
  }
}

describe("writes on the loop", () => {
  it("are those of a fast disk, whatever one of them takes now and then", () => {
    const disk = new Disk();
    for (let i = 0; i < 1000; i++) {
      assert.equal(disk.write(i % 50 === 49 ? 5 : 0.2), true, `write ${i}`);
    }
  });

  it("are not those of a slow disk, but for one each second", () => {
    const disk = new Disk();
    let waited = 0;
    for (let i = 0; i < 2000; i++) {
      if (disk.write(3)) waited++;
      disk.pass(5);
    }
    assert.ok(waited >= 10 && waited <= 20, `${waited} of 2,000 writes in ten seconds`);
  });

  it("are again those of a disk that has become fast", () => {
    const disk = new Disk();
    for (let i = 0; i < 20; i++) disk.write(3);
    assert.equal(disk.write(0.2), false);
    disk.pass(1000);
    for (let i = 0; i < 20; i++) assert.equal(disk.write(0.2), true);
  });

  it("are not large, nor those that a file cannot do at once", () => {
    const disk = new Disk();
    assert.equal(disk.write(0.2, 64 * 1024), true);
    assert.equal(disk.write(0.2, 64 * 1024 + PAGE), false);
    assert.equal(
      disk.writes.attempt(PAGE, () => false),
      false,
    );
  });
});
