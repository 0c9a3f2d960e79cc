import { createHash } from "node:crypto";
import type { BrokerId } from "./broker.ts";

const MAX_NAME = 200;

/**
 * Name of the Topic object of a Kafka topic: the same when it is a valid RFC 1123 subdomain, else a slug of it and a hash,
 * which keeps apart names that differ only in case or in characters that objects may not have.
 */
export function topicObjectName(kafkaName: string): string {
  const valid = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(kafkaName);
  if (valid && kafkaName.length <= MAX_NAME) return kafkaName;
  const slug = kafkaName
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 100)
    .replace(/-+$/, "");
  const hash = createHash("sha256").update(kafkaName).digest("hex").slice(0, 10);
  return slug === "" ? `topic-${hash}` : `${slug}-${hash}`;
}

/** Name of a topic's n-th PartitionSlice. */
export function sliceName(topicObject: string, index: number): string {
  return `${topicObject}-${String(index).padStart(3, "0")}`;
}

/** Name of a cluster's n-th LeadershipShard. */
export function shardName(cluster: string, index: number): string {
  return `${cluster}-leaders-${String(index).padStart(4, "0")}`;
}

export function brokerObjectName(cluster: string, id: BrokerId): string {
  return `${cluster}-${String(id)}`;
}

export function leaseName(cluster: string): string {
  return `${cluster}-controller`;
}

const MAX_LABEL = 63;

/** A label's value for a name of any length: the name itself, or its beginning and a hash. */
export function labelValue(name: string): string {
  if (name.length <= MAX_LABEL) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 10);
  return `${name.slice(0, MAX_LABEL - hash.length - 1)}-${hash}`;
}
