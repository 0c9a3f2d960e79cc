import type { Millis } from "../../lib/units.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type { FetchRequest } from "../protocol/messages/fetch.ts";
import { ProtocolError } from "../errors.ts";
import type { FetchScope } from "../fetch-session.ts";
import { quotaClientOf, quotasFor } from "./common.ts";
import { fetchAnswer, type FetchAnswer, type Found, releaseAll } from "./fetch-answer.ts";
import { FetchReader } from "./fetch-reader.ts";
import { fetchScope } from "./fetch-scope.ts";
import { HeldAnswer, type HoldingHandler, type RequestContext } from "./handler.ts";
import { ParkedFetch } from "./parked-fetch.ts";

type Result = FetchAnswer | HeldAnswer<FetchAnswer>;

/**
 * Long-polling fetch of consumers, from leaders and followers (KIP-392), and of followers on the internal listener (KIP-74,
 * KIP-227, KIP-320, KIP-951). A consumer that has had more than its quota gets an answer without records (KIP-219).
 */
export const handleFetch: HoldingHandler<FetchRequest, FetchAnswer> = (
  context,
  request,
  version,
) => {
  const { services } = context;
  const replicaId = version >= 15 ? request.replicaState.replicaId : request.replicaId;
  if (replicaId >= 0 && context.listener !== "internal") {
    throw new ProtocolError(
      ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
      "replicas fetch on the internal listener",
    );
  }
  const { scheduler } = services.environment;
  const quotas = replicaId < 0 ? quotasFor(context) : undefined;
  const debt = quotas?.fetchDebt(quotaClientOf(context), scheduler.now()) ?? 0;
  // Nothing is read for it, and a session is not begun with an answer that lacks its partitions.
  if (debt > 0 && request.sessionEpoch <= 0) return { throttleTimeMs: debt };
  const scope = fetchScope(context, request, replicaId, version);
  if (debt > 0) return { throttleTimeMs: debt, sessionId: scope.sessionId };
  const reader = new FetchReader(context, request, replicaId, scope, version);
  const deadline = scheduler.now() + request.maxWaitMs;
  return new Fetch({ context, reader, replicaId, scope, version, deadline }).answer();
};

/** What a fetch is answered by. */
interface FetchParts {
  readonly context: RequestContext;
  readonly reader: FetchReader;
  readonly replicaId: number;
  readonly scope: FetchScope;
  readonly version: number;
  readonly deadline: Millis;
}

/**
 * One fetch until it is answered. Thousands of them wait at a time, each for most of its life: what it holds counts, and
 * what it still holds when it is over.
 */
class Fetch {
  readonly #parts: FetchParts;
  #parked: ParkedFetch | undefined;
  /** A follower has more to say: it is answered with what there is. */
  #hurried = false;
  #stopWatching: (() => void) | undefined;
  #stopHurrying: (() => void) | undefined;
  #resolve: ((result: Result) => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;

  constructor(parts: FetchParts) {
    this.#parts = parts;
  }

