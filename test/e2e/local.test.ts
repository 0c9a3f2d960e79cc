import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { Kafka, logLevel } from "kafkajs";
import { brokerClusters, topics } from "../../cluster/resources.ts";
import {
  eventually,
  forebay,
  freePorts,
  lastLogLines,
  LocalCluster,
} from "../support/local-cluster.ts";

function client(bootstrap: string): Kafka {
  return new Kafka({ brokers: bootstrap.split(","), logLevel: logLevel.NOTHING });
}

async function produce(bootstrap: string, topic: string, values: readonly string[]): Promise<void> {
  const producer = client(bootstrap).producer();
  await producer.connect();
  await producer.send({ topic, acks: -1, messages: values.map((value) => ({ value })) });
  await producer.disconnect();
}

async function readAll(bootstrap: string, topic: string, count: number): Promise<string[]> {
  const consumer = client(bootstrap).consumer({
    groupId: `read-${topic}-${count}`,
    maxWaitTimeInMs: 100,
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const values: string[] = [];
  try {
    await consumer.run({
      eachMessage: ({ message }) => {
        values.push(message.value?.toString() ?? "");
        return Promise.resolve();
      },
    });
    return await eventually(
      () => Promise.resolve(values.length >= count ? values : undefined),
      `${count} records of ${topic}`,
    );
  } finally {
    await consumer.disconnect();
  }
}

describe("forebay local", () => {
  it("serves clients, and keeps records, topics and addresses over a stop and a start", async () => {
    const cluster = await LocalCluster.start(3);
    try {
      await produce(cluster.bootstrap, "kept", ["a", "b", "c"]);
      assert.deepEqual([...(await cluster.processes()).keys()], [0, 1, 2]);
      await cluster.down();
      assert.equal((await cluster.processes()).size, 0);
      await cluster.up();
      assert.deepEqual(await readAll(cluster.bootstrap, "kept", 3), ["a", "b", "c"]);
    } catch (error) {
      for (const line of lastLogLines(cluster)) console.log(line);
      throw error;
    } finally {
      await cluster.remove();
    }
  });

  it("works with one broker alike: topics and groups have one replica", async () => {
    const cluster = await LocalCluster.start(1);
    try {
      await produce(cluster.bootstrap, "alone", ["x"]);
      assert.deepEqual(await readAll(cluster.bootstrap, "alone", 1), ["x"]);
      const kube = await cluster.kube();
      const { items } = await kube.list(topics, "default");
      assert.deepEqual(
        items.map(({ spec }) => spec.replicas),
        items.map(() => 1),
      );
      kube.close();
    } catch (error) {
      for (const line of lastLogLines(cluster)) console.log(line);
      throw error;
    } finally {
      await cluster.remove();
    }
  });

  it("starts a broker again that was killed, and one whose pod was deleted", async () => {
    const cluster = await LocalCluster.start(3);
    try {
      const before = await cluster.processes();
      process.kill(before.get(1) ?? 0, "SIGKILL");
      const kube = await cluster.kube();
      await kube.delete(
        { group: "", version: "v1", plural: "pods", kind: "Pod" },
        "default",
        "local-2",
      );
      await eventually(async () => {
        const now = await cluster.processes();
        const replaced = [1, 2].every((id) => now.has(id) && now.get(id) !== before.get(id));
        return replaced ? now : undefined;
      }, "other processes");
      await eventually(async () => {
        const { status } = await kube.get(brokerClusters, "default", "local");
        return status?.readyBrokers === 3 ? status : undefined;
      }, "three ready brokers");
      assert.equal(
        (await cluster.processes()).get(0),
        before.get(0),
        "the other one was left alone",
      );
      kube.close();
    } finally {
      await cluster.remove();
    }
  });

  it("ends in order at Ctrl-C, and leaves no process", async () => {
    const directory = mkdtempSync(path.join(tmpdir(), "forebay-e2e-"));
    const port = await freePorts(1);
    try {
      const args = ["local", "--dir", directory, "--port", String(port), "--brokers", "1"];
      const result = await forebay(args, (child) => {
        child.stdout?.on("data", (chunk: Buffer) => {
          if (chunk.toString().includes("Forebay is ready")) child.kill("SIGINT");
        });
      });
      assert.equal(result.code, 0);
      assert.match(result.stdout, /stopping/);
      const { stdout } = await forebay(["local", "ps", "--dir", directory]);
      assert.equal(stdout, "");
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it("refuses a second instance on the same folder with one line", async () => {
    const cluster = await LocalCluster.start(1);
    try {
      for (const also of [[], ["--detach"]]) {
        const { code, stderr } = await forebay(["local", "--dir", cluster.directory, ...also]);
        assert.equal(code, 1);
        assert.match(stderr, /^forebay: .* is in use by process \d+\n$/);
      }
      assert.equal((await cluster.processes()).size, 1);
    } finally {
      await cluster.remove();
    }
  });

  it("refuses a port that is in use with one line", async () => {
    const directory = mkdtempSync(path.join(tmpdir(), "forebay-e2e-"));
    const port = await freePorts(3);
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(port + 2, "127.0.0.1", resolve));
    try {
      for (const also of [[], ["--detach"]]) {
        const args = ["local", "--dir", directory, "--port", String(port), ...also];
        const { code, stderr } = await forebay(args);
        assert.equal(code, 1);
        assert.equal(stderr, `forebay: port ${port + 2} is in use; choose others with --port\n`);
      }
    } finally {
      other.close();
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it("refuses a folder that cannot be written with one line", async () => {
    const parent = mkdtempSync(path.join(tmpdir(), "forebay-e2e-"));
    // A file where a folder should be cannot be written to by anybody, root included.
    const file = path.join(parent, "file");
    writeFileSync(file, "");
    chmodSync(file, 0o400);
    try {
      for (const also of [[], ["--detach"]]) {
        const { code, stderr } = await forebay(["local", "--dir", path.join(file, "x"), ...also]);
        assert.equal(code, 1);
        assert.match(stderr, /^forebay: cannot write to .*\n$/);
      }
    } finally {
      rmSync(parent, { recursive: true, force: true });
    }
  });

  it("says what it does not understand, and fits its help on a screen", async () => {
    for (const args of [["locl"], ["local", "--broker", "3"], ["local", "--brokers", "none"]]) {
      const { code, stderr } = await forebay(args);
      assert.equal(code, 2);
      assert.match(stderr, /^forebay: .*\nTry "forebay help"\.\n$/);
    }
    const { code, stdout } = await forebay(["help"]);
    assert.equal(code, 0);
    const lines = stdout.split("\n");
    assert.ok(lines.length <= 24 && lines.every((line) => line.length <= 80));
  });
});
