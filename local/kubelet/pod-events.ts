import type { KubeApi, Resource } from "../../kube/api.ts";
import type { KubeObject } from "../../kube/objects.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Random } from "../../lib/random.ts";
import { rfc3339, type Pod } from "../workloads.ts";

interface EventObject extends KubeObject {
  readonly involvedObject: unknown;
  readonly reason: string;
  readonly message: string;
  readonly type: "Normal" | "Warning";
  readonly count: number;
  readonly firstTimestamp: string;
  readonly lastTimestamp: string;
  readonly source: { readonly component: string };
}

const events: Resource<EventObject> = {
  group: "",
  version: "v1",
  plural: "events",
  kind: "Event",
};

/** Tells people what happened to a pod (Kubernetes concept Event, core/v1). */
export async function writePodEvent(
  { api, scheduler, random }: { api: KubeApi; scheduler: Scheduler; random: Random },
  pod: Pod,
  event: {
    readonly type: "Normal" | "Warning";
    readonly reason: string;
    readonly message: string;
  },
): Promise<void> {
  const { name, namespace = "default", uid, resourceVersion } = pod.metadata;
  const now = rfc3339(scheduler.wallNow());
  const suffix = Buffer.from(random.uuid()).toString("hex").slice(0, 16);
  await api.create(events, namespace, {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: `${name}.${suffix}`, namespace },
    involvedObject: { apiVersion: "v1", kind: "Pod", name, namespace, uid, resourceVersion },
    reason: event.reason,
    message: event.message,
    type: event.type,
    count: 1,
    firstTimestamp: now,
    lastTimestamp: now,
    source: { component: "kubelet" },
  });
}
