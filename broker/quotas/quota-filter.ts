import type { QuotaEntity } from "../../cluster/client-quota.ts";
import { ProtocolError } from "../errors.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import { isEntityType, partsOf } from "./quota-entity.ts";

/** How a part of an entity is asked for (KIP-546). */
const EXACT = 0;
const DEFAULT = 1;
const SPECIFIED = 2;

export interface FilterComponent {
  readonly entityType: string;
  readonly matchType: number;
  readonly match: string | null;
}

/**
 * A filter of DescribeClientQuotas as a test of entities (pure). Throws INVALID_REQUEST, and UNSUPPORTED_VERSION for a type
 * of entity that does not exist.
 * @param strict an entity has no other parts than those named.
 */
export function quotaFilter(
  components: readonly FilterComponent[],
  strict: boolean,
): (entity: QuotaEntity) => boolean {
  const byType = new Map<string, FilterComponent>();
  for (const component of components) {
    const { entityType, matchType, match } = component;
    if (entityType === "") refuse("Unexpected empty filter component entity type.");
    if (!isEntityType(entityType)) {
      throw new ProtocolError(
        ErrorCode.UNSUPPORTED_VERSION,
        `Custom entity type ${entityType} not supported`,
      );
    }
    if (byType.has(entityType)) refuse(`Entity type ${entityType} cannot appear more than once.`);
    if (matchType !== EXACT && matchType !== DEFAULT && matchType !== SPECIFIED) {
      refuse(`Unexpected match type ${matchType}`);
    }
    if ((matchType === EXACT) !== (match !== null)) {
      refuse("Request specified an exact match without a name, or a name without one.");
    }
    byType.set(entityType, component);
  }
  if (byType.has("ip") && byType.size > 1) {
    refuse(
      "Invalid entity filter component combination, IP filter component should not be used with user or clientId filter component.",
    );
  }
  return (entity) => {
    const parts = partsOf(entity);
    if (strict && parts.length !== byType.size) return false;
    return [...byType.values()].every(({ entityType, matchType, match }) => {
      const part = parts.find((one) => one.entityType === entityType);
      if (part === undefined) return false;
      return matchType === SPECIFIED || part.entityName === (matchType === EXACT ? match : null);
    });
  };
}

function refuse(message: string): never {
  throw new ProtocolError(ErrorCode.INVALID_REQUEST, message);
}
