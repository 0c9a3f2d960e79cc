import { type BrokerEndpoint, type BrokerId, isSameAddress } from "../../cluster/broker.ts";
import { type Scheduler } from "../../lib/clock.ts";
import type { Logger } from "../../lib/logger.ts";
import type { Millis } from "../../lib/units.ts";
import type { Network } from "../network/frame-channel.ts";
import { RpcClient } from "../network/rpc-client.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import {
  brokerHeartbeatRequest,
  brokerHeartbeatResponse,
  type BrokerHeartbeatResponse,
} from "../protocol/messages/broker-heartbeat.ts";
import type { Contact } from "../replication/contact.ts";
import type { Holder } from "./controller-lease.ts";
import { fromList, listed, type NewestVersions } from "../metadata/stale-watch.ts";

const HEARTBEAT_VERSION = 0;

export interface HeartbeatOptions {
  readonly self: BrokerId;
  readonly epoch: number;
  readonly network: Network;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly intervalMs: Millis;
  readonly sessionTimeoutMs: Millis;
  readonly contact: Contact;
  readonly endpoint: (id: BrokerId) => BrokerEndpoint | undefined;
  /** The epoch in which that address was registered. */
  readonly registeredEpoch: (id: BrokerId) => number | undefined;
  /** The controller's process is provably gone. */
  readonly onControllerDead: (holder: Holder) => void;
  /** The controller says that it has given up its office, which is as good as its Lease given back. */
  readonly onControllerResigned: (holder: Holder) => void;
  /** The broker that the Lease names says that it is not the controller. */
  readonly onNotController: () => void;
  /** The controller takes this broker for dead, or has not yet seen it alive. */
  readonly onFenced: () => void;
  /** The controller took this broker for dead since it last read the recorded state, perhaps without its noticing. */
  readonly onBehind: () => void;
  /** How often this broker has read the recorded state: its metadata position. */
  readonly reads: () => number;
  /** The newest versions that are known here. */
  readonly newest: () => NewestVersions;
  /** The controller's. */
  readonly onNewest: (newest: NewestVersions) => void;
  /** A newer process has registered with this broker's id. */
  readonly onSuperseded: () => void;
  readonly onShouldShutDown: () => void;
}

/**
 * The session of this broker with the controller: one connection, a heartbeat on it each interval (KIP-631's
 * BrokerHeartbeat). Broken and refused again means that the controller's process is gone.
 */
