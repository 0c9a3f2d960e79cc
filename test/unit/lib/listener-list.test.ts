import assert from "node:assert/strict";
import { ListenerList } from "../../../lib/listener-list.ts";

describe("listener list", () => {
  it("calls those that are in it, in the order in which they came", () => {
    const list = new ListenerList();
    const called: string[] = [];
    const stops = ["a", "b", "c", "d"].map((name) => list.add(() => called.push(name)));
    stops[1]?.();
    stops[1]?.();
    list.call();
    assert.deepEqual(called, ["a", "c", "d"]);
    stops[3]?.();
    list.add(() => called.push("e"));
    list.call();
    assert.deepEqual(called, ["a", "c", "d", "a", "c", "e"]);
    stops[0]?.();
    stops[2]?.();
    assert.equal(list.empty, false);
  });

  it("calls nobody who was taken out meanwhile, nor who came meanwhile", () => {
    const list = new ListenerList();
    const called: string[] = [];
    let stopLast = (): void => undefined;
    const stopFirst = list.add(() => {
      called.push("first");
      stopFirst();
      stopLast();
      list.add(() => called.push("late"));
    });
    list.add(() => called.push("second"));
    stopLast = list.add(() => called.push("last"));
    list.call();
    assert.deepEqual(called, ["first", "second"]);
    called.length = 0;
    list.call();
    assert.deepEqual(called, ["second", "late"]);
  });

  it("is empty when all have gone", () => {
    const list = new ListenerList();
    const stops = [1, 2, 3].map(() => list.add(() => undefined));
    for (const stop of stops.reverse()) stop();
    assert.equal(list.empty, true);
  });
});
