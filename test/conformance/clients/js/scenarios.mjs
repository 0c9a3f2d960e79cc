// The scenarios of ../README.md over a driver: what one client library can do, in the shape that both libraries here are
// given by their own file. Prints a line of JSON for each scenario.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";

const LIMIT_MS = 60_000;
const TOPIC_ALREADY_EXISTS = 36;
const UNKNOWN_TOPIC_OR_PARTITION = 3;
const MESSAGE_TOO_LARGE = 10;
const INVALID_CONFIG = 40;
const INVALID_RECORD = 87;

const numbered = (count, more = {}) =>
  Array.from({ length: count }, (_, i) => ({ key: `k${i % 7}`, value: `${i}`, ...more }));

const values = (records) => records.map(({ value }) => value.toString()).sort();

/**
 * Polls one member until it has given `count` records. A member that has to join again starts from what was committed,
 * and may give what it gave before: that does not count.
 */
async function take(member, count) {
  const records = new Map();
  while (records.size < count) {
    for (const record of await member.poll(500)) {
      const position = `${record.partition} ${record.offset}`;
      if (!records.has(position)) records.set(position, record);
    }
  }
  return [...records.values()];
}

/** The promise is refused with this code of the protocol. */
async function refused(driver, code, call) {
  let error;
  try {
    await call();
  } catch (thrown) {
    error = thrown;
  }
  assert(error !== undefined, `was not refused with ${code}`);
  assert.equal(driver.codeOf(error), code, String(error));
}

/**
 * Looks again until it is so: one broker hears of a change later than another, and may know nothing of a new topic. The
 * scenario's own limit ends it.
 */
async function until(look) {
  while (!(await look().catch(() => false)))
    await new Promise((resolve) => setTimeout(resolve, 100));
}

async function roundTrip(driver, topic, codec) {
  await driver.createTopic(topic, 1);
  const records = Array.from({ length: 100 }, (_, i) => ({
    key: `k${i}`,
    value: `${i}:`.padEnd(1000, "compressible "),
  }));
  await driver.produce(topic, records, { codec });
  const read = await driver.readAll(topic, 100);
  assert.deepEqual(values(read), values(records));
}

