import { DEFAULT_ENTITY, type QuotaEntity, type QuotaLimits } from "../../cluster/client-quota.ts";
import { ProtocolError } from "../errors.ts";
import { ErrorCode } from "../protocol/error-codes.ts";

/** One part of an entity as Kafka names it: a null name is the default. */
export interface EntityPart {
  readonly entityType: string;
  readonly entityName: string | null;
}

/** Kafka's types of entities and our names for them. */
const TYPES = { user: "user", "client-id": "clientId", ip: "ip" } as const;
export type EntityType = keyof typeof TYPES;

interface QuotaKey {
  readonly field: keyof QuotaLimits;
  /** Of what entities. */
  readonly of: "client" | "ip";
  readonly integer: boolean;
}

/** Kafka's names of quotas. */
export const QUOTA_KEYS: ReadonlyMap<string, QuotaKey> = new Map<string, QuotaKey>([
  ["producer_byte_rate", { field: "producerByteRate", of: "client", integer: true }],
  ["consumer_byte_rate", { field: "consumerByteRate", of: "client", integer: true }],
  ["request_percentage", { field: "requestPercentage", of: "client", integer: false }],
  ["connection_creation_rate", { field: "connectionCreationRate", of: "ip", integer: true }],
]);

/** What is to become of one quota. */
export interface QuotaChange {
  readonly key: string;
  readonly value: number;
  readonly remove: boolean;
}

export function isEntityType(type: string): type is EntityType {
  return Object.hasOwn(TYPES, type);
}

/** Kafka's entity as ours (pure). Throws INVALID_REQUEST. */
export function entityOf(parts: readonly EntityPart[]): QuotaEntity {
  const entity: Record<string, string> = {};
  for (const { entityType, entityName } of parts) {
    if (!isEntityType(entityType)) refuse(`Unhandled client quota entity type: ${entityType}`);
    const field = TYPES[entityType];
    if (entity[field] !== undefined) refuse(`Entity type ${entityType} is given twice`);
    if (entityName === "" || entityName === DEFAULT_ENTITY) {
      refuse(`Invalid ${entityType} entity name '${entityName}'`);
    }
    entity[field] = entityName ?? DEFAULT_ENTITY;
  }
  const { ip, ...client } = entity;
  if (ip === undefined && Object.keys(client).length === 0) {
    refuse("Invalid empty client quota entity");
  }
  if (ip !== undefined && Object.keys(client).length > 0) {
    refuse("Invalid quota entity combination: ip goes with nothing else");
  }
  if (ip !== undefined && ip !== DEFAULT_ENTITY && !isAddress(ip)) {
    refuse(`${ip} is not an IP address`);
  }
  return entity;
}

/** Our entity as Kafka's (pure). */
export function partsOf(entity: QuotaEntity): EntityPart[] {
  return Object.entries(TYPES).flatMap(([entityType, field]) => {
    const name = entity[field];
    if (name === undefined) return [];
    return [{ entityType, entityName: name === DEFAULT_ENTITY ? null : name }];
  });
}

/** Limits after the changes (pure). Throws INVALID_REQUEST. */
export function changeLimits(
  limits: QuotaLimits,
  entity: QuotaEntity,
  changes: readonly QuotaChange[],
): QuotaLimits {
  const next: Record<string, number | undefined> = { ...limits };
  const of = entity.ip === undefined ? "client" : "ip";
  for (const { key, value, remove } of changes) {
    const known = QUOTA_KEYS.get(key);
    if (known?.of !== of) refuse(`Invalid configuration key ${key}`);
    if (remove) {
      // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- one of four fields
      delete next[known.field];
      continue;
    }
    if (!Number.isFinite(value) || value <= 0) refuse(`Quota ${key} must be greater than 0`);
    if (known.integer && !Number.isSafeInteger(value))
      refuse(`Quota ${key} must be a whole number`);
    next[known.field] = value;
  }
  return next;
}

/** Limits by Kafka's names (pure). */
export function valuesOf(limits: QuotaLimits): { readonly key: string; readonly value: number }[] {
  return [...QUOTA_KEYS].flatMap(([key, { field }]) => {
    const value = limits[field];
    return value === undefined ? [] : [{ key, value }];
  });
}

/** The address of a remote side `address:port`; IPv4 in IPv6 as IPv4. */
export function ipOf(remote: string): string {
  return remote.replace(/:\d+$/, "").replace(/^::ffff:(?=\d+\.)/, "");
}

function isAddress(text: string): boolean {
  const part = "(25[0-5]|2[0-4]\\d|1?\\d?\\d)";
  if (new RegExp(`^${part}(\\.${part}){3}$`).test(text)) return true;
  return /^[0-9a-fA-F:]*:[0-9a-fA-F:.]*$/.test(text) && text.length <= 45;
}

function refuse(message: string): never {
  throw new ProtocolError(ErrorCode.INVALID_REQUEST, message);
}
