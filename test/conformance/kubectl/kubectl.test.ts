import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { run } from "../../support/command.ts";
import { LocalCluster } from "../../support/local-cluster.ts";
import { kubectlProgram, needs } from "../../support/tools.ts";

const LIMIT_MS = 60_000;
const TOPIC = path.resolve(import.meta.dirname, "../../../examples/topic.yaml");

/** What people type, against the Kubernetes API of `forebay local`. */
describe("kubectl", () => {
  let cluster: LocalCluster;
  const directory = mkdtempSync(path.join(tmpdir(), "forebay-kubectl-"));

  before(async function () {
    needs(this, "kubectl");
    cluster = await LocalCluster.start(3);
  });

  after(async () => {
    rmSync(directory, { recursive: true, force: true });
    await cluster?.remove();
  });

  /** Runs kubectl to its end, in the default namespace of the local cluster. */
  function attempt(
    args: readonly string[],
    env: Record<string, string> = {},
  ): ReturnType<typeof run> {
    return run(kubectlProgram() ?? "kubectl", args, {
      limitMs: LIMIT_MS,
      env: { KUBECONFIG: cluster.kubeconfig, HOME: directory, TMPDIR: directory, ...env },
    });
  }

  /** What `kubectl …` prints, once it has ended with success. */
  async function kubectl(line: string, env: Record<string, string> = {}): Promise<string> {
    const { code, stdout, stderr } = await attempt(line.split(" "), env);
    assert.equal(code, 0, `kubectl ${line}: ${stdout.slice(-1000)} ${stderr.slice(-1000)}`);
    return stdout;
  }

  /** The rows of what `get` prints, by the names of the columns. */
  async function table(line: string): Promise<Record<string, string>[]> {
    const [header = "", ...rows] = (await kubectl(line)).trimEnd().split("\n");
    // Columns are told apart by where they begin: their names and values may have single spaces.
    const starts = [...header.matchAll(/\S+( \S+)*/g)].map(({ index }) => index);
    const cut = (text: string): string[] =>
      starts.map((from, at) => text.slice(from, starts[at + 1]).trim());
    const names = cut(header);
    return rows.map((row) =>
      Object.fromEntries(cut(row).map((value, at) => [names[at] ?? "", value])),
    );
  }

  /** Their ages change while the test runs. */
  function ageless(rows: readonly Record<string, string>[]): Record<string, string>[] {
    return rows.map((row) => {
      const { AGE, ...rest } = row;
      assert.match(AGE ?? "", /^\d+[smh]/);
      return rest;
    });
  }

  it("is told what there is", async () => {
    const kinds = await kubectl("api-resources --api-group=forebay.dev --no-headers -o name");
    assert.deepEqual(kinds.trim().split("\n").sort(), [
      "brokerclusters.forebay.dev",
      "brokers.forebay.dev",
      "clientquotas.forebay.dev",
      "leadershipshards.forebay.dev",
      "partitionslices.forebay.dev",
      "topics.forebay.dev",
      "users.forebay.dev",
    ]);
    const explained = await kubectl("explain bc.spec.storage.deletionPolicy");
    assert.match(explained, /What becomes of the volumes when the BrokerCluster is deleted/);
  });

  it("apply creates a topic once, and wait sees it ready", async () => {
    assert.equal(await kubectl(`apply -f ${TOPIC}`), "topic.forebay.dev/orders created\n");
    assert.equal(await kubectl(`apply -f ${TOPIC}`), "topic.forebay.dev/orders unchanged\n");
    assert.match(
      await kubectl("wait --for=condition=Ready ftopic/orders --timeout=30s"),
      /condition met/,
    );
    // Nothing would be changed.
    assert.equal(await kubectl(`diff -f ${TOPIC}`), "");
  });

  it("get prints the columns of each kind", async () => {
    assert.deepEqual(ageless(await table("get bc")), [
      {
        NAME: "local",
        BROKERS: "3",
        "READY-BROKERS": "3",
        BOOTSTRAP: "local-bootstrap.default.svc:9092",
        READY: "True",
      },
    ]);
    assert.deepEqual(ageless(await table("get ftopic")), [
      {
        NAME: "orders",
        CLUSTER: "local",
        TOPIC: "orders",
        PARTITIONS: "12",
        REPLICAS: "3",
        "UNDER-REPLICATED": "0",
        READY: "True",
      },
    ]);
    assert.deepEqual(ageless(await table("get pslice -l forebay.dev/topic=orders")), [
      {
        NAME: "orders-000",
        TOPIC: "orders",
        CLUSTER: "local",
        SHARD: "local-leaders-0000",
        FIRST: "0",
      },
    ]);
    assert.deepEqual(ageless(await table("get lshard")), [
      { NAME: "local-leaders-0000", CLUSTER: "local" },
    ]);
    const brokers = ageless(await table("get fbroker"));
    assert.deepEqual(
      brokers,
      [0, 1, 2].map((id) => ({
        NAME: `local-${id}`,
        ID: String(id),
        STATE: "running",
        EPOCH: "1",
        RACK: "",
      })),
    );
    const pods = await table("get pods");
    assert.deepEqual(
      pods.map(({ NAME, READY, STATUS }) => [NAME, READY, STATUS]),
      [0, 1, 2].map((id) => [`local-${id}`, "1/1", "Running"]),
    );
    const names = await kubectl("get forebay -o name");
    assert.deepEqual(names.trim().split("\n").sort(), [
      "broker.forebay.dev/local-0",
      "broker.forebay.dev/local-1",
      "broker.forebay.dev/local-2",
      "brokercluster.forebay.dev/local",
      "leadershipshard.forebay.dev/local-leaders-0000",
      "partitionslice.forebay.dev/orders-000",
      "topic.forebay.dev/orders",
    ]);
  });

  it("describe tells what was found and what was done", async () => {
    const topic = await kubectl("describe ftopic orders");
    assert.match(topic, /Message: +12 partitions have leaders/);
    assert.match(topic, /Topic Id: +[0-9a-f-]{36}/);
    const described = await kubectl("describe bc local");
    assert.match(
      described,
      /Normal +Created .* forebay-operator +created StatefulSet local with 3 brokers/,
    );
    assert.match(described, /Normal +Ready .* 3 brokers are ready at/);
    assert.match(await kubectl("describe pod local-0"), /Controlled By: +StatefulSet\/local/);
  });

  it("edit changes a topic, and says what cannot be", async () => {
    const editor = path.join(directory, "editor");
    const seen = path.join(directory, "seen");
    const edit = async (from: string, to: string) => {
      writeFileSync(editor, `#!/bin/sh\ncat "$1" >>${seen}\nsed -i 's/${from}/${to}/' "$1"\n`);
      chmodSync(editor, 0o755);
      return await attempt(["edit", "ftopic", "orders"], { KUBE_EDITOR: editor });
    };
    const hour = 'retention.ms: "3600000"';
    const edited = await edit('retention.ms: "86400000"', hour);
    assert.equal(edited.stdout, "topic.forebay.dev/orders edited\n", edited.stderr);
    assert.match(await kubectl("get ftopic orders -o yaml"), new RegExp(`^    ${hour}$`, "m"));
    // The editor is opened again with the reason; it changes nothing then, which ends it.
    const refused = await edit("partitions: 12", "partitions: 3");
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /"orders" is invalid/);
    assert.match(readFileSync(seen, "utf8"), /^# .*partitions cannot shrink/m);
    const difference = await attempt(["diff", "-f", TOPIC]);
    assert.equal(difference.code, 1, difference.stderr);
    assert.match(
      difference.stdout,
      /^- {4}retention.ms: "3600000"\n\+ {4}retention.ms: "86400000"$/m,
    );
  });

  it("scale adds a broker", async () => {
    assert.match(await kubectl("scale bc/local --replicas=4"), /local scaled/);
    await kubectl("wait --for=jsonpath={.status.readyBrokers}=4 bc/local --timeout=40s");
    await kubectl("wait --for=condition=Ready bc/local --timeout=40s");
    await kubectl("wait --for=condition=Ready pod/local-3 --timeout=40s");
    assert.equal((await table("get fbroker")).length, 4);
  });

  it("logs shows a broker's lines", async () => {
    const log = await kubectl("logs local-0");
    assert.match(log, /"message":"broker ready"/);
    const lines = log.trimEnd().split("\n");
    const [last = ""] = lines.slice(-1);
    // More may have been said since.
    assert.equal((await kubectl("logs local-0 --tail=1")).trimEnd().split("\n").length, 1);
    assert(JSON.parse(last), "each line is whole");
    const missing = await attempt(["logs", "local-9"]);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /pods "local-9" not found/);
  });

  it("a deleted pod comes back", async () => {
    const uid = await kubectl("get pod local-0 -o jsonpath={.metadata.uid}");
    assert.match(await kubectl("delete pod local-0"), /pod "local-0" deleted/);
    await kubectl("wait --for=create pod/local-0 --timeout=40s");
    await kubectl("wait --for=condition=Ready pod/local-0 --timeout=40s");
    assert.notEqual(await kubectl("get pod local-0 -o jsonpath={.metadata.uid}"), uid);
    await kubectl("wait --for=jsonpath={.status.state}=running fbroker/local-0 --timeout=40s");
  });

  it("delete takes a topic and its partitions away", async () => {
    assert.match(await kubectl("delete ftopic orders"), /topic.forebay.dev "orders" deleted/);
    const gone = await attempt(["get", "ftopic", "orders"]);
    assert.equal(gone.code, 1);
    assert.match(gone.stderr, /\(NotFound\): topics.forebay.dev "orders" not found/);
    await kubectl("wait --for=delete pslice/orders-000 --timeout=30s");
  });

  it("get events tells when what happened", async () => {
    const events = await table("get events");
    const scaled = events.find(({ REASON }) => REASON === "ScalingUp");
    assert.match(scaled?.["LAST SEEN"] ?? "", /^\d+[sm]/);
    assert.equal(scaled?.["OBJECT"], "brokercluster/local");
    assert.equal(scaled["MESSAGE"], "from 3 to 4 of 4 wanted brokers");
    assert(events.some(({ OBJECT, REASON }) => OBJECT === "pod/local-3" && REASON === "Started"));
  });
});
