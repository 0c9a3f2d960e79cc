import assert from "node:assert/strict";
import { Slots } from "../../../lib/slots.ts";

describe("slots", () => {
  it("bound what runs at the same time, begin what is urgent first, and go on after a failure", async () => {
    const slots = new Slots(2);
    const begun: string[] = [];
    const end = new Map<string, (error?: Error) => void>();
    const start = (name: string, urgent = false): Promise<void> =>
      slots.run(
        () =>
          new Promise((resolve, reject) => {
            begun.push(name);
            end.set(name, (error) => {
              if (error === undefined) resolve();
              else reject(error);
            });
          }),
        urgent,
      );
    const all = ["a", "b", "c", "d"].map((name) => start(name));
    all.push(start("first", true));
    const settled = Promise.allSettled(all);
    assert.deepEqual(begun, ["a", "b"]);
    assert.equal(slots.waiting, 3);
    end.get("a")?.(new Error("lost"));
    await new Promise(setImmediate);
    assert.deepEqual(begun, ["a", "b", "first"]);
    for (const name of ["b", "first", "c", "d"]) {
      end.get(name)?.();
      await new Promise(setImmediate);
    }
    assert.deepEqual(begun, ["a", "b", "first", "c", "d"]);
    assert.deepEqual(
      (await settled).map(({ status }) => status),
      ["rejected", "fulfilled", "fulfilled", "fulfilled", "fulfilled"],
    );
    assert.equal(slots.waiting, 0);
  });
});
