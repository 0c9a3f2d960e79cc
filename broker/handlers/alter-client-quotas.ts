import { entityKey } from "../../cluster/client-quota.ts";
import { duplicates } from "../../lib/duplicates.ts";
import { ProtocolError } from "../errors.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type {
  AlterClientQuotasRequest,
  alterClientQuotasResponse,
} from "../protocol/messages/alter-client-quotas.ts";
import type { InputOf } from "../protocol/schema.ts";
import { changeLimits, entityOf, type EntityPart } from "../quotas/quota-entity.ts";
import { codeOf, messageOf } from "./common.ts";
import type { Handler } from "./handler.ts";

/** Quotas are ClientQuota objects: what is asked for is written there (KIP-546). */
export const handleAlterClientQuotas: Handler<
  AlterClientQuotasRequest,
  InputOf<typeof alterClientQuotasResponse>
> = async ({ services }, { entries, validateOnly }) => {
  const { quotaAdmin, quotaTable } = services;
  const twice = duplicates(entries.map(({ entity }) => textOf(entity)));
  const answers = await Promise.all(
    entries.map(async ({ entity: parts, ops }) => {
      try {
        const entity = entityOf(parts);
        if (twice.has(textOf(parts))) {
          throw new ProtocolError(ErrorCode.INVALID_REQUEST, "The entity is given twice.");
        }
        // What cannot be is refused before anything is written.
        changeLimits(quotaTable.object(entity)?.spec.limits ?? {}, entity, ops);
        if (!validateOnly) {
          await quotaAdmin.alter(entity, (limits) => changeLimits(limits, entity, ops));
        }
        return { errorCode: ErrorCode.NONE, errorMessage: null, entity: parts };
      } catch (error) {
        return { errorCode: codeOf(error), errorMessage: messageOf(error), entity: parts };
      }
    }),
  );
  return { entries: answers };
};

/** One text for an entity, in whatever order its parts come. */
function textOf(parts: readonly EntityPart[]): string {
  try {
    return entityKey(entityOf(parts));
  } catch {
    return JSON.stringify(parts);
  }
}