  /** What there is at once is answered at once, if it is enough. */
  answer(): Result | Promise<Result> {
    const { context, reader, replicaId } = this.#parts;
    const looking = reader.look();
    if (!(looking instanceof Promise) && this.#isEnough(looking)) return this.#held(looking);
    return new Promise((resolve, reject) => {
      // From the beginning: what comes in the same piece from the socket is not heard by one that listens later.
      if (replicaId >= 0) {
        this.#stopHurrying = context.connection?.whenNext(() => {
          this.#hurried = true;
          this.#parked?.wake();
        });
      }
      this.#resolve = resolve;
      this.#reject = reject;
      this.#stopWatching = context.connection?.whenClosed(() => {
        reader.abandoned = true;
        this.#parked?.wake();
      });
      this.#goOn(looking);
    });
  }

  #goOn(looking: readonly Found[] | Promise<readonly Found[]>): void {
    if (!(looking instanceof Promise)) {
      this.#looked(looking);
      return;
    }
    looking.then(
      (found) => {
        this.#looked(found);
      },
      (error: unknown) => {
        this.#fail(error);
      },
    );
  }

  #looked(found: readonly Found[]): void {
    try {
      if (this.#isEnough(found)) this.#settle(this.#held(found));
      else if (this.#parts.reader.abandoned) {
        // Nobody is there to be answered: what is sent goes nowhere.
        releaseAll(found);
        this.#settle({ errorCode: ErrorCode.NONE });
      } else this.#park(found);
    } catch (error) {
      this.#fail(error);
    }
  }

  #settle(result: Result): void {
    this.#stopListening();
    const resolve = this.#resolve;
    this.#ended();
    resolve?.(result);
  }

  #stopListening(): void {
    this.#stopWatching?.();
    this.#stopHurrying?.();
  }

  /** Lets go of the answer and of who takes it: this object may lie among the old ones for long after its end. */
  #ended(): void {
    this.#resolve = undefined;
    this.#reject = undefined;
    this.#stopWatching = undefined;
    this.#stopHurrying = undefined;
  }

  #fail(error: unknown): void {
    this.#stopListening();
    this.#parts.reader.giveUpPromise();
    const reject = this.#reject;
    this.#ended();
    reject?.(error);
  }

  /** Enough to answer, or the time is up: bytes as asked for, or anything that the client has to know at once. */
  #isEnough(found: readonly Found[]): boolean {
    const { context, deadline, reader, scope } = this.#parts;
    if (found.length === 0 && !scope.incremental) return true;
    let bytes = 0;
    for (const one of found) {
      if (one.error !== undefined || one.diverging !== undefined) return true;
      if (one.preferred !== undefined) return true;
      const told = one.asked.told?.highWatermark;
      if (reader.tellsHighWatermark && told !== undefined && one.seen !== undefined) {
        if (one.seen.told > told) return true;
      }
      bytes += one.read?.bytes ?? 0;
    }
    if (bytes >= reader.minBytes || this.#hurried) return true;
    return context.services.environment.scheduler.now() >= deadline;
  }

  /** The answer with the memory of what was read, which is given back also when there is no answer. */
  #held(found: readonly Found[]): HeldAnswer<FetchAnswer> {
    const release = (): void => {
      releaseAll(found);
    };
    try {
      return new HeldAnswer(this.#answerOf(found), release);
    } catch (error) {
      release();
      throw error;
    }
  }

  #answerOf(found: readonly Found[]): FetchAnswer {
    const { context, reader, replicaId, scope, version } = this.#parts;
    const { committed } = reader;
    const answer = fetchAnswer(context, { committed, replicaId, scope, found, version });
    reader.told(found);
    const quotas = replicaId < 0 ? quotasFor(context) : undefined;
    if (quotas === undefined) return answer;
    const bytes = found.reduce((sum, { read }) => sum + (read?.bytes ?? 0), 0);
    const now = context.services.environment.scheduler.now();
    return { ...answer, throttleTimeMs: quotas.fetched(quotaClientOf(context), bytes, now) };
  }

  /**
   * Until something has moved in any of the partitions since `found` was read, or the time is up. What moved while the
   * others were still being read, before anybody listened, counts as well.
   */
  #park(found: readonly Found[]): void {
    releaseAll(found);
    const { context, deadline, reader } = this.#parts;
    const { services, answers } = context;
    const { moves } = this.#parts.scope;
    const { scheduler } = services.environment;
    const parked = new ParkedFetch(scheduler, deadline - scheduler.now(), () => {
      this.#parked = undefined;
      // At the end of the turn: whatever else is appended in it is answered together.
      scheduler.soon(() => {
        this.#again();
      });
    });
    this.#parked = parked;
    if (moves === undefined) {
      for (const { partition } of found) {
        if (partition === undefined) continue;
        const { topicId, partition: index } = partition;
        parked.until((wake) => services.replicas.onProgress(topicId, index, wake));
      }
    } else parked.until((wake) => moves.whenMoved(wake));
    if (reader.starved && answers !== undefined) {
      parked.until((wake) =>
        answers.room.wait(() => {
          // At once: of those who wait only as many pass as there is room for.
          reader.promise();
          wake();
        }),
      );
    }
    if (moves?.some ?? found.some((one) => reader.moved(one))) parked.wake();
  }

  #again(): void {
    const { reader } = this.#parts;
    if (reader.abandoned) {
      reader.giveUpPromise();
      this.#settle({ errorCode: ErrorCode.NONE });
      return;
    }
    try {
      this.#goOn(reader.look());
    } catch (error) {
      this.#fail(error);
    }
  }
}
