import { Consumer, Producer, stringDeserializers, stringSerializers } from "@platformatic/kafka";

const [command, bootstrap, topic, ...rest] = process.argv.slice(2);
const common = { clientId: "conformance", bootstrapBrokers: bootstrap.split(",") };

if (command === "produce") {
  const count = Number(rest[0]);
  const producer = new Producer({ ...common, serializers: stringSerializers, idempotent: true });
  for (let from = 0; from < count; from += 1000) {
    const messages = [];
    for (let i = from; i < Math.min(count, from + 1000); i++) {
      messages.push({ topic, key: `k${i % 997}`, value: `${i}:`.padEnd(1024, "x") });
    }
    await producer.send({ messages, acks: -1 });
  }
  await producer.close();
} else {
  const [groupId, wanted] = [rest[0], Number(rest[1])];
  const consumer = new Consumer({ ...common, groupId, deserializers: stringDeserializers });
  const stream = await consumer.consume({
    autocommit: false,
    topics: [topic],
    mode: "committed",
    fallbackMode: "earliest",
    maxWaitTime: 200,
  });
  const lines = [];
  const next = new Map();
  for await (const { partition, offset, key, value } of stream) {
    lines.push(`${partition} ${offset} ${key} ${value.split(":")[0]}`);
    next.set(partition, offset + 1n);
    if (lines.length >= wanted) break;
  }
  await consumer.commit({
    offsets: [...next].map(([partition, offset]) => ({
      topic,
      partition,
      offset,
      leaderEpoch: -1,
    })),
  });
  await consumer.close(true);
  process.stdout.write(lines.join("\n") + "\n");
}
