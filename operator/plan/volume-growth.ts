import { parseQuantity } from "../../cluster/quantity.ts";
import type { VolumeClaim } from "../resources/workloads.ts";

/** What is to be done about the size of the brokers' volumes. */
export interface VolumeGrowth {
  /** Claims that ask for less than is wanted, by name. */
  readonly grow: readonly { readonly name: string; readonly uid: string; readonly from: string }[];
  /** Claims that ask for it and have not got it yet. */
  readonly growing: readonly string[];
  /** A claim that is larger already: volumes cannot shrink. */
  readonly larger?: { readonly name: string; readonly size: string };
}

/**
 * Claims and the size they are to have → what to do (pure). The templates of a StatefulSet's claims cannot be changed,
 * so that each claim is grown by itself, that of a broker that comes later too.
 */
export function planVolumeGrowth(claims: readonly VolumeClaim[], size: string): VolumeGrowth {
  const wanted = parseQuantity(size) ?? 0;
  const grow: { name: string; uid: string; from: string }[] = [];
  const growing: string[] = [];
  let larger: VolumeGrowth["larger"];
  for (const { metadata, spec, status } of claims) {
    if (metadata.deletionTimestamp !== undefined) continue;
    const asked = spec.resources?.requests?.storage ?? "0";
    const bytes = parseQuantity(asked) ?? 0;
    const capacity = status?.capacity?.storage;
    if (bytes < wanted) grow.push({ name: metadata.name, uid: metadata.uid ?? "", from: asked });
    else if (bytes > wanted) larger ??= { name: metadata.name, size: asked };
    else if (capacity !== undefined && (parseQuantity(capacity) ?? 0) < wanted) {
      growing.push(metadata.name);
    }
  }
  return { grow, growing, ...(larger === undefined ? {} : { larger }) };
}
