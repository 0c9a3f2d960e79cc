import assert from "node:assert/strict";
import { parseAllDocuments } from "yaml";
import { brokerClusters, leases } from "../../cluster/resources.ts";
import { podObjects, type PodObject } from "../../operator/resources/workloads.ts";
import { eventually } from "../support/local-cluster.ts";
import {
  harnessFor,
  kubernetesFor,
  makeNamespaces,
  type TestKubernetes,
} from "./support/cluster.ts";

const NAMESPACE = "forebay-chart";
const RELEASE = "forebay";
const CHART = "charts/forebay";
const OPERATOR = "forebay-operator";

describe("the chart on Kubernetes", function () {
  this.timeout(300_000);
  let kubernetes: TestKubernetes;
  let helm: TestKubernetes["helm"];
  let kubectl: TestKubernetes["kubectl"];
  let values: readonly string[] = [];

  before(async function () {
    kubernetes = await kubernetesFor(this);
    ({ helm, kubectl } = kubernetes);
    const { image } = kubernetes;
    await makeNamespaces(kubernetes, NAMESPACE);
    const wanted = [
      `image.repository=${image.repository}`,
      `image.tag=${image.tag}`,
      `watchNamespace=${NAMESPACE}`,
      "metrics.dashboard.enabled=true",
      "exampleCluster.enabled=true",
      "exampleCluster.name=example",
      "exampleCluster.spec.brokers=1",
      "exampleCluster.spec.storage.size=1Gi",
      "exampleCluster.spec.resources.requests.memory=128Mi",
    ];
    values = ["--namespace", NAMESPACE, ...wanted.flatMap((value) => ["--set", value])];
  });

  after(async () => {
    // Undefined also when it could not be started.
    if (kubernetes !== undefined) await kubectl("delete", "namespace", NAMESPACE);
  });

  it("passes helm lint", async () => {
    await helm("lint", CHART, "--strict");
    await helm("lint", CHART, "--strict", ...values);
  });

  for (const wrong of ["replicas=none", "image.pullPolicy=Sometimes", "imagge.tag=1"]) {
    it(`refuses ${wrong}`, async () => {
      await assert.rejects(
        helm("template", RELEASE, CHART, "--set", wrong),
        /values don't meet the specifications of the schema/,
      );
    });
  }

  it("gives objects that the API server accepts, for one namespace and for all", async () => {
    await kubectl("apply", "--server-side", "--force-conflicts", "-f", "crds/");
    await kubectl("wait", "--for=condition=Established", "-f", "crds/", "--timeout=30s");
    const { gitVersion } = JSON.parse(await kubectl("get", "--raw", "/version")) as {
      gitVersion: string;
    };
    const version = ["--kube-version", gitVersion];
    for (const scope of [NAMESPACE, ""]) {
      const set = ["--set", `watchNamespace=${scope}`];
      const text = await helm("template", RELEASE, CHART, ...values, ...set, ...version);
      const dry = ["--dry-run=server", "--namespace", NAMESPACE, "-f", "-"];
      const answer = await kubernetes.kubectlWith(text, "apply", ...dry);
      assert.match(answer, /deployment.apps\/forebay-operator created \(server dry run\)/);
      assert.match(answer, /brokercluster.forebay.dev\/example created \(server dry run\)/);
    }
  });

  it("has monitors, alerts, a dashboard and the right to read nodes only when they are asked for", async () => {
    const kinds = async (...set: readonly string[]): Promise<Map<string, number>> => {
      const text = await helm(
        ...["template", RELEASE, CHART, "--set", `watchNamespace=${NAMESPACE}`],
        ...set.flatMap((value) => ["--set", value]),
      );
      const found = new Map<string, number>();
      for (const document of parseAllDocuments(text)) {
        assert.deepEqual(document.errors, []);
        const object = document.toJS() as { kind: string; rules?: unknown } | null;
        const what = JSON.stringify(object?.rules ?? "").includes('"nodes"') ? "nodes" : "";
        const key = `${object?.kind ?? ""}${what === "" ? "" : ` of ${what}`}`;
        found.set(key, (found.get(key) ?? 0) + 1);
      }
      return found;
    };
    const asked: readonly (readonly [string, string, number])[] = [
      ["metrics.serviceMonitor.enabled=true", "ServiceMonitor", 2],
      ["metrics.rules.enabled=true", "PrometheusRule", 1],
      ["metrics.dashboard.enabled=true", "ConfigMap", 1],
      ["readNodes=true", "ClusterRole of nodes", 1],
    ];
    const usual = await kinds();
    for (const [value, kind, count] of asked) {
      assert.equal(usual.get(kind), undefined, kind);
      assert.equal((await kinds(value)).get(kind), count, value);
    }
    assert.equal(usual.get("NetworkPolicy"), 1);
    assert.equal((await kinds("networkPolicy.enabled=false")).get("NetworkPolicy"), undefined);
  });

  it("is installed, and its example cluster gets ready", async () => {
    await helm("install", RELEASE, CHART, ...values, "--wait", "--timeout", "90s");
    const ready = ["--for=condition=Ready", "bc/example", "--timeout=90s"];
    await kubectl("-n", NAMESPACE, "wait", ...ready);
    const pods = await operators();
    assert.equal(pods.length, 2);
    const holder = await leader();
    assert.ok(pods.some(({ metadata }) => metadata.name === holder));
  });

  it("gives the operator no rights elsewhere, and none on Secrets", async () => {
    const who = `--as=system:serviceaccount:${NAMESPACE}:${OPERATOR}`;
    const can = async (...what: readonly string[]): Promise<string> =>
      (
        await kubectl("auth", "can-i", ...what, who).catch(
          (error: unknown) => (error as { readonly stdout: string }).stdout,
        )
      ).trim();
    assert.equal(await can("create", "statefulsets", "-n", NAMESPACE), "yes");
    assert.equal(await can("create", "statefulsets", "-n", "default"), "no");
    assert.equal(await can("get", "secrets", "-n", NAMESPACE), "no");
    assert.equal(await can("delete", "persistentvolumeclaims", "-n", NAMESPACE), "no");
    assert.equal(await can("list", "nodes"), "no");
  });

  it("has the other operator act when the one that acts goes", async () => {
    const before = await leader();
    const began = performance.now();
    await kubectl("-n", NAMESPACE, "delete", "pod", before, "--wait=false");
    const after = await eventually(async () => {
      const now = await leader();
      return now !== "" && now !== before ? now : undefined;
    }, "another leader");
    console.log(`    another leads after ${((performance.now() - began) / 1000).toFixed(1)} s`);
    assert.ok((await operators()).some(({ metadata }) => metadata.name === after));
  });

  it("is upgraded and rolled back without touching a broker", async () => {
    const [broker] = await brokers();
    const wait = ["--wait", "--timeout", "90s"];
    const level = async (): Promise<string> =>
      kubectl(
        ...["-n", NAMESPACE, "get", "deployment", OPERATOR, "-o"],
        `jsonpath={.spec.template.spec.containers[0].env[?(@.name=="FOREBAY_LOG_LEVEL")].value}`,
      );
    await helm("upgrade", RELEASE, CHART, ...values, "--set", "logLevel=debug", ...wait);
    assert.equal(await level(), "debug");
    await helm("rollback", RELEASE, "1", "--namespace", NAMESPACE, ...wait);
    assert.equal(await level(), "info");
    const { status } = await kubernetes.kube.get(brokerClusters, NAMESPACE, "example");
    assert.equal(status?.readyBrokers, 1);
    const [same] = await brokers();
    assert.equal(same?.metadata.uid, broker?.metadata.uid);
  });

  it("brings another image to the operator at once, and to brokers when they are told to restart", async function () {
    const { image } = kubernetes;
    const harness = harnessFor(this, kubernetes, "there is no other image here");
    const other = `${image.repository}:other`;
    for (const node of ["node1", "node2", "node3"]) {
      const names = [`${image.repository}:${image.tag}`, other];
      await harness.onNode(
        node,
        ...["ctr", "--namespace", "k8s.io", "image", "tag", "--force"],
        ...names,
      );
    }
    const [before] = await brokers();
    const wait = ["--wait", "--timeout", "90s"];
    await helm("upgrade", RELEASE, CHART, ...values, "--set", "image.tag=other", ...wait);
    const condition = ["--for=condition=UpgradeAvailable", "bc/example", "--timeout=60s"];
    await kubectl("-n", NAMESPACE, "wait", ...condition);
    assert.equal((await brokers())[0]?.metadata.uid, before?.metadata.uid);
    await kubectl("-n", NAMESPACE, "annotate", "bc/example", "forebay.dev/restart=now");
    const uses = (pod: PodObject | undefined): string | undefined =>
      (pod as { readonly spec?: { readonly containers: readonly { image: string }[] } } | undefined)
        ?.spec?.containers[0]?.image;
    await eventually(
      async () => (uses((await brokers())[0]) === other ? true : undefined),
      "a broker of the other image",
      60_000,
    );
    await kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", "bc/example", "--timeout=90s");
  });

  it("is uninstalled with its example cluster, and leaves the definitions", async () => {
    await helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", "--timeout", "60s");
    await eventually(
      async () => ((await brokers()).length === 0 ? true : undefined),
      "no broker left",
      60_000,
    );
    const definitions = await kubectl("get", "crd", "-o", "name");
    assert.match(definitions, /brokerclusters\.forebay\.dev/);
  });

  async function leader(): Promise<string> {
    const lease = await kubernetes.kube.get(leases, NAMESPACE, OPERATOR);
    return (lease.spec?.holderIdentity ?? "").split("_")[0] ?? "";
  }

  async function operators(): Promise<readonly PodObject[]> {
    return podsWith("app.kubernetes.io/name=forebay-operator");
  }

  async function brokers(): Promise<readonly PodObject[]> {
    return podsWith("forebay.dev/cluster=example");
  }

  async function podsWith(labelSelector: string): Promise<readonly PodObject[]> {
    return (await kubernetes.kube.list(podObjects, NAMESPACE, { labelSelector })).items;
  }
});
