import type { BrokerServices } from "../services.ts";

/** What a handler knows of the request's surroundings. */
export interface RequestContext {
  readonly services: BrokerServices;
  readonly clientId: string | null;
  readonly clientHost: string;
  /** Name of the listener the request came in on. */
  readonly listener: string;
  readonly apiVersion: number;
}

/** Answers one API. Refusals that the response has a field for are in the response; a thrown ProtocolError is answered in full. */
export type Handler<Req, Res> = (
  context: RequestContext,
  request: Req,
  version: number,
) => Res | Promise<Res>;
