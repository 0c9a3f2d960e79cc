import { Buffer } from "node:buffer";
import { Admin, Consumer, ListOffsetTimestamps, Producer } from "@platformatic/kafka";
import { main } from "./scenarios.mjs";

const TOPIC_RESOURCE = 2;
const SET = 0;

const text = { deserializers: { key: (bytes) => bytes?.toString() } };

/** A member of a group; what its stream gives waits until it is polled. */
class Member {
  #consumer;
  #topic;
  #waiting = [];
  #stream;

  constructor(consumer, topic) {
    this.#consumer = consumer;
    this.#topic = topic;
  }

  async start() {
    this.#stream = await this.#consumer.consume({
      autocommit: false,
      topics: [this.#topic],
      mode: "committed",
      fallbackMode: "earliest",
      maxWaitTime: 200,
      maxBytes: 8_000_000,
    });
    this.#stream.on("data", ({ partition, offset, key, value }) => {
      this.#waiting.push({ partition, offset: Number(offset), key, value });
    });
    this.#stream.on("error", (error) => (this.error = error));
    return this;
  }

  async poll(ms) {
    if (this.error !== undefined) throw this.error;
    for (let waited = 0; waited < ms && this.#waiting.length === 0; waited += 20) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return this.#waiting.splice(0);
  }

  assignment() {
    const all = this.#consumer.assignments ?? [];
    return all.flatMap(({ topic, partitions }) => (topic === this.#topic ? partitions : []));
  }

  async commit(records) {
    const next = new Map(records.map(({ partition, offset }) => [partition, offset + 1]));
    await this.#consumer.commit({
      offsets: [...next].map(([partition, offset]) => ({
        topic: this.#topic,
        partition,
        offset: BigInt(offset),
        leaderEpoch: -1,
      })),
    });
  }

  leave() {
    return this.#consumer.close(true);
  }
}

class Driver {
  constructor(bootstrapBrokers) {
    this.common = { clientId: "conformance", bootstrapBrokers, retries: 3 };
    this.admin = new Admin(this.common);
    this.readers = 0;
  }

  codeOf(error) {
    // What Metadata answers of a topic that is not there becomes an error of its own.
    if (/^Unknown topic /.test(error.message)) return 3;
    // The last attempt's; a record that was refused by itself has -1.
    return codes(error).findLast((code) => code > 0);
  }

  async brokers() {
    return (await this.admin.metadata({ topics: [] })).brokers.size;
  }

  async createTopic(topic, partitions, configs = {}) {
    await this.admin.createTopics({
      topics: [topic],
      partitions,
      replicas: -1,
      configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
    });
    // Its producer sends everything again when one partition has no leader yet: what went to the others is there twice.
    const latest = (partitionIndex) => ({ partitionIndex, timestamp: -1n });
    const asked = [
      { name: topic, partitions: Array.from({ length: partitions }, (_, i) => latest(i)) },
    ];
    for (let tries = 0; tries < 50; tries++) {
      const ready = await this.admin.listOffsets({ topics: asked }).catch(() => undefined);
      if (ready !== undefined) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async partitions(topic) {
    const metadata = await this.admin.metadata({ topics: [topic], forceUpdate: true });
    return metadata.topics.get(topic).partitionsCount;
  }

  async produce(topic, messages, { codec = "none", idempotent = false } = {}) {
    const producer = new Producer({ ...this.common, idempotent, compression: codec, retries: 1 });
    try {
      await producer.send({
        acks: -1,
        messages: messages.map(({ key, value, timestamp }) => ({
          topic,
          ...(key === undefined ? {} : { key: Buffer.from(key) }),
          value: Buffer.from(value),
          ...(timestamp === undefined ? {} : { timestamp: BigInt(timestamp) }),
        })),
      });
    } finally {
      await producer.close();
    }
  }

  join(groupId, topic) {
    const consumer = new Consumer({
      ...this.common,
      ...text,
      groupId,
      sessionTimeout: 10_000,
      heartbeatInterval: 500,
    });
    return new Member(consumer, topic).start();
  }

  /** The library's streams are those of groups. */
  async #read(topic, enough) {
    const member = await this.join(`${topic}-reader-${this.readers++}`, topic);
    const records = [];
    while (!enough(records)) records.push(...(await member.poll(500)));
    await member.leave();
    return records;
  }

  readAll(topic, count) {
    return this.#read(topic, (records) => records.length >= count);
  }

  readUntil(topic, key) {
    return this.#read(topic, (records) => records.at(-1)?.key === key);
  }

  async committed(groupId) {
    const [{ topics }] = await this.admin.listConsumerGroupOffsets({ groups: [groupId] });
    return topics[0].partitions.reduce((sum, one) => sum + Number(one.committedOffset), 0);
  }

  async offsetAt(name, time) {
    const special = {
      earliest: ListOffsetTimestamps.EARLIEST,
      latest: ListOffsetTimestamps.LATEST,
    };
    const timestamp = BigInt(special[time] ?? time);
    const [topic] = await this.admin.listOffsets({
      topics: [{ name, partitions: [{ partitionIndex: 0, timestamp }] }],
    });
    return Number(topic.partitions[0].offset);
  }

  topics() {
    return this.admin.listTopics();
  }

  addPartitions(name, count) {
    return this.admin.createPartitions({ topics: [{ name, count, assignments: null }] });
  }

  async groups() {
    return [...(await this.admin.listGroups()).keys()];
  }

  async describeGroup(groupId) {
    const group = (await this.admin.describeGroups({ groups: [groupId] })).get(groupId);
    const state = group.state[0] + group.state.slice(1).toLowerCase();
    return { state, members: group.members.size };
  }

  deleteGroup(groupId) {
    return this.admin.deleteGroups({ groups: [groupId] });
  }

  deleteTopic(topic) {
    return this.admin.deleteTopics({ topics: [topic] });
  }

  async config(resourceName, name) {
    const [{ configs }] = await this.admin.describeConfigs({
      resources: [{ resourceType: TOPIC_RESOURCE, resourceName, configurationKeys: [name] }],
    });
    return configs[0].value;
  }

  setConfig(resourceName, name, value) {
    return this.admin.incrementalAlterConfigs({
      resources: [
        {
          resourceType: TOPIC_RESOURCE,
          resourceName,
          configs: [{ name, value, configOperation: SET }],
        },
      ],
    });
  }

  deleteRecords(name, offset) {
    return this.admin.deleteRecords({
      topics: [{ name, partitions: [{ partition: 0, offset: BigInt(offset) }] }],
    });
  }
}

/** The protocol's codes of an error and of what caused it. */
function codes(error) {
  const causes = [...(error.errors ?? []), ...(error.cause === undefined ? [] : [error.cause])];
  return [error.apiCode, ...causes.flatMap(codes)].filter((code) => code !== undefined);
}

await main((brokers) => new Driver(brokers));
