import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { run } from "../support/command.ts";
import { LocalCluster } from "../support/local-cluster.ts";
import { kafkaToolsClassPath, needs } from "../support/tools.ts";

const LIMIT_MS = 60_000;

/** Apache Kafka's command line tools, as an operator types them. */
describe("console tools of Apache Kafka", () => {
  let cluster: LocalCluster;
  const directory = mkdtempSync(path.join(tmpdir(), "forebay-tools-"));

  before(async function () {
    needs(this, "kafka-tools");
    cluster = await LocalCluster.start(3);
  });

  after(async () => {
    rmSync(directory, { recursive: true, force: true });
    await cluster?.remove();
  });

  /** Runs a class of org.apache.kafka.tools; what it prints, once it has ended with success. */
  async function tool(name: string, args: readonly string[], input = ""): Promise<string> {
    const java = ["-cp", kafkaToolsClassPath, `org.apache.kafka.tools.${name}`];
    const all = [...java, "--bootstrap-server", cluster.bootstrap, ...args];
    const { code, stdout, stderr } = await run("java", all, { limitMs: LIMIT_MS, input });
    assert.equal(code, 0, `${name}: ${stdout.slice(-1000)} ${stderr.slice(-1000)}`);
    return stdout;
  }

  it("kafka-topics creates, describes, grows, lists and deletes", async () => {
    const topic = ["--topic", "tools-topics"];
    const creation = [...topic, "--partitions", "2", "--config", "retention.ms=100000"];
    assert.match(await tool("TopicCommand", ["--create", ...creation]), /^Created topic/m);
    await tool("TopicCommand", ["--alter", ...topic, "--partitions", "4"]);
    const described = await tool("TopicCommand", ["--describe", ...topic]);
    assert.match(
      described,
      /PartitionCount: 4\tReplicationFactor: 3\tConfigs: retention.ms=100000/,
    );
    assert.equal(described.match(/Leader: [012]\t/g)?.length, 4);
    assert.match(await tool("TopicCommand", ["--list"]), /^tools-topics$/m);
    await tool("TopicCommand", ["--delete", ...topic]);
    assert.doesNotMatch(await tool("TopicCommand", ["--list"]), /^tools-topics$/m);
  });

  it("the console producer's lines come out of the console consumer, and groups are described and reset", async () => {
    const topic = ["--topic", "tools-lines"];
    await tool("TopicCommand", ["--create", ...topic, "--partitions", "1"]);
    const lines = Array.from({ length: 100 }, (_, i) => `${i}\n`).join("");
    await tool("ConsoleProducer", [...topic, "--compression-codec", "zstd"], lines);
    const group = ["--group", "tools"];
    const reading = [...topic, ...group, "--from-beginning", "--max-messages", "100"];
    const read = await tool("consumer.ConsoleConsumer", reading);
    assert.equal(read, lines);

    const groups = "consumer.group.ConsumerGroupCommand";
    assert.match(await tool(groups, ["--list"]), /^tools$/m);
    assert.match(
      await tool(groups, ["--describe", ...group]),
      /^tools +tools-lines +0 +100 +100 +0 /m,
    );
    const reset = ["--reset-offsets", "--to-offset", "40", "--execute"];
    assert.match(await tool(groups, [...group, ...topic, ...reset]), /^tools +tools-lines +0 +40/m);
    const again = await tool("consumer.ConsoleConsumer", [
      ...topic,
      ...group,
      "--max-messages",
      "60",
    ]);
    assert.equal(again, lines.slice(lines.indexOf("40\n")));
    assert.match(await tool(groups, ["--delete", ...group]), /was successful/);
  });

  it("kafka-delete-records, kafka-get-offsets and kafka-log-dirs agree on what is there", async () => {
    const topic = ["--topic", "tools-records"];
    await tool("TopicCommand", ["--create", ...topic, "--partitions", "1"]);
    await tool("ConsoleProducer", topic, "a\nb\nc\n");
    const file = path.join(directory, "offsets.json");
    const partitions = [{ topic: "tools-records", partition: 0, offset: 2 }];
    writeFileSync(file, JSON.stringify({ partitions, version: 1 }));
    assert.match(
      await tool("DeleteRecordsCommand", ["--offset-json-file", file]),
      /partition: tools-records-0\tlow_watermark: 2/,
    );
    const offsets = async (time: string) =>
      (await tool("GetOffsetShell", [...topic, "--time", time])).trim();
    assert.equal(await offsets("earliest"), "tools-records:0:2");
    assert.equal(await offsets("latest"), "tools-records:0:3");
    const directories = await tool("LogDirsCommand", [
      "--describe",
      "--topic-list",
      topic[1] ?? "",
    ]);
    assert.equal(directories.match(/"partition":"tools-records-0"/g)?.length, 3);
  });
});
