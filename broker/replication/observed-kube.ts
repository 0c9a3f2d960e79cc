import type { KubeApi } from "../../kube/api.ts";
import { KubeError } from "../../kube/errors.ts";
import type { Scheduler } from "../../lib/clock.ts";
import type { Contact } from "./contact.ts";

/**
 * The Kubernetes API, each answer of which also counts as contact (docs/invariants.md R7), dated from when the request
 * was sent: the answer may have been long on its way.
 */
export function observedKube(kube: KubeApi, scheduler: Scheduler, contact: Contact): KubeApi {
  const observe = async <T>(call: Promise<T>, sentAt: number): Promise<T> => {
    try {
      const answer = await call;
      contact.heard(sentAt);
      return answer;
    } catch (error) {
      // A refusal is an answer too, unless the server itself was in trouble.
      if (error instanceof KubeError && error.code < 500 && error.code !== 429)
        contact.heard(sentAt);
      throw error;
    }
  };
  return {
    get: (...call) => observe(kube.get(...call), scheduler.now()),
    list: (...call) => observe(kube.list(...call), scheduler.now()),
    create: (...call) => observe(kube.create(...call), scheduler.now()),
    replace: (...call) => observe(kube.replace(...call), scheduler.now()),
    jsonPatch: (...call) => observe(kube.jsonPatch(...call), scheduler.now()),
    apply: (...call) => observe(kube.apply(...call), scheduler.now()),
    delete: (...call) => observe(kube.delete(...call), scheduler.now()),
    watch: (...call) => kube.watch(...call),
  };
}
