import assert from "node:assert/strict";
import {
  type FetchAsker,
  type FetchScope,
  FetchSessionCache,
} from "../../../broker/fetch-session.ts";
import { ErrorCode } from "../../../broker/protocol/error-codes.ts";
import { fetchRequest, type FetchRequest } from "../../../broker/protocol/messages/fetch.ts";
import { type Random, seededRandom } from "../../../lib/random.ts";
import { refusedWith } from "./handlers/fakes.ts";

/** Session ids 1, 2, 3 … */
function countingRandom(): Random {
  let next = 0;
  return { ...seededRandom(1), below: () => next++ };
}

const VERSION = 12;
const MINUTES = 60_000;

/** A request as it would have come over the wire. */
function request(
  sessionId: number,
  sessionEpoch: number,
  partitions: readonly number[],
  forgotten: readonly number[] = [],
): FetchRequest {
  const bytes = fetchRequest.encode(
    {
      maxWaitMs: 0,
      minBytes: 1,
      sessionId,
      sessionEpoch,
      topics: [
        {
          topic: "a",
          partitions: partitions.map((partition) => ({
            partition,
            fetchOffset: 0,
            partitionMaxBytes: 100,
          })),
        },
      ],
      forgottenTopicsData: [{ topic: "a", partitions: forgotten }],
    },
    VERSION,
  );
  return fetchRequest.decode(bytes, 0, VERSION);
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at);
}

function numbers(scope: FetchScope): number[] {
  return scope.partitions.map(({ partition }) => partition);
}

const consumer = (now: number): FetchAsker => ({ privileged: false, topicIds: false, now });
const replica = (now: number): FetchAsker => ({ privileged: true, topicIds: false, now });