/** Name → what is done, given the driver and a name of its own. */
const scenarios = {
  connect: async (driver) => assert((await driver.brokers()) >= 1),

  "create-topic": async (driver, name) => {
    await driver.createTopic(name, 4);
    await until(async () => (await driver.partitions(name)) === 4);
    await refused(driver, TOPIC_ALREADY_EXISTS, () => driver.createTopic(name, 4));
  },

  "produce-none": (driver, name) => roundTrip(driver, name, "none"),
  "produce-gzip": (driver, name) => roundTrip(driver, name, "gzip"),
  "produce-snappy": (driver, name) => roundTrip(driver, name, "snappy"),
  "produce-lz4": (driver, name) => roundTrip(driver, name, "lz4"),
  "produce-zstd": (driver, name) => roundTrip(driver, name, "zstd"),

  "consume-group": async (driver, name) => {
    await driver.createTopic(name, 4);
    await driver.produce(name, numbered(200));
    const member = await driver.join(name, name);
    assert.deepEqual(values(await take(member, 200)), values(numbered(200)));
    await member.leave();
  },

  "commit-resume": async (driver, name) => {
    await driver.createTopic(name, 2);
    await driver.produce(name, numbered(100));
    const first = await driver.join(name, name);
    const before = (await take(first, 40)).slice(0, 40);
    await first.commit(before);
    await first.leave();
    const second = await driver.join(name, name);
    const after = await take(second, 60);
    await second.commit(after);
    await second.leave();
    assert.deepEqual(values([...before, ...after]), values(numbered(100)));
    assert.equal(await driver.committed(name, name), 100);
  },

  rebalance: async (driver, name) => {
    await driver.createTopic(name, 4);
    const members = [await driver.join(name, name)];
    const settled = (count) =>
      until(async () => {
        await Promise.all(members.map((member) => member.poll(200)));
        const all = members.flatMap((member) => member.assignment()).sort();
        const even = members.every((member) => member.assignment().length === count);
        return even && all.join() === "0,1,2,3";
      });
    await settled(4);
    members.push(await driver.join(name, name));
    await settled(2);
    await members.shift().leave();
    await settled(4);
    await members.shift().leave();
  },

  "offsets-by-timestamp": async (driver, name) => {
    await driver.createTopic(name, 1);
    const start = Date.now() - 100_000;
    for (let i = 0; i < 10; i++) {
      await driver.produce(name, numbered(1, { timestamp: start + i * 1000 }));
    }
    assert.equal(await driver.offsetAt(name, start + 4500), 5);
    assert.equal(await driver.offsetAt(name, start + 5000), 5);
    assert.equal(await driver.offsetAt(name, "earliest"), 0);
    assert.equal(await driver.offsetAt(name, "latest"), 10);
    assert.equal(await driver.offsetAt(name, start + 60_000), driver.noOffset ?? -1);
  },

  idempotence: async (driver, name) => {
    await driver.createTopic(name, 1);
    await driver.produce(name, numbered(500), { idempotent: true });
    const read = await driver.readAll(name, 500);
    assert.deepEqual(
      read.map(({ value }) => value.toString()),
      numbered(500).map(({ value }) => value),
    );
  },

  admin: async (driver, name) => {
    await driver.createTopic(name, 2);
    await until(async () => (await driver.topics()).includes(name));
    await driver.addPartitions(name, 4);
    await until(async () => (await driver.partitions(name)) === 4);
    await driver.produce(name, numbered(10));
    const member = await driver.join(name, name);
    await take(member, 10);
    assert.deepEqual(await driver.describeGroup(name), { state: "Stable", members: 1 });
    await member.leave();
    assert((await driver.groups()).includes(name));
    await driver.deleteGroup(name);
    assert(!(await driver.groups()).includes(name));
    await driver.deleteTopic(name);
    await until(async () => !(await driver.topics()).includes(name));
  },

  configs: async (driver, name) => {
    await driver.createTopic(name, 1);
    await until(async () => (await driver.config(name, "retention.ms")) === "604800000");
    await driver.setConfig(name, "retention.ms", "3600000");
    await until(async () => (await driver.config(name, "retention.ms")) === "3600000");
    await refused(driver, INVALID_CONFIG, () => driver.setConfig(name, "retention.ms", "soon"));
  },

  "delete-records": async (driver, name) => {
    await driver.createTopic(name, 1);
    await driver.produce(name, numbered(10));
    await driver.deleteRecords(name, 5);
    assert.equal(await driver.offsetAt(name, "earliest"), 5);
    assert.deepEqual(values(await driver.readAll(name, 5)), ["5", "6", "7", "8", "9"]);
  },

  "record-900kb": async (driver, name) => {
    await driver.createTopic(name, 1);
    const value = randomBytes(900_000);
    await driver.produce(name, [{ key: "k", value }]);
    assert(value.equals((await driver.readAll(name, 1))[0].value));
  },

  "oversize-refused": async (driver, name) => {
    await driver.createTopic(name, 1);
    const value = randomBytes(1_200_000);
    await refused(driver, MESSAGE_TOO_LARGE, () => driver.produce(name, [{ key: "k", value }]));
    await driver.produce(name, numbered(1));
    assert.equal((await driver.readAll(name, 1)).length, 1);
  },

  "unknown-topic": async (driver, name) => {
    await refused(driver, UNKNOWN_TOPIC_OR_PARTITION, () => driver.produce(name, numbered(1)));
    await refused(driver, UNKNOWN_TOPIC_OR_PARTITION, () => driver.deleteTopic(name));
  },

  "compacted-topic": async (driver, name) => {
    await driver.createTopic(name, 1, {
      "cleanup.policy": "compact",
      "segment.ms": "1000",
      "min.cleanable.dirty.ratio": "0.01",
    });
    await refused(driver, INVALID_RECORD, () => driver.produce(name, [{ value: "no key" }]));
    const version = (i) => ["a", "b", "c"].map((key) => ({ key, value: `${i}` }));
    for (let i = 0; i < 10; i++) await driver.produce(name, version(i));
    // The next append after segment.ms closes the segment, and only closed ones are compacted.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await driver.produce(name, [{ key: "last", value: "x" }]);
    await until(async () => {
      const read = await driver.readUntil(name, "last");
      const found = read.map(({ key, value }) => `${key}=${value}`);
      return found.join() === "a=9,b=9,c=9,last=x";
    });
  },
};

/** Runs them all or those that are named, one after the other, and ends the process. */
export async function main(open) {
  const [bootstrap, prefix, only] = process.argv.slice(2);
  const driver = await open(bootstrap.split(","));
  for (const [scenario, run] of Object.entries(scenarios)) {
    if (only && !only.split(",").includes(scenario)) continue;
    const reason = driver.notInApi?.[scenario];
    const line =
      reason === undefined
        ? await attempt(driver, run, `${prefix}-${scenario}`)
        : { result: "n/a", reason };
    process.stdout.write(`${JSON.stringify({ scenario, ...line })}\n`);
  }
  process.exit(0);
}

async function attempt(driver, run, name) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${LIMIT_MS} ms`)), LIMIT_MS);
  });
  try {
    await Promise.race([run(driver, name), late]);
    return { result: "ok" };
  } catch (error) {
    return { result: "fail", reason: String(error?.stack ?? error).slice(0, 1000) };
  } finally {
    clearTimeout(timer);
  }
}
