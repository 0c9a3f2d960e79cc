import assert from "node:assert/strict";
import { type Room, VolumeRoom } from "../../../../broker/log/volume-room.ts";
import { GIB, MIB } from "../../../../lib/units.ts";

describe("the room of a volume", () => {
  const CASES: readonly {
    readonly what: string;
    readonly capacity: number;
    readonly free: readonly number[];
    readonly rooms: readonly Room[];
  }[] = [
    {
      what: "is low below twice the reserve, short below it, and heals with something to spare",
      capacity: 100 * GIB,
      free: [50 * GIB, 2 * GIB, 2 * GIB - 1, GIB, GIB - 1, 1.2 * GIB, 1.25 * GIB, 2 * GIB],
      rooms: ["ample", "ample", "low", "low", "short", "short", "low", "ample"],
    },
    {
      what: "of a small volume is a twentieth",
      capacity: 1000 * MIB,
      free: [100 * MIB, 99 * MIB, 49 * MIB, 62 * MIB, 63 * MIB],
      rooms: ["ample", "low", "short", "short", "low"],
    },
    { what: "is ample where nothing is known", capacity: 0, free: [0], rooms: ["ample"] },
  ];
  for (const { what, capacity, free, rooms } of CASES) {
    it(what, () => {
      const room = new VolumeRoom(GIB);
      const seen = free.map((freeBytes) => {
        const before = room.room;
        const changed = room.update({ freeBytes, capacityBytes: capacity });
        assert.equal(changed, room.room !== before);
        return room.room;
      });
      assert.deepEqual(seen, rooms);
    });
  }
});