describe("fetch session", () => {
  it("adds to each request what the earlier ones named and did not forget", () => {
    const cache = new FetchSessionCache(10, countingRandom());
    const first = cache.resolve(request(0, 0, [0, 1, 2]), consumer(0));
    assert.deepEqual([first.sessionId, first.incremental, numbers(first)], [1, false, [0, 1, 2]]);
    const second = cache.resolve(request(1, 1, [3], [1]), consumer(0));
    assert.deepEqual([second.incremental, numbers(second)], [true, [0, 2, 3]]);
    assert.equal(cache.partitions, 3);
    const closed = cache.resolve(request(1, -1, [0]), consumer(0));
    assert.deepEqual([closed.sessionId, cache.size, cache.partitions], [0, 0, 0]);
  });

  it("reads what was served after what was not", () => {
    const cache = new FetchSessionCache(10, countingRandom());
    const first = cache.resolve(request(0, 0, [0, 1, 2]), consumer(0));
    first.served(first.partitions[0] ?? assert.fail());
    const second = cache.resolve(request(1, 1, []), consumer(0));
    assert.deepEqual(numbers(second), [1, 2, 0]);
    // A partition that is named again keeps its place.
    for (const partition of second.partitions.slice(0, 2)) second.served(partition);
    assert.deepEqual(numbers(cache.resolve(request(1, 2, [2]), consumer(0))), [0, 1, 2]);
  });

  const refusals: readonly [string, () => void, number][] = [
    [
      "an unknown id",
      () => new FetchSessionCache(10, countingRandom()).resolve(request(7, 1, []), consumer(0)),
      ErrorCode.FETCH_SESSION_ID_NOT_FOUND,
    ],
    [
      "another epoch than the next",
      () => {
        const cache = new FetchSessionCache(10, countingRandom());
        cache.resolve(request(0, 0, [0]), consumer(0));
        cache.resolve(request(1, 2, []), consumer(0));
      },
      ErrorCode.INVALID_FETCH_SESSION_EPOCH,
    ],
    [
      "topic ids in a session of names",
      () => {
        const cache = new FetchSessionCache(10, countingRandom());
        cache.resolve(request(0, 0, [0]), consumer(0));
        cache.resolve(request(1, 1, []), { ...consumer(0), topicIds: true });
      },
      ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR,
    ],
    [
      "a session that has grown beyond the bound of all",
      () => {
        const cache = new FetchSessionCache(10, countingRandom(), 5);
        cache.resolve(request(0, 0, range(5)), consumer(0));
        cache.resolve(request(1, 1, [5]), consumer(0));
      },
      ErrorCode.FETCH_SESSION_ID_NOT_FOUND,
    ],
  ];
  for (const [name, act, code] of refusals) {
    it(`refuses ${name}`, () => {
      refusedWith(code, act);
    });
  }

  describe("when all slots are taken", () => {
    /** Who has a session, of how many partitions, since when and used when; who comes; whose session goes for it. */
    const cases: readonly {
      readonly name: string;
      readonly present: readonly {
        readonly size: number;
        readonly asker: (now: number) => FetchAsker;
        readonly usedAt?: number;
      }[];
      readonly at: number;
      readonly size: number;
      readonly asker: (now: number) => FetchAsker;
      /** Index in `present`, or "declined". */
      readonly goes: number | "declined";
    }[] = [
      {
        name: "declines a newcomer while all are new",
        present: [{ size: 1, asker: consumer }],
        at: 2 * MINUTES,
        size: 9,
        asker: consumer,
        goes: "declined",
      },
      {
        name: "takes the place of one that was not used for more than two minutes, however large",
        present: [
          { size: 9, asker: replica },
          { size: 1, asker: consumer, usedAt: 2 * MINUTES },
        ],
        at: 2 * MINUTES + 1,
        size: 1,
        asker: consumer,
        goes: 0,
      },
      {
        name: "takes the place of the smallest that has had it for two minutes",
        present: [
          { size: 3, asker: consumer, usedAt: 2 * MINUTES },
          { size: 2, asker: consumer, usedAt: 2 * MINUTES },
        ],
        at: 2 * MINUTES + 1,
        size: 3,
        asker: consumer,
        goes: 1,
      },
      {
        name: "declines one that is not larger than the smallest",
        present: [{ size: 3, asker: consumer, usedAt: 2 * MINUTES }],
        at: 2 * MINUTES + 1,
        size: 3,
        asker: consumer,
        goes: "declined",
      },
      {
        name: "gives a replica the place of a new consumer, however large",
        present: [
          { size: 1, asker: replica },
          { size: 9, asker: consumer },
        ],
        at: 1,
        size: 1,
        asker: replica,
        goes: 1,
      },
      {
        name: "does not give a consumer the place of a replica that is in use",
        present: [{ size: 1, asker: replica, usedAt: 2 * MINUTES }],
        at: 2 * MINUTES + 1,
        size: 9,
        asker: consumer,
        goes: "declined",
      },
    ];
    for (const { name, present, at, size, asker, goes } of cases) {
      it(name, () => {
        const cache = new FetchSessionCache(present.length, countingRandom());
        for (const one of present) cache.resolve(request(0, 0, range(one.size)), one.asker(0));
        for (const [index, one] of present.entries()) {
          if (one.usedAt !== undefined)
            cache.resolve(request(index + 1, 1, []), one.asker(one.usedAt));
        }
        const { sessionId, partitions } = cache.resolve(request(0, 0, range(size)), asker(at));
        assert.equal(partitions.length, size);
        assert.equal(sessionId === 0, goes === "declined");
        for (const [index, one] of present.entries()) {
          const next = request(index + 1, one.usedAt === undefined ? 1 : 2, []);
          if (index === goes)
            refusedWith(ErrorCode.FETCH_SESSION_ID_NOT_FOUND, () =>
              cache.resolve(next, one.asker(at)),
            );
          else assert.equal(cache.resolve(next, one.asker(at)).partitions.length, one.size);
        }
      });
    }

    it("serves without a session when there are no slots", () => {
      const cache = new FetchSessionCache(0, countingRandom());
      const scope = cache.resolve(request(0, 0, [0]), replica(0));
      assert.deepEqual([scope.sessionId, numbers(scope)], [0, [0]]);
    });

    it("declines one with more partitions than there is room for", () => {
      const cache = new FetchSessionCache(10, countingRandom(), 5);
      cache.resolve(request(0, 0, range(3)), consumer(0));
      assert.equal(cache.resolve(request(0, 0, range(3)), consumer(0)).sessionId, 0);
      assert.notEqual(cache.resolve(request(0, 0, range(2)), consumer(0)).sessionId, 0);
    });
  });
});
