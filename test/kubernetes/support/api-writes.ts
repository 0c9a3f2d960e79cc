import type { TestKubernetes } from "./cluster.ts";

/** Writes of our own kinds that the API server answered since its start, refused ones too, by kind in the plural. */
export type ApiWrites = ReadonlyMap<string, number>;

const WRITES = new Set(["APPLY", "DELETE", "PATCH", "POST", "PUT"]);

export async function apiWrites({ kubectl }: TestKubernetes): Promise<ApiWrites> {
  return parseApiWrites(await kubectl("get", "--raw", "/metrics"));
}

/** From the API server's metrics, where each line has one kind of request and how many there were. */
export function parseApiWrites(metrics: string): ApiWrites {
  const writes = new Map<string, number>();
  for (const [, labels = "", count = ""] of metrics.matchAll(
    /^apiserver_request_total\{([^}]*)\} (\S+)$/gm,
  )) {
    const label = (name: string): string =>
      new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1] ?? "";
    if (label("group") !== "forebay.dev" || !WRITES.has(label("verb"))) continue;
    const kind = label("resource");
    writes.set(kind, (writes.get(kind) ?? 0) + Number(count));
  }
  return writes;
}

export function writesBetween(before: ApiWrites, after: ApiWrites): ApiWrites {
  return new Map([...after].map(([kind, count]) => [kind, count - (before.get(kind) ?? 0)]));
}

/** Everything that an operator or a broker could write in a namespace, by its version; not Leases, nor Events. */
export function versionsOf({ kubectl }: TestKubernetes, namespace: string): Promise<string> {
  const kinds = "sts,pod,pvc,svc,cm,sa,role,rolebinding,pdb,netpol,bc,ftopic,pslice,lshard,fbroker";
  const columns = "custom-columns=K:.kind,N:.metadata.name,V:.metadata.resourceVersion";
  return kubectl("-n", namespace, "get", kinds, "-o", columns);
}
