import assert from "node:assert/strict";
import type { PodObject } from "../../../operator/resources/workloads.ts";
import { eventually } from "../../support/local-cluster.ts";
import type { Operations } from "../../support/operations.ts";
import type { TestKubernetes } from "./cluster.ts";

const LIMIT_MS = 120_000;

/** How often its container was started again. */
export function restartsOf({ status }: PodObject): number {
  const [container] = status?.containerStatuses ?? [];
  return (container as { readonly restartCount?: number } | undefined)?.restartCount ?? 0;
}

export function nodeOf(pod: PodObject): string {
  return pod.spec?.nodeName ?? "";
}

/** A broker that is alone on its node, and not with the load. What shares a node is scheduled again. @param turn another one each time */
export async function lonelyBroker(
  { kubectl }: TestKubernetes,
  operations: Operations,
  namespace: string,
  turn = 0,
): Promise<PodObject> {
  const where = ["-o", "jsonpath={.spec.nodeName}"];
  const spared = await kubectl("-n", namespace, "get", "pod/load", ...where);
  const brokers = (await operations.pods()).length;
  for (let attempt = 0; attempt < brokers; attempt++) {
    const pods = await operations.podsReady();
    const shares = (pod: PodObject): boolean =>
      pods.some((one) => one !== pod && nodeOf(one) === nodeOf(pod));
    const crowded = pods.find(shares);
    if (crowded === undefined) {
      const found = pods.filter((pod) => nodeOf(pod) !== spared);
      const victim = found[turn % found.length];
      assert.ok(victim !== undefined);
      return victim;
    }
    await kubectl("-n", namespace, "delete", "pod", crowded.metadata.name);
    await startedAgain(operations, crowded);
    await operations.settled();
  }
  assert.fail("two brokers stay on one node");
}

/** Waits for another life of a pod. */
export async function startedAgain(operations: Operations, before: PodObject): Promise<void> {
  await eventually(
    async () => {
      const pods = await operations.podsReady();
      const pod = pods.find(({ metadata }) => metadata.name === before.metadata.name);
      if (pod === undefined) return undefined;
      return pod.metadata.uid !== before.metadata.uid || restartsOf(pod) > restartsOf(before)
        ? true
        : undefined;
    },
    "another life of the pod",
    LIMIT_MS,
  );
}