export class HeartbeatSender {
  readonly #options: HeartbeatOptions;
  #controller: Holder | undefined;
  /**
   * The controller that was watched last; when the last heartbeat that it answered was sent, and the last one that it
   * answered as a controller that is in touch.
   */
  #heard: { readonly holder: Holder; readonly at: Millis; readonly inTouchAt: Millis } | undefined;
  #client: RpcClient | undefined;
  /** Where the client is connected to. */
  #address: BrokerEndpoint | undefined;
  #connecting = false;
  #stopped = false;
  #wantsToStop = false;
  #awaiting = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  start(): void {
    this.#tick();
  }

  stop(): void {
    this.#stopped = true;
    this.#client?.close();
  }

  /** Asks the controller to move this broker's leaderships; answered by `onShouldShutDown`. */
  wantToStop(): void {
    this.#wantsToStop = true;
    this.#beat();
  }

  setController(holder: Holder | undefined): void {
    if (this.#controller?.id === holder?.id && this.#controller?.epoch === holder?.epoch) return;
    this.#controller = holder;
    if (holder !== undefined && holder.id !== this.#options.self) {
      const now = this.#options.scheduler.now();
      this.#heard = { holder, at: now, inTouchAt: now };
    }
    this.#client?.close();
    this.#client = undefined;
    this.#beat();
  }

  /**
   * When a controller was last heard, by this broker's own clock; undefined for one that it has not watched last.
   */
  heardAt({ id, epoch }: Holder): Millis | undefined {
    return this.#heardOf({ id, epoch })?.at;
  }

  /** The same for answers that told that it is in touch and does a controller's work. */
  inTouchAt(holder: Holder): Millis | undefined {
    return this.#heardOf(holder)?.inTouchAt;
  }

  #heardOf({ id, epoch }: Holder): { readonly at: Millis; readonly inTouchAt: Millis } | undefined {
    const heard = this.#heard;
    return heard?.holder.id === id && heard.holder.epoch === epoch ? heard : undefined;
  }

  #tick(): void {
    if (this.#stopped) return;
    this.#beat();
    this.#options.scheduler.after(this.#options.intervalMs, () => {
      this.#tick();
    });
  }

  #beat(): void {
    const controller = this.#controller;
    if (this.#stopped || controller === undefined || controller.id === this.#options.self) return;
    if (this.#client !== undefined && !this.#client.closed) {
      const endpoint = this.#options.endpoint(controller.id);
      if (endpoint === undefined || isSameAddress(endpoint, this.#address)) {
        if (!this.#awaiting) this.#send(this.#client, controller);
        return;
      }
      // Its process is somewhere else now, and at the address where it was there may be another broker.
      const former = this.#client;
      this.#client = undefined;
      this.#awaiting = false;
      former.close();
    }
    if (!this.#connecting) void this.#connect(controller);
  }

  async #connect(controller: Holder): Promise<void> {
    const endpoint = this.#options.endpoint(controller.id);
    if (endpoint === undefined) return;
    const { network, scheduler, self, sessionTimeoutMs, registeredEpoch } = this.#options;
    // The address of its process of before may well be refused.
    const isItsOwn = registeredEpoch(controller.id) === controller.epoch;
    this.#connecting = true;
    this.#address = endpoint;
    try {
      const client = await RpcClient.connect({
        network,
        scheduler,
        host: endpoint.host,
        port: endpoint.port,
        clientId: `heartbeat-${String(self)}`,
        timeout: sessionTimeoutMs / 2,
        onClose: () => {
          if (this.#client !== client) return;
          this.#client = undefined;
          this.#awaiting = false;
          // Whether the process is gone or only the connection shows in the next connect, made at once.
          this.#beat();
        },
      });
      this.#connecting = false;
      if (this.#stopped || this.#controller !== controller) {
        client.close();
        this.#beat();
        return;
      }
      this.#client = client;
      this.#send(client, controller);
    } catch (error) {
      this.#connecting = false;
      if (this.#stopped || this.#controller !== controller) return;
      if (isItsOwn && (error as { code?: unknown }).code === "ECONNREFUSED") {
        this.#options.onControllerDead(controller);
      }
    }
  }

  #send(client: RpcClient, controller: Holder): void {
    const { scheduler, self, epoch, sessionTimeoutMs, contact } = this.#options;
    const sentAt = scheduler.now();
    this.#awaiting = true;
    client.send(
      brokerHeartbeatRequest,
      brokerHeartbeatResponse,
      HEARTBEAT_VERSION,
      {
        brokerId: self,
        brokerEpoch: epoch,
        currentMetadataOffset: this.#options.reads(),
        wantFence: false,
        wantShutDown: this.#wantsToStop,
        newestVersions: listed(this.#options.newest()),
      },
      sessionTimeoutMs,
      (answer) => {
        this.#awaiting = false;
        if (this.#controller !== controller) return;
        const inTouch = answer.errorCode === ErrorCode.NONE;
        const before = this.#heardOf(controller)?.inTouchAt ?? -Infinity;
        this.#heard = { holder: controller, at: sentAt, inTouchAt: inTouch ? sentAt : before };
        if (inTouch) contact.heard(sentAt);
        this.#answered(answer, controller);
      },
      () => {
        this.#awaiting = false;
      },
    );
  }

  #answered(answer: BrokerHeartbeatResponse, controller: Holder): void {
    this.#options.onNewest(fromList(answer.newestVersions));
    switch (answer.errorCode) {
      case ErrorCode.NONE:
        if (answer.isFenced) this.#options.onFenced();
        if (!answer.isCaughtUp) this.#options.onBehind();
        if (answer.shouldShutDown) this.#options.onShouldShutDown();
        return;
      case ErrorCode.NOT_CONTROLLER:
        this.#options.onNotController();
        return;
      case ErrorCode.LEADER_NOT_AVAILABLE:
        this.#options.onControllerResigned(controller);
        return;
      case ErrorCode.STALE_BROKER_EPOCH:
        this.#options.onSuperseded();
        return;
      default:
        this.#options.logger.warn("heartbeat refused", { errorCode: answer.errorCode });
    }
  }
}
