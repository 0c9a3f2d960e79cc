import type { BrokerEndpoint, BrokerId } from "../../cluster/broker.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Millis } from "../../lib/units.ts";
import type { DamagedError, DamagedPlace } from "../log/damage.ts";
import type { Network } from "../network/frame-channel.ts";
import { RpcClient } from "../network/rpc-client.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import { fetchRequest, fetchResponse } from "../protocol/messages/fetch.ts";
import { batchAt, batchSizeAt } from "../protocol/record-batch.ts";
import type { Partition } from "./partition.ts";

const FETCH_VERSION = 17;
/** Enough for the batch that is missing; the first one comes whatever its size. */
const FETCH_BYTES = 64 * 1024;
const TIMEOUT_MS: Millis = 5000;
/** A place that could not be repaired is tried again after this, when somebody reads it. */
const AGAIN_MS: Millis = 10_000;
/** The same where the log can do nothing until then. */
const HELD_AGAIN_MS: Millis = 1000;

export interface DamageRepairOptions {
  readonly self: BrokerId;
  readonly network: Network;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly endpoint: (id: BrokerId) => BrokerEndpoint | undefined;
  readonly panic: (error: unknown) => never;
}

/**
 * Brings batches that have suffered on this broker's disk from other replicas, which have the same bytes at the same offsets
 * (L3). Readers are refused meanwhile with a retriable error.
 */
export class DamageRepair {
  readonly #options: DamageRepairOptions;
  /** Places under repair, and those that are not to be tried again yet. */
  readonly #busy = new Set<string>();
  #found = 0;
  #repaired = 0;

  constructor(options: DamageRepairOptions) {
    this.#options = options;
  }

  /** Damaged batches come upon since the start, and repaired ones. */
  get counts(): { readonly found: number; readonly repaired: number } {
    return { found: this.#found, repaired: this.#repaired };
  }

  begin(partition: Partition, error: DamagedError): void {
    const { place } = error;
    const { topic, topicId, partition: index } = partition;
    const key = `${topicId}/${index}/${place.segment}/${place.position}`;
    if (this.#busy.has(key)) return;
    this.#busy.add(key);
    this.#found++;
    const { scheduler, logger } = this.#options;
    const fields = { topic, partition: index, ...place };
    logger.error("a batch on disk is damaged", { ...fields, error: error.message });
    this.#repair(partition, place)
      .then((source) => {
        if (source === undefined) {
          logger.error("a damaged batch could not be repaired", fields);
          this.#beginAnew(partition);
          scheduler.after(partition.log.held ? HELD_AGAIN_MS : AGAIN_MS, () => {
            this.#busy.delete(key);
          });
          return;
        }
        this.#busy.delete(key);
        logger.warn("a damaged batch was repaired", { ...fields, from: source });
      })
      .catch((problem: unknown) => {
        this.#busy.delete(key);
        logger.error("repair of a damaged batch failed", { ...fields, error: String(problem) });
      });
  }

  /**
   * A follower that cannot be cut for damage that nobody can repair copies all of its log again, once nobody counts on it.
   * Nobody can begin to: a leader takes in whom it has heard of in its leader epoch, and this one has not fetched since.
   */
  #beginAnew({ log, record, following, closed, topic, partition }: Partition): void {
    const { self, logger, panic } = this.#options;
    const { state } = record;
    if (!log.uncut || closed || following === undefined || state === undefined) return;
    if (state.isr.includes(self) || state.elr.includes(self)) return;
    logger.error("a damaged log is begun anew", { topic, partition });
    log.truncateFullyAndStartAt(log.logStartOffset).catch((error: unknown) => panic(error));
  }

  /** @returns the broker that had the batch; undefined when nobody gave one that fits */
  async #repair(partition: Partition, place: DamagedPlace): Promise<BrokerId | undefined> {
    const { self } = this.#options;
    const isr = partition.record.state?.isr ?? [];
    const others = partition.record.placement.replicas.filter((id) => !isr.includes(id));
    let at = place;
    for (const id of [...isr, ...others]) {
      if (id === self) continue;
      for (;;) {
        const batch = await this.#fetch(id, partition, at.offset).catch(() => undefined);
        if (batch === undefined || !(await partition.log.repair(at, batch))) break;
        this.#repaired++;
        const offset = batchAt(batch, 0).lastOffset + 1;
        // Where the end of a file is missing, one batch comes after the other.
        const until = Math.min(at.until ?? 0, partition.log.logEndOffset);
        if (offset >= until) return id;
        at = { ...at, position: at.position + batch.length, offset };
      }
    }
    return undefined;
  }

  async #fetch(
    id: BrokerId,
    { topicId, partition }: Partition,
    fetchOffset: number,
  ): Promise<Uint8Array | undefined> {
    const { network, scheduler, endpoint, self } = this.#options;
    const address = endpoint(id);
    if (address === undefined) return undefined;
    const client = await RpcClient.connect({
      network,
      scheduler,
      host: address.host,
      port: address.port,
      clientId: `repair-${String(self)}`,
      timeout: TIMEOUT_MS,
      onClose: () => undefined,
    });
    try {
      return await new Promise((resolve, reject) => {
        client.send(
          fetchRequest,
          fetchResponse,
          FETCH_VERSION,
          {
            // Not as a follower: what is before the offset is not acknowledged by this.
            replicaState: { replicaId: -1, replicaEpoch: -1 },
            maxWaitMs: 0,
            minBytes: 0,
            maxBytes: FETCH_BYTES,
            isolationLevel: 0,
            sessionId: 0,
            sessionEpoch: -1,
            topics: [
              {
                topicId,
                partitions: [
                  {
                    partition,
                    currentLeaderEpoch: -1,
                    fetchOffset,
                    lastFetchedEpoch: -1,
                    logStartOffset: -1,
                    partitionMaxBytes: FETCH_BYTES,
                  },
                ],
              },
            ],
            forgottenTopicsData: [],
            rackId: "",
          },
          TIMEOUT_MS,
          (answer) => {
            const found = answer.responses[0]?.partitions[0];
            const bytes = found?.errorCode === ErrorCode.NONE ? found.records : null;
            if (!(bytes instanceof Uint8Array) || bytes.length === 0) resolve(undefined);
            // The frame's bytes are gone after this turn.
            else resolve(bytes.slice(0, batchSizeAt(bytes, 0) ?? 0));
          },
          reject,
        );
      });
    } finally {
      client.close();
    }
  }
}
