import path from "node:path";
import type { ConfigMap, Container, EnvVar, KeySelector, Pod, Secret } from "../workloads.ts";
import { POD_IP } from "./pod-status.ts";

/** Something a container refers to is not there yet: it is started when it is. */
export class MissingReferenceError extends Error {
  override readonly name = "MissingReferenceError";
}

export interface EnvironmentInputs {
  readonly pod: Pod;
  readonly container: Container;
  readonly configMap: (name: string) => ConfigMap | undefined;
  readonly secret: (name: string) => Secret | undefined;
  /** Where on this machine each volume of the pod is, by volume name. */
  readonly volumes: ReadonlyMap<string, string>;
  /** Where the first claim of the pod is, if it has one. */
  readonly dataFolder: string | undefined;
  /** The real ports, by container port name. */
  readonly ports: Readonly<Record<string, number>>;
  readonly kubeServer: string;
  /** What the process has of this one's environment. */
  readonly inherited: Readonly<Record<string, string>>;
}

/** Arguments and environment of the process that stands for a container. */
export interface ProcessEnvironment {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Resolves a container into a process (pure): `env`, `envFrom`, `$(NAME)` and the fields of the downward API as in
 * Kubernetes; paths below a volume's mount path become paths of this machine; and what a broker must know to live
 * beside others on one address is added. `command` and image are not looked at: every container is this program.
 * @throws MissingReferenceError
 */
export function processEnvironment(inputs: EnvironmentInputs): ProcessEnvironment {
  const { pod, container, volumes } = inputs;
  const env: Record<string, string> = { ...inputs.inherited, HOSTNAME: pod.metadata.name };
  const mounts = mountsOf(container, volumes);
  for (const source of container.envFrom ?? []) {
    const prefix = source.prefix ?? "";
    if (source.configMapRef !== undefined) {
      const found = inputs.configMap(source.configMapRef.name ?? "");
      requireUnlessOptional(
        found,
        source.configMapRef,
        `configmap "${source.configMapRef.name ?? ""}"`,
      );
      for (const [name, value] of Object.entries(found?.data ?? {})) env[prefix + name] = value;
    }
    if (source.secretRef !== undefined) {
      const found = inputs.secret(source.secretRef.name ?? "");
      requireUnlessOptional(found, source.secretRef, `secret "${source.secretRef.name ?? ""}"`);
      for (const [name, value] of Object.entries(found?.data ?? {}))
        env[prefix + name] = text(value);
    }
  }
  for (const variable of container.env ?? []) {
    const value = valueOf(variable, inputs, env);
    if (value !== undefined) env[variable.name] = mapped(value, mounts);
  }
  for (const [name, port] of Object.entries(inputs.ports)) {
    env[`FOREBAY_PORT_${name.toUpperCase().replaceAll("-", "_")}`] = String(port);
  }
  env["FOREBAY_LISTEN_HOST"] = POD_IP;
  env["FOREBAY_ADVERTISED_HOST"] = POD_IP;
  // All pods have one address here, where a port is one process's.
  env["FOREBAY_OUTSIDE_LISTENERS"] = "none";
  env["FOREBAY_KUBE_SERVER"] = inputs.kubeServer;
  const data = env["FOREBAY_DATA"];
  const mountedData =
    data !== undefined && [...volumes.values()].some((each) => isBelow(each, data));
  if (inputs.dataFolder !== undefined && !mountedData) env["FOREBAY_DATA"] = inputs.dataFolder;
  return { args: (container.args ?? []).map((arg) => mapped(expanded(arg, env), mounts)), env };
}

interface Mount {
  readonly mountPath: string;
  readonly folder: string;
}

/** The longest mount path first, so that a mount inside another one wins. */
function mountsOf(container: Container, volumes: ReadonlyMap<string, string>): Mount[] {
  return (container.volumeMounts ?? [])
    .flatMap(({ name, mountPath, subPath }) => {
      const folder = volumes.get(name);
      if (folder === undefined) return [];
      const mount = mountPath.length > 1 ? mountPath.replace(/\/+$/, "") : mountPath;
      return [
        { mountPath: mount, folder: subPath === undefined ? folder : path.join(folder, subPath) },
      ];
    })
    .sort((a, b) => b.mountPath.length - a.mountPath.length);
}

function mapped(value: string, mounts: readonly Mount[]): string {
  const mount = mounts.find(({ mountPath }) => isBelow(mountPath, value));
  return mount === undefined ? value : mount.folder + value.slice(mount.mountPath.length);
}

function isBelow(folder: string, file: string): boolean {
  return file === folder || file.startsWith(`${folder}/`);
}

function valueOf(
  variable: EnvVar,
  inputs: EnvironmentInputs,
  env: Readonly<Record<string, string>>,
): string | undefined {
  if (variable.value !== undefined) return expanded(variable.value, env);
  const { fieldRef, configMapKeyRef, secretKeyRef } = variable.valueFrom ?? {};
  if (fieldRef !== undefined) return fieldOf(inputs.pod, fieldRef.fieldPath);
  if (configMapKeyRef !== undefined) {
    const data = inputs.configMap(configMapKeyRef.name ?? "")?.data;
    return keyOf(data, configMapKeyRef, "configmap");
  }
  if (secretKeyRef !== undefined) {
    const data = inputs.secret(secretKeyRef.name ?? "")?.data;
    const value = keyOf(data, secretKeyRef, "secret");
    return value === undefined ? undefined : text(value);
  }
  return variable.valueFrom === undefined ? "" : undefined;
}

function keyOf(
  data: Readonly<Record<string, string>> | undefined,
  selector: KeySelector,
  what: string,
): string | undefined {
  const value = data?.[selector.key];
  requireUnlessOptional(
    value,
    selector,
    `key "${selector.key}" of ${what} "${selector.name ?? ""}"`,
  );
  return value;
}

function requireUnlessOptional(
  found: unknown,
  reference: { readonly optional?: boolean },
  what: string,
): void {
  if (found === undefined && reference.optional !== true) {
    throw new MissingReferenceError(`${what} not found`);
  }
}

/** A field of the downward API (Kubernetes concept "Downward API"); undefined for one that is not offered. */
function fieldOf(pod: Pod, fieldPath: string): string | undefined {
  const keyed = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(fieldPath);
  if (keyed?.[2] !== undefined) {
    const map = keyed[1] === "labels" ? pod.metadata.labels : pod.metadata.annotations;
    return map?.[keyed[2]] ?? "";
  }
  switch (fieldPath) {
    case "metadata.name":
      return pod.metadata.name;
    case "metadata.namespace":
      return pod.metadata.namespace ?? "default";
    case "metadata.uid":
      return pod.metadata.uid ?? "";
    case "spec.nodeName":
      return pod.spec.nodeName ?? "";
    case "spec.serviceAccountName":
      return pod.spec.serviceAccountName ?? "default";
    case "status.podIP":
    case "status.podIPs":
    case "status.hostIP":
      return POD_IP;
    default:
      return undefined;
  }
}

/** `$(NAME)` of a variable that is known; `$$(NAME)` is `$(NAME)` itself; an unknown one stays as it is. */
function expanded(value: string, env: Readonly<Record<string, string>>): string {
  return value.replace(/\$(\$)?\(([A-Za-z_][\w.-]*)\)/g, (whole, escaped, name: string) =>
    escaped === undefined ? (env[name] ?? whole) : `$(${name})`,
  );
}

function text(base64: string): string {
  return Buffer.from(base64, "base64").toString("utf8");
}
