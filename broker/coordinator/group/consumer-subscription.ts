import type { ClassicGroup } from "./classic-group.ts";
import { metadataFor } from "./group-member.ts";

/**
 * Topics that the members of a consumer group subscribe to, from their metadata (ConsumerProtocolSubscription: version
 * INT16, topics as an array of strings, then what is of no interest here). Undefined when a member's cannot be read.
 */
export function subscribedTopics(group: ClassicGroup): ReadonlySet<string> | undefined {
  const topics = new Set<string>();
  for (const member of group.members.values()) {
    const name = group.protocol ?? member.protocols[0]?.name ?? "";
    const parsed = parseSubscription(metadataFor(member, name));
    if (parsed === undefined) return undefined;
    for (const topic of parsed) topics.add(topic);
  }
  return topics;
}

/** The topics of one subscription, or undefined if it is not one. */
export function parseSubscription(bytes: Uint8Array): readonly string[] | undefined {
  if (bytes.length < 6) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getInt16(0) < 0) return undefined;
  const count = view.getInt32(2);
  const topics: string[] = [];
  let at = 6;
  for (let i = 0; i < count; i++) {
    if (at + 2 > bytes.length) return undefined;
    const length = view.getInt16(at);
    at += 2;
    if (length < 0 || at + length > bytes.length) return undefined;
    topics.push(new TextDecoder().decode(bytes.subarray(at, at + length)));
    at += length;
  }
  return topics;
}
