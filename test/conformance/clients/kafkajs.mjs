import { Kafka, logLevel } from "kafkajs";

const [command, bootstrap, topic, ...rest] = process.argv.slice(2);
const kafka = new Kafka({
  clientId: "conformance",
  brokers: bootstrap.split(","),
  logLevel: logLevel.ERROR,
});

if (command === "produce") {
  const count = Number(rest[0]);
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  for (let from = 0; from < count; from += 1000) {
    const messages = [];
    for (let i = from; i < Math.min(count, from + 1000); i++) {
      messages.push({ key: `k${i % 997}`, value: `${i}:`.padEnd(1024, "x") });
    }
    await producer.send({ topic, acks: -1, messages });
  }
  await producer.disconnect();
} else {
  const [groupId, wanted] = [rest[0], Number(rest[1])];
  const consumer = kafka.consumer({ groupId, sessionTimeout: 10000 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const lines = [];
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
    consumer
      .run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: async ({ batch, resolveOffset, commitOffsetsIfNecessary }) => {
          let last;
          for (const { offset, key, value } of batch.messages) {
            if (lines.length >= wanted) break;
            lines.push(`${batch.partition} ${offset} ${key} ${value.toString().split(":")[0]}`);
            resolveOffset(offset);
            last = offset;
          }
          if (last !== undefined) {
            const partitions = [{ partition: batch.partition, offset: String(BigInt(last) + 1n) }];
            await commitOffsetsIfNecessary({ topics: [{ topic, partitions }] });
          }
          if (lines.length >= wanted) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  process.stdout.write(lines.join("\n") + "\n");
}
