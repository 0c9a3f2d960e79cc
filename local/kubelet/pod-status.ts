import type { EpochMillis } from "../../lib/units.ts";
import { rfc3339 } from "../workloads.ts";
import type { Container, Pod, PodCondition, PodStatus } from "../workloads.ts";
import type { ContainerView } from "./container-lifecycle.ts";

/** All pods of this machine have the machine's own address, and differ by port. */
export const POD_IP = "127.0.0.1";

/** The status of a pod whose container is as `view` shows it (pure). Unchanged conditions keep their transition time. */
export function podStatusOf(
  pod: Pod,
  container: Container,
  view: ContainerView,
  wall: EpochMillis,
): PodStatus {
  const now = rfc3339(wall);
  const before = pod.status;
  const condition = (type: string, holds: boolean, reason?: string): PodCondition => {
    const status = holds ? "True" : "False";
    const known = before?.conditions?.find((each) => each.type === type);
    return {
      type,
      status,
      lastTransitionTime: known?.status === status ? known.lastTransitionTime : now,
      ...(holds || reason === undefined ? {} : { reason }),
    };
  };
  const ran = view.state.waiting === undefined || view.restartCount > 0;
  const notReady = "ContainersNotReady";
  return {
    phase: ran ? "Running" : "Pending",
    conditions: [
      condition("PodScheduled", true),
      condition("Initialized", true),
      condition("ContainersReady", view.ready, notReady),
      condition("Ready", view.ready, notReady),
    ],
    hostIP: POD_IP,
    podIP: POD_IP,
    podIPs: [{ ip: POD_IP }],
    startTime: before?.startTime ?? now,
    containerStatuses: [
      {
        name: container.name,
        ready: view.ready,
        started: view.started,
        restartCount: view.restartCount,
        state: view.state,
        lastState: view.lastState,
        image: container.image ?? "",
        imageID: "",
        ...(pod.metadata.uid === undefined
          ? {}
          : { containerID: `process://${pod.metadata.uid}/${String(view.restartCount)}` }),
      },
    ],
  };
}
