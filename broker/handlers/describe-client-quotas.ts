import { ErrorCode } from "../protocol/error-codes.ts";
import type {
  DescribeClientQuotasRequest,
  describeClientQuotasResponse,
} from "../protocol/messages/describe-client-quotas.ts";
import type { InputOf } from "../protocol/schema.ts";
import { partsOf, valuesOf } from "../quotas/quota-entity.ts";
import { quotaFilter } from "../quotas/quota-filter.ts";
import { codeOf, messageOf } from "./common.ts";
import type { Handler } from "./handler.ts";

/** Quotas of the entities that a filter lets through (KIP-546). */
export const handleDescribeClientQuotas: Handler<
  DescribeClientQuotasRequest,
  InputOf<typeof describeClientQuotasResponse>
> = ({ services }, { components, strict }) => {
  try {
    const matches = quotaFilter(components, strict);
    const entries = [...services.quotaTable.entries()]
      .filter(({ entity }) => matches(entity))
      .map(({ entity, limits }) => ({ entity: partsOf(entity), values: valuesOf(limits) }));
    return { errorCode: ErrorCode.NONE, errorMessage: null, entries };
  } catch (error) {
    return { errorCode: codeOf(error), errorMessage: messageOf(error), entries: null };
  }
};
