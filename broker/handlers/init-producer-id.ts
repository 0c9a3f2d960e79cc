import { orErrorCode } from "../coordinator/refused.ts";
import { ErrorCode } from "../protocol/error-codes.ts";
import type {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from "../protocol/messages/init-producer-id.ts";
import type { Handler } from "./handler.ts";

/** The last epoch is kept free, as Kafka does: a producer that reaches it gets a new id. */
const MAX_EPOCH = 32767 - 1;

/**
 * InitProducerId 0 to 5 for idempotent producers. One that names its id and epoch (3 and later, KIP-360) gets the next
 * epoch, which fences its own stragglers. Transactions are not served: a transactional id is refused with
 * UNSUPPORTED_VERSION, which no client retries.
 */
export const handleInitProducerId: Handler<InitProducerIdRequest, InitProducerIdResponse> = async (
  context,
  request,
  version,
) => {
  const answer = (
    errorCode: number,
    producerId = -1,
    producerEpoch = -1,
  ): InitProducerIdResponse => ({
    throttleTimeMs: 0,
    errorCode,
    producerId,
    producerEpoch,
    ongoingTxnProducerId: -1,
    ongoingTxnProducerEpoch: -1,
  });
  if (request.transactionalId !== null) return answer(ErrorCode.UNSUPPORTED_VERSION);
  const { producerId, producerEpoch } =
    version >= 3 ? request : { producerId: -1, producerEpoch: -1 };
  if (producerId < -1 || producerEpoch < -1 || (producerId === -1) !== (producerEpoch === -1)) {
    return answer(ErrorCode.INVALID_REQUEST);
  }
  if (producerId !== -1 && producerEpoch < MAX_EPOCH)
    return answer(ErrorCode.NONE, producerId, producerEpoch + 1);
  const next = await orErrorCode(context.services.groups.producerIds.next());
  return next.ok ? answer(ErrorCode.NONE, next.value, 0) : answer(next.errorCode);
};
