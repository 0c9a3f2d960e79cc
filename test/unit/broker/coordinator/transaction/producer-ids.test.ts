import assert from "node:assert/strict";
import {
  PRODUCER_ID_BLOCK,
  ProducerIds,
} from "../../../../../broker/coordinator/transaction/producer-ids.ts";
import { ProtocolError } from "../../../../../broker/errors.ts";
import { ErrorCode } from "../../../../../broker/protocol/error-codes.ts";
import type { KubeApi } from "../../../../../kube/api.ts";
import {
  AlreadyExistsError,
  ConflictError,
  NotFoundError,
  ServerBusyError,
  UnknownOutcomeError,
} from "../../../../../kube/errors.ts";
import type { KubeObject } from "../../../../../kube/objects.ts";
import { silentLogger } from "../../../../../lib/logger.ts";
import { FakeScheduler } from "../fakes.ts";

/** One object under compare-and-swap. */
class OneObject {
  object: KubeObject | undefined;
  version = 0;
  writes = 0;
  down = false;
  /** The next write happens, and its answer is lost. */
  loseAnswer = false;

  get api(): KubeApi {
    const write = async (object: KubeObject): Promise<KubeObject> => {
      this.writes += 1;
      this.version += 1;
      this.object = {
        ...object,
        metadata: { ...object.metadata, resourceVersion: String(this.version) },
      };
      if (!this.loseAnswer) return Promise.resolve(this.object);
      this.loseAnswer = false;
      return Promise.reject(new UnknownOutcomeError("no answer"));
    };
    const up = async (): Promise<void> => {
      await Promise.resolve();
      if (this.down) throw new ServerBusyError(503, "ServiceUnavailable", "down");
    };
    return {
      get: async ({ plural }: { readonly plural: string }) => {
        await up();
        if (plural === "brokerclusters") {
          return { apiVersion: "", kind: "", metadata: { name: "c", uid: "u" } };
        }
        if (this.object === undefined) throw new NotFoundError(404, "NotFound", "none");
        return this.object;
      },
      create: async (_resource: unknown, _namespace: string, object: KubeObject) => {
        await up();
        if (this.object !== undefined) throw new AlreadyExistsError(409, "AlreadyExists", "there");
        return write(object);
      },
      replace: async (_resource: unknown, _namespace: string, object: KubeObject) => {
        await up();
        if (object.metadata.resourceVersion !== this.object?.metadata.resourceVersion) {
          throw new ConflictError(409, "Conflict", "stale");
        }
        return write(object);
      },
    } as unknown as KubeApi;
  }
}

function producerIds(object: OneObject): ProducerIds {
  return new ProducerIds({
    kube: object.api,
    namespace: "n",
    clusterName: "c",
    scheduler: new FakeScheduler(),
    logger: silentLogger,
  });
}

async function take(from: ProducerIds, count: number): Promise<number[]> {
  const ids: number[] = [];
  for (let i = 0; i < count; i++) ids.push(await from.next());
  return ids;
}

describe("ProducerIds", () => {
  it("never gives an id twice, whichever brokers ask and however they contend", async () => {
    const object = new OneObject();
    const brokers = [producerIds(object), producerIds(object), producerIds(object)];
    const ids = (await Promise.all(brokers.map((broker) => take(broker, 2_500)))).flat();
    assert.equal(new Set(ids).size, 7_500);
  });

  it("shares one request between all that wait for a block", async () => {
    const object = new OneObject();
    const broker = producerIds(object);
    const ids = await Promise.all(Array.from({ length: 100 }, () => broker.next()));
    assert.equal(new Set(ids).size, 100);
    assert.equal(object.writes, 1);
    // It goes when the cluster goes.
    assert.equal(object.object?.metadata.ownerReferences?.[0]?.uid, "u");
  });

  it("gives up a block whose write had an unknown outcome", async () => {
    const object = new OneObject();
    const first = producerIds(object);
    const [id = 0] = await take(first, 1);
    object.loseAnswer = true;
    const second = producerIds(object);
    await assert.rejects(
      second.next(),
      (error) =>
        error instanceof ProtocolError && error.errorCode === ErrorCode.COORDINATOR_NOT_AVAILABLE,
    );
    assert.equal(await second.next(), id + 2 * PRODUCER_ID_BLOCK);
  });

  it("serves on from the block fetched ahead when the API is away, and says so when that is used up", async () => {
    const object = new OneObject();
    const broker = producerIds(object);
    await take(broker, 600);
    object.down = true;
    const ids = await take(broker, 2 * PRODUCER_ID_BLOCK - 600);
    assert.equal(new Set(ids).size, ids.length);
    await assert.rejects(broker.next(), ProtocolError);
    object.down = false;
    await take(broker, 1);
  });

  it("gives no ids out of a damaged object", async () => {
    const object = new OneObject();
    await take(producerIds(object), 1);
    object.object = { ...object.object, data: { nextProducerId: "x" } } as unknown as KubeObject;
    await assert.rejects(producerIds(object).next(), ProtocolError);
  });
});
