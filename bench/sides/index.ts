import { forebaySide } from "./forebay-side.ts";
import { peerSide } from "./peer-side.ts";
import type { Side, SideName } from "./side.ts";

export type { DelayBuckets, Side, SideName } from "./side.ts";

export function makeSide(name: SideName, nodes: number, folder: string): Side {
  return name === "forebay" ? forebaySide(nodes, folder) : peerSide(name, nodes, folder);
}
