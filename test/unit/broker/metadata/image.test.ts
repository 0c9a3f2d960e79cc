import assert from "node:assert/strict";
import { MetadataImage } from "../../../../broker/metadata/image.ts";
import { API_VERSION } from "../../../../cluster/resources.ts";
import type { PartitionSlice } from "../../../../cluster/partition-slice.ts";
import type { Topic } from "../../../../cluster/topic.ts";

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

  it("counts topics that come, go, or are others of the same name, and nothing else", () => {
    const image = new MetadataImage();
    const versions = [image.topicsVersion];
    const note = (act: () => void): void => {
      act();
      versions.push(image.topicsVersion);
    };
    note(() => {
      image.absorbSlice(slice("a"));
      image.absorbTopic(topic("a", 1));
    });
    note(() => {
      image.absorbTopic(topic("a", 2));
    });
    note(() => {
      image.removeTopic("a");
    });
    note(() => {
      image.absorbSlice(slice("b"));
      image.absorbTopic(topic("b", 1));
    });
    assert.deepEqual(versions, [0, 1, 1, 2, 3]);
  });
});
