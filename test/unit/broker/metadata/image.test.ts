import assert from "node:assert/strict";
import { MetadataImage } from "../../../../broker/metadata/image.ts";
import { API_VERSION } from "../../../../cluster/resources.ts";
import type { PartitionSlice } from "../../../../cluster/partition-slice.ts";
import type { Topic } from "../../../../cluster/topic.ts";
import { shardOf } from "../../../support/recorded-slices.ts";

function topic(uid: string, generation: number, config: Record<string, string> = {}): Topic {
  return {
    apiVersion: API_VERSION,
    kind: "Topic",
    metadata: { name: "orders", uid, generation },
    spec: { cluster: "c", partitions: 1, config },
  };
}

function slice(topicId: string): PartitionSlice {
  return {
    apiVersion: API_VERSION,
    kind: "PartitionSlice",
    metadata: { name: "orders-000", generation: 1 },
    spec: {
      cluster: "c",
      topic: "orders",
      topicId,
      shard: "c-leaders-0000",
      firstPartition: 0,
      partitions: [{ replicas: [0] }],
    },
  };
}

describe("the metadata image", () => {
  it("tells nobody of a topic whose status alone has changed, and everybody of another spec", () => {
    const image = new MetadataImage();
    image.absorbSlice(slice("a"));
    image.absorbTopic(topic("a", 1));
    let changes = 0;
    image.onChange(() => changes++);
    image.absorbTopic({ ...topic("a", 1), status: { partitions: 1 } });
    assert.equal(changes, 0);
    image.absorbTopic(topic("a", 2, { "retention.ms": "1" }));
    assert.equal(changes, 1);
    assert.equal(image.topics.get("orders")?.config.get("retention.ms"), "1");
  });

  it("tells of topics that are gone, or whose name another one has", () => {
    const image = new MetadataImage();
    const gone: string[] = [];
    const stop = image.onTopicGone((name, id) => gone.push(`${name} ${id}`));
    image.absorbSlice(slice("a"));
    image.absorbTopic(topic("a", 1));
    image.absorbTopic(topic("a", 2));
    assert.deepEqual(gone, []);
    image.removeTopic("a");
    assert.deepEqual(gone, ["orders a"]);
    image.absorbSlice(slice("b"));
    image.absorbTopic(topic("b", 1));
    // The old one's slice is heard to be gone only by the new one's.
    image.absorbSlice(slice("c"));
    image.absorbTopic(topic("c", 1));
    assert.deepEqual(gone, ["orders a", "orders b"]);
    stop();
    image.removeTopic("c");
    assert.equal(gone.length, 2);
  });

  it("keeps what a topic is configured with the same while it says the same", () => {
    const image = new MetadataImage();
    image.absorbTopic(topic("a", 1, { "retention.ms": "1" }));
    image.absorbSlice(slice("a"));
    const first = image.topics.get("orders")?.config;
    image.absorbShard(shardOf("c", {}));
    assert.equal(image.topics.get("orders")?.config, first);
    image.absorbTopic(topic("a", 2, { "retention.ms": "2" }));
    assert.equal(image.topics.get("orders")?.config.get("retention.ms"), "2");
  });
});
