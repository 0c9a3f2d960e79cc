import kafkajs from "kafkajs";
import { codecs } from "./kafkajs-codecs.mjs";
import { main } from "./scenarios.mjs";

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = kafkajs;
const types = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};
for (const [name, codec] of Object.entries(codecs)) CompressionCodecs[types[name]] = () => codec;

/** A member of a group; what the library pushes waits until it is polled. */
class Member {
  #consumer;
  #topic;
  #waiting = [];
  #assigned = [];

  constructor(consumer, topic) {
    this.#consumer = consumer;
    this.#topic = topic;
  }

  async start() {
    const { GROUP_JOIN, REBALANCING } = this.#consumer.events;
    this.#consumer.on(GROUP_JOIN, ({ payload }) => {
      this.#assigned = payload.memberAssignment[this.#topic] ?? [];
    });
    this.#consumer.on(REBALANCING, () => (this.#assigned = []));
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topic: this.#topic, fromBeginning: true });
    await this.#consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message: { offset, key, value } }) => {
        this.#waiting.push({ partition, offset: Number(offset), key: key?.toString(), value });
      },
    });
    return this;
  }

  async poll(ms) {
    for (let waited = 0; waited < ms && this.#waiting.length === 0; waited += 20) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return this.#waiting.splice(0);
  }

  assignment() {
    return this.#assigned;
  }

  async commit(records) {
    const next = new Map(records.map(({ partition, offset }) => [partition, offset + 1]));
    await this.#consumer.commitOffsets(
      [...next].map(([partition, offset]) => ({
        topic: this.#topic,
        partition,
        offset: String(offset),
      })),
    );
  }

  leave() {
    return this.#consumer.disconnect();
  }
}

class Driver {
  // Asked for a time after the last record it answers the high watermark in place of none.
  noOffset = 10;

  constructor(brokers) {
    this.kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING, retry: { retries: 5 } });
    this.admin = this.kafka.admin();
    this.readers = 0;
  }

  codeOf(error) {
    return (error.errors?.[0] ?? error.cause ?? error).code ?? error.cause?.cause?.code;
  }

  async brokers() {
    return (await this.admin.describeCluster()).brokers.length;
  }

  async createTopic(topic, numPartitions, configs = {}) {
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
    const made = await this.admin.createTopics({
      waitForLeaders: true,
      topics: [{ topic, numPartitions, replicationFactor: -1, configEntries }],
    });
    // It swallows this one refusal.
    if (!made) throw Object.assign(new Error("exists"), { code: 36 });
  }

  async partitions(topic) {
    const { topics } = await this.admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0].partitions.length;
  }

  async produce(topic, messages, { codec = "none", idempotent = false } = {}) {
    const producer = this.kafka.producer({
      idempotent,
      allowAutoTopicCreation: false,
      ...(idempotent ? { maxInFlightRequests: 1 } : { retry: { retries: 2 } }),
    });
    await producer.connect();
    try {
      const whole = messages.map(({ timestamp, ...rest }) =>
        timestamp === undefined ? rest : { ...rest, timestamp: String(timestamp) },
      );
      await producer.send({ topic, acks: -1, compression: types[codec], messages: whole });
    } finally {
      await producer.disconnect();
    }
  }

  join(groupId, topic) {
    const consumer = this.kafka.consumer({
      groupId,
      maxWaitTimeInMs: 200,
      sessionTimeout: 10_000,
      heartbeatInterval: 500,
    });
    return new Member(consumer, topic).start();
  }

  /** The library reads in groups only. */
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

  async committed(groupId, topic) {
    const [{ partitions }] = await this.admin.fetchOffsets({ groupId, topics: [topic] });
    return partitions.reduce((sum, { offset }) => sum + Number(offset), 0);
  }

  async offsetAt(topic, time) {
    if (typeof time === "number") {
      return Number((await this.admin.fetchTopicOffsetsByTimestamp(topic, time))[0].offset);
    }
    const [{ low, high }] = await this.admin.fetchTopicOffsets(topic);
    return Number(time === "earliest" ? low : high);
  }

  topics() {
    return this.admin.listTopics();
  }

  addPartitions(topic, count) {
    return this.admin.createPartitions({ topicPartitions: [{ topic, count }] });
  }

  async groups() {
    return (await this.admin.listGroups()).groups.map(({ groupId }) => groupId);
  }

  async describeGroup(groupId) {
    const { groups } = await this.admin.describeGroups([groupId]);
    return { state: groups[0].state, members: groups[0].members.length };
  }

  deleteGroup(groupId) {
    return this.admin.deleteGroups([groupId]);
  }

  deleteTopic(topic) {
    return this.admin.deleteTopics({ topics: [topic] });
  }

  async config(name, configName) {
    const { resources } = await this.admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name, configNames: [configName] }],
    });
    return resources[0].configEntries[0].configValue;
  }

  setConfig(topic, name, value) {
    return this.admin.alterConfigs({
      validateOnly: false,
      resources: [
        { type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name, value }] },
      ],
    });
  }

  async deleteRecords(topic, offset) {
    // It looks up the leader among topics that it has seen before.
    await this.admin.fetchTopicOffsets(topic);
    const partitions = [{ partition: 0, offset: String(offset) }];
    await this.admin.deleteTopicRecords({ topic, partitions });
  }
}

await main(async (brokers) => {
  const driver = new Driver(brokers);
  await driver.admin.connect();
  return driver;
});
