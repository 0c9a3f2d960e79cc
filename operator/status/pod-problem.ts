import type { PodObject } from "../resources/workloads.ts";

/** States that a pod passes through while nothing is wrong. */
const NORMAL = ["ContainerCreating", "PodInitializing"];

/** Why a pod does not start, as far as its status tells; undefined when it does, or when nothing is known (pure). */
export function podProblem({ metadata, status }: PodObject): string | undefined {
  const scheduled = status?.conditions?.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status === "False") return text(metadata.name, scheduled);
  for (const { ready, state, lastState } of status?.containerStatuses ?? []) {
    const waiting = state?.waiting;
    if (waiting !== undefined && !NORMAL.includes(waiting.reason ?? "")) {
      return text(metadata.name, waiting);
    }
    const ended = state?.terminated ?? lastState?.terminated;
    if (!ready && ended !== undefined && ended.exitCode !== 0) {
      return text(metadata.name, { reason: ended.reason, message: ended.message });
    }
  }
  return undefined;
}

function text(
  name: string,
  {
    reason,
    message,
  }: { readonly reason?: string | undefined; readonly message?: string | undefined },
): string {
  return [name, reason, message?.trim().slice(0, 300)].filter(Boolean).join(": ");
}
