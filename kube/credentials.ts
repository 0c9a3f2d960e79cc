import { readFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import type { KubeServer } from "./transport.ts";

export interface KubeCredentials {
  readonly client: KubeServer;
  /** The namespace of the service account or of the kubeconfig's context; "default" if neither names one. */
  readonly namespace: string;
}

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
/** Projected tokens are replaced on disk long before they expire. */
const TOKEN_REREAD_MS = 60_000;

/**
 * Finds the API server (edge): `FOREBAY_KUBE_SERVER` (with `FOREBAY_KUBE_TOKEN`, `FOREBAY_NAMESPACE`), else the
 * service account of the pod, else the kubeconfig of `KUBECONFIG` or `~/.kube/config`.
 * @throws Error when none is there or the kubeconfig needs what is not supported (exec and auth-provider plugins).
 */
export async function loadCredentials(
  env: Readonly<Record<string, string | undefined>>,
): Promise<KubeCredentials> {
  const override = env["FOREBAY_NAMESPACE"] ?? env["POD_NAMESPACE"];
  const server = env["FOREBAY_KUBE_SERVER"];
  if (server !== undefined && server !== "") {
    const token = env["FOREBAY_KUBE_TOKEN"];
    const client = { server, ...(token === undefined ? {} : { token }) };
    return { client, namespace: override ?? "default" };
  }
  const inCluster = await fromServiceAccount(env);
  const found = inCluster ?? (await fromKubeconfig(env));
  return override === undefined ? found : { ...found, namespace: override };
}

async function fromServiceAccount(
  env: Readonly<Record<string, string | undefined>>,
): Promise<KubeCredentials | undefined> {
  const host = env["KUBERNETES_SERVICE_HOST"];
  if (host === undefined || host === "") return undefined;
  const directory = env["FOREBAY_SERVICE_ACCOUNT_DIR"] ?? SERVICE_ACCOUNT;
  const [ca, namespace] = await Promise.all([
    readFile(path.join(directory, "ca.crt"), "utf8"),
    readFile(path.join(directory, "namespace"), "utf8"),
  ]);
  const port = env["KUBERNETES_SERVICE_PORT"] ?? "443";
  const address = host.includes(":") ? `[${host}]` : host;
  return {
    client: {
      server: `https://${address}:${port}`,
      ca,
      token: tokenFile(path.join(directory, "token")),
    },
    namespace: namespace.trim(),
  };
}

/** The token of a file, read again when it is older than a minute; a failed read keeps the one there is. */
function tokenFile(file: string): () => string {
  let token = readFileSync(file, "utf8").trim();
  let readAt = performance.now();
  return () => {
    if (performance.now() - readAt > TOKEN_REREAD_MS) {
      readAt = performance.now();
      try {
        token = readFileSync(file, "utf8").trim();
      } catch {
        // The kubelet swaps the file by renaming; the old token is good for hours yet.
      }
    }
    return token;
  };
}

interface Kubeconfig {
  readonly "current-context"?: string;
  readonly contexts?: readonly Named<
    "context",
    { cluster?: string; user?: string; namespace?: string }
  >[];
  readonly clusters?: readonly Named<"cluster", Record<string, unknown>>[];
  readonly users?: readonly Named<"user", Record<string, unknown>>[];
}
type Named<Field extends string, T> = { readonly name?: string } & {
  readonly [field in Field]?: T;
};

async function fromKubeconfig(
  env: Readonly<Record<string, string | undefined>>,
): Promise<KubeCredentials> {
  const listed = (env["KUBECONFIG"] ?? "").split(path.delimiter).find((entry) => entry !== "");
  const file = listed ?? path.join(env["HOME"] ?? homedir(), ".kube", "config");
  const text = await readFile(file, "utf8");
  // Loaded only here: a broker in a pod never needs YAML.
  const { parse } = await import("yaml");
  const config = ((parse(text) as Kubeconfig | null) ?? {}) satisfies Kubeconfig;
  const context = config.contexts?.find(({ name }) => name === config["current-context"])?.context;
  if (context === undefined) throw new Error(`${file} has no current context`);
  const cluster = config.clusters?.find(({ name }) => name === context.cluster)?.cluster;
  const user = config.users?.find(({ name }) => name === context.user)?.user ?? {};
  const server = cluster?.["server"];
  if (cluster === undefined || typeof server !== "string") {
    throw new Error(`${file} names no server for its current context`);
  }
  if (user["exec"] !== undefined || user["auth-provider"] !== undefined) {
    throw new Error(
      `${file} asks for a credential plugin, which is not supported; use a token or a certificate`,
    );
  }
  const directory = path.dirname(file);
  const ca = await pem(cluster, "certificate-authority", directory);
  const cert = await pem(user, "client-certificate", directory);
  const key = await pem(user, "client-key", directory);
  const tokenPath = user["tokenFile"];
  const token =
    typeof tokenPath === "string" ? tokenFile(path.resolve(directory, tokenPath)) : user["token"];
  return {
    client: {
      server,
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(typeof token === "string" || typeof token === "function"
        ? { token: token as string | (() => string) }
        : {}),
    },
    namespace: context.namespace ?? "default",
  };
}

/** `<field>-data` in base64, or the file that `<field>` names. */
async function pem(
  entry: Readonly<Record<string, unknown>>,
  field: string,
  directory: string,
): Promise<string | undefined> {
  const data = entry[`${field}-data`];
  if (typeof data === "string") return Buffer.from(data, "base64").toString("utf8");
  const file = entry[field];
  return typeof file === "string" ? readFile(path.resolve(directory, file), "utf8") : undefined;
}
