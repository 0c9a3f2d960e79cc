import type { KubeApi } from "../kube/api.ts";

/** A write that was not sent since this process does not lead. */
export class NotLeadingError extends Error {
  override readonly name = "NotLeadingError";
}

/** The API with no write once `leading` is false: what was decided before a freeze is not carried out after it. */
export function leaderOnlyApi(kube: KubeApi, leading: () => boolean): KubeApi {
  const guarded = <Result>(call: () => Promise<Result>): Promise<Result> =>
    leading() ? call() : Promise.reject(new NotLeadingError("the lease is not held"));
  return {
    get: (...args) => kube.get(...args),
    list: (...args) => kube.list(...args),
    watch: (...args) => kube.watch(...args),
    create: (...args) => guarded(() => kube.create(...args)),
    replace: (...args) => guarded(() => kube.replace(...args)),
    jsonPatch: (...args) => guarded(() => kube.jsonPatch(...args)),
    apply: (...args) => guarded(() => kube.apply(...args)),
    delete: (...args) => guarded(() => kube.delete(...args)),
  };
}
