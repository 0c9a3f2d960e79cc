import { readFileSync } from "node:fs";
import path from "node:path";
import type { Verdict } from "../../../bench/load/read-back.ts";
import type { TestKubernetes } from "./cluster.ts";

const root = path.resolve(import.meta.dirname, "../../..");
const NAME = "load";
/** Below the product's folder in the image, so that its packages are found. */
const MOUNT = "/app/load";

export interface LoadOptions {
  readonly namespace: string;
  readonly bootstrap: string;
  readonly topic: string;
  readonly partitions: number;
  readonly recordsPerSecond: number;
}

export interface Gap {
  readonly gapMs: number;
  readonly slowestMs: number;
  readonly acked: number;
  readonly retries: number;
}

/** The publisher of `load/main.ts` in a pod of the product's image, its sources in a ConfigMap. */
export class Load {
  readonly #kubernetes: TestKubernetes;
  readonly #namespace: string;

  private constructor(kubernetes: TestKubernetes, namespace: string) {
    this.#kubernetes = kubernetes;
    this.#namespace = namespace;
  }

  /** Resolves when records are being acknowledged. */
  static async start(kubernetes: TestKubernetes, options: LoadOptions): Promise<Load> {
    const { namespace } = options;
    const sources = closure("test/kubernetes/load/main.ts");
    const objects = [configMap(namespace, sources), pod(kubernetes, options, sources)];
    for (const object of objects) {
      await kubernetes.kubectlWith(JSON.stringify(object), "apply", "--server-side", "-f", "-");
    }
    const load = new Load(kubernetes, namespace);
    await kubernetes.kubectl(
      ...["-n", namespace, "wait", "--for=condition=Ready", `pod/${NAME}`, "--timeout=60s"],
    );
    return load;
  }

  /** Since the last such question. */
  async gap(): Promise<Gap> {
    return (await this.#ask("gap")) as Gap;
  }

  /** Ends it. */
  async verdict(): Promise<Verdict> {
    const verdict = (await this.#ask("verdict")) as Verdict;
    const gone = ["pod", NAME, "--grace-period=1", "--wait=false"];
    await this.#kubernetes.kubectl("-n", this.#namespace, "delete", ...gone);
    return verdict;
  }

  async #ask(what: string): Promise<unknown> {
    const url = `/api/v1/namespaces/${this.#namespace}/pods/${NAME}:8080/proxy/${what}`;
    return JSON.parse(await this.#kubernetes.kubectl("get", "--raw", url)) as unknown;
  }
}

/** A source file and all that it imports of ours, by path from the repository's root. */
function closure(entry: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const visit = (file: string): void => {
    if (found.has(file)) return;
    const text = readFileSync(path.join(root, file), "utf8");
    found.set(file, text);
    for (const [, specifier = ""] of text.matchAll(/(?:from|import)\s*\(?"(\.[^"]+)"/g)) {
      visit(path.join(path.dirname(file), specifier));
    }
  };
  visit(entry);
  return found;
}

const keyOf = (file: string): string => file.replaceAll("/", "__");

function configMap(namespace: string, sources: ReadonlyMap<string, string>): unknown {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: NAME, namespace },
    data: Object.fromEntries([...sources].map(([file, text]) => [keyOf(file), text])),
  };
}

function pod(
  { image }: TestKubernetes,
  options: LoadOptions,
  sources: ReadonlyMap<string, string>,
): unknown {
  const settings = {
    BOOTSTRAP: options.bootstrap,
    TOPIC: options.topic,
    PARTITIONS: String(options.partitions),
    RECORDS_PER_SECOND: String(options.recordsPerSecond),
    RECORD_BYTES: "200",
  };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: NAME, namespace: options.namespace },
    spec: {
      restartPolicy: "Never",
      terminationGracePeriodSeconds: 1,
      automountServiceAccountToken: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 10_001,
        seccompProfile: { type: "RuntimeDefault" },
      },
      containers: [
        {
          name: "load",
          image: `${image.repository}:${image.tag}`,
          imagePullPolicy: "IfNotPresent",
          command: ["node", `${MOUNT}/test/kubernetes/load/main.ts`],
          env: Object.entries(settings).map(([name, value]) => ({ name: `LOAD_${name}`, value })),
          readinessProbe: { httpGet: { path: "/healthz", port: 8080 }, periodSeconds: 1 },
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ["ALL"] },
          },
          volumeMounts: [{ name: "sources", mountPath: MOUNT, readOnly: true }],
        },
      ],
      volumes: [
        {
          name: "sources",
          configMap: {
            name: NAME,
            items: [...sources.keys()].map((file) => ({ key: keyOf(file), path: file })),
          },
        },
      ],
    },
  };
}
