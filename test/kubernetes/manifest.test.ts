import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { API_VERSION, brokerClusters, clientQuotas, users } from "../../cluster/resources.ts";
import type { KubeObject } from "../../kube/objects.ts";
import { helmArguments, MANIFEST, manifestOf } from "../../scripts/manifest.mjs";
import { kubernetesFor, type TestKubernetes } from "./support/cluster.ts";

/** That of the manifest. */
const NAMESPACE = "forebay";

describe("the operator without Helm", function () {
  this.timeout(240_000);
  let kubernetes: TestKubernetes;
  let text = "";

  before(async function () {
    kubernetes = await kubernetesFor(this);
    const { repository, tag } = kubernetes.image;
    text = readFileSync(MANIFEST, "utf8").replaceAll(/image: .*/g, `image: ${repository}:${tag}`);
    text = text.replace(/(name: FOREBAY_BROKER_IMAGE\n\s+value: ).*/, `$1${repository}:${tag}`);
  });

  after(async () => {
    // Undefined also when it could not be started.
    if (kubernetes === undefined) return;
    await kubernetes.kubectlWith(text, "delete", "-f", "-", "--ignore-not-found");
  });

  it("is what the chart makes: npm run manifest", async () => {
    const rendered = await kubernetes.helm(...helmArguments);
    assert.equal(readFileSync(MANIFEST, "utf8"), manifestOf(rendered));
  });

  it("runs a cluster, and everything of it can be waited for", async () => {
    const { kube, kubectl, kubectlWith } = kubernetes;
    await kubectl("apply", "--server-side", "--force-conflicts", "-f", "crds/");
    await kubectl("wait", "--for=condition=Established", "-f", "crds/", "--timeout=30s");
    await kubectlWith(text, "apply", "-f", "-");
    const rollout = ["rollout", "status", "deployment/forebay-operator", "--timeout=100s"];
    await kubectl("-n", NAMESPACE, ...rollout);
    const object = (kind: string, name: string, spec: unknown): KubeObject & { spec: unknown } => ({
      apiVersion: API_VERSION,
      kind,
      metadata: { name, namespace: NAMESPACE },
      spec,
    });
    const cluster = "one";
    const wishes = [
      [
        brokerClusters,
        object(brokerClusters.kind, cluster, {
          brokers: 1,
          storage: { size: "1Gi" },
          resources: { requests: { cpu: "50m", memory: "128Mi" } },
        }),
      ],
      [users, object(users.kind, "alice", { cluster })],
      [
        clientQuotas,
        object(clientQuotas.kind, "quota", {
          cluster,
          entity: { user: "alice" },
          limits: { producerByteRate: 1000 },
        }),
      ],
    ] as const;
    for (const [resource, wish] of wishes) {
      await kube.create<KubeObject>(resource, NAMESPACE, wish);
    }
    const wait = async (condition: string, ...what: readonly string[]): Promise<void> => {
      const args = [`--for=condition=${condition}`, ...what, "--timeout=100s"];
      await kubectl("-n", NAMESPACE, "wait", ...args);
    };
    await wait("Ready", `bc/${cluster}`, "fquota/quota");
    await wait("Ready", `fbroker/${cluster}-0`);
    // Brokers do not act on them, and waiting for them to be Ready would never end.
    await wait("Stalled", "fuser/alice");
  });
});
