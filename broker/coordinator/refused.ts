import { ProtocolError } from "../errors.ts";

/** The value, or the error code of a ProtocolError; any other error is a fault of ours and goes on. */
export async function orErrorCode<T>(
  promise: Promise<T>,
): Promise<
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly errorCode: number }
> {
  try {
    return { ok: true, value: await promise };
  } catch (error) {
    if (error instanceof ProtocolError) return { ok: false, errorCode: error.errorCode };
    throw error;
  }
}
