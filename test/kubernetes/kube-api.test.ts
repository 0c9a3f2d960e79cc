import { randomBytes } from "node:crypto";
import { brokerClusters } from "../../cluster/resources.ts";
import { admissionContract } from "../contract/admission.contract.ts";
import { kubeApiContract } from "../contract/kube-api.contract.ts";
import { kubernetesFor, testKubernetes } from "./support/cluster.ts";

describe("the client on Kubernetes", function () {
  this.timeout(60_000);

  before(async function () {
    const { kubectl } = await kubernetesFor(this);
    await kubectl("apply", "--server-side", "--force-conflicts", "-f", "crds/");
    await kubectl("wait", "--for=condition=Established", "-f", "crds/", "--timeout=30s");
  });

  kubeApiContract("a real API server", async () => {
    const { kube, kubectl } = await testKubernetes();
    const namespace = `forebay-contract-${randomBytes(4).toString("hex")}`;
    await kubectl("create", "namespace", namespace);
    return {
      api: kube,
      namespace,
      lateResource: brokerClusters,
      close: async () => {
        await kubectl("delete", "namespace", namespace, "--wait=false");
      },
    };
  });

  admissionContract("a real API server", async () => {
    const { kube, harness } = await testKubernetes();
    return { api: kube, namespace: "default", exact: harness !== undefined };
  });
});
