import type { Millis } from "../../lib/units.ts";
import type { AnswerMemory } from "../network/answer-memory.ts";
import type { BrokerServices } from "../services.ts";

/** The connection that a request came by. */
export interface RequestConnection {
  /** Unique within the process. */
  readonly id: number;
  /**
   * Calls back once when the connection has closed (at once if it has), unless the returned function was called before:
   * a connection outlives its requests by far, so whoever asks for the time of one request has to take it back.
   */
  whenClosed(listener: () => void): () => void;
  /** Calls back whenever another request of it begins, until the returned function is called. */
  whenNext(listener: () => void): () => void;
  /** No further request of it is begun for so long (KIP-219); what has begun is answered. */
  mute(duration: Millis): void;
}

/** What a handler knows of the request's surroundings. */
export interface RequestContext {
  readonly services: BrokerServices;
  readonly clientId: string | null;
  readonly clientHost: string;
  /** Name of the listener the request came in on. */
  readonly listener: string;
  readonly apiVersion: number;
  readonly connection?: RequestConnection;
  /** Memory that answers to clients share; without it they are not bounded. */
  readonly answers?: AnswerMemory;
}

/** An answer whose parts are views of memory that `release` gives back once they were sent. */
export class HeldAnswer<Res> {
  readonly value: Res;
  readonly release: () => void;
  constructor(value: Res, release: () => void) {
    this.value = value;
    this.release = release;
  }
}

/**
 * Answers one API. Refusals that the response has a field for are in the response; a thrown ProtocolError is answered in full.
 * The request's byte fields are valid only until the handler first waits.
 */
export type Handler<Req, Res> = (
  context: RequestContext,
  request: Req,
  version: number,
) => Res | Promise<Res>;

/** A handler that may hold memory until its answer was sent, or give no answer at all (`undefined`: acks=0). */
export type HoldingHandler<Req, Res> = Handler<Req, Res | HeldAnswer<Res> | undefined>;
