import type { BrokerCluster } from "./broker-cluster.ts";
import {
  insidePort,
  listenerProblem,
  outsideListeners,
  type OutsideListener,
} from "./listeners.ts";
import { parseQuantity } from "./quantity.ts";

/** What a cluster is to be, every default filled in. */
export interface BrokerClusterShape {
  readonly brokers: number;
  /** Undefined when the user leaves it to the operator. */
  readonly image: string | undefined;
  readonly storage: {
    /** A Kubernetes quantity. */
    readonly size: string;
    readonly storageClassName: string | undefined;
    readonly deletionPolicy: "retain" | "delete";
  };
  readonly resources: Readonly<Record<string, unknown>>;
  /** Port of the client listener within the Kubernetes cluster. */
  readonly port: number;
  /** Listeners for clients from outside. */
  readonly outside: readonly OutsideListener[];
  readonly rackKey: string | undefined;
  /** Kafka broker configs by name, in the order of their names. */
  readonly config: ReadonlyMap<string, string>;
}

/** Why a cluster cannot be as its spec says: reason of a condition, and a sentence that tells what to do. */
export interface ClusterRefusal {
  readonly reason:
    | "InvalidName"
    | "InvalidBrokers"
    | "InvalidImage"
    | "InvalidStorage"
    | "InvalidResources"
    | "InvalidRackKey"
    | "InvalidListener"
    | "InvalidConfig"
    | "MinInSyncReplicasTooHigh";
  readonly message: string;
}

const DEFAULT_SIZE = "10Gi";
const DEFAULT_RESOURCES = { requests: { cpu: "250m", memory: "512Mi" } } as const;
const MAX_BROKERS = 100;
/** The label of a StatefulSet's revision is its name and eleven characters more, and a label has at most 63. */
const MAX_NAME = 52;

/**
 * Spec → shape, or refusal (pure). What the CRD's own rules refuse is refused here again: they may be older or off.
 * @param configProblem says why a broker would not start with a configuration
 */
export function brokerClusterShape(
  cluster: BrokerCluster,
  configProblem: (name: string, value: string) => string | undefined = () => undefined,
): BrokerClusterShape | ClusterRefusal {
  const { metadata, spec } = cluster;
  const config = new Map(Object.entries(spec.config ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)));
  const refusal =
    nameRefusal(metadata.name) ??
    brokersRefusal(spec.brokers) ??
    imageRefusal(spec.image) ??
    storageRefusal(spec.storage?.size) ??
    resourcesRefusal(spec.resources) ??
    rackRefusal(spec.rackKey) ??
    listenerRefusal(cluster) ??
    configRefusal(config, spec.brokers, configProblem);
  if (refusal !== undefined) return refusal;
  return {
    brokers: spec.brokers,
    image: spec.image,
    storage: {
      size: spec.storage?.size ?? DEFAULT_SIZE,
      storageClassName: spec.storage?.storageClassName,
      deletionPolicy: spec.storage?.deletionPolicy ?? "retain",
    },
    resources: (spec.resources as Readonly<Record<string, unknown>> | undefined) ?? {
      ...DEFAULT_RESOURCES,
    },
    port: insidePort(spec.listeners),
    outside: outsideListeners(spec.listeners),
    rackKey: spec.rackKey,
    config,
  };
}

function nameRefusal(name: string): ClusterRefusal | undefined {
  if (/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(name) && name.length <= MAX_NAME) return undefined;
  return {
    reason: "InvalidName",
    message: `"${name}" cannot name services and pods: at most ${MAX_NAME} of a to z, 0 to 9 and "-", a letter first; make the cluster anew with another name`,
  };
}

function brokersRefusal(brokers: number): ClusterRefusal | undefined {
  if (Number.isInteger(brokers) && brokers >= 1 && brokers <= MAX_BROKERS) return undefined;
  return {
    reason: "InvalidBrokers",
    message: `spec.brokers is ${String(brokers)}; set it to 1 to ${MAX_BROKERS}`,
  };
}

function imageRefusal(image: string | undefined): ClusterRefusal | undefined {
  if (image === undefined || /^[^\s]+$/.test(image)) return undefined;
  return {
    reason: "InvalidImage",
    message: `spec.image "${image}" is not a container image; leave it out to have the operator's own`,
  };
}

function storageRefusal(size: string | undefined): ClusterRefusal | undefined {
  const bytes = parseQuantity(size ?? DEFAULT_SIZE);
  if (bytes !== undefined && bytes >= 1) return undefined;
  return {
    reason: "InvalidStorage",
    message: `spec.storage.size "${size ?? ""}" is not a size; write it as in 20Gi`,
  };
}

function resourcesRefusal(resources: unknown): ClusterRefusal | undefined {
  const refused = (message: string): ClusterRefusal => ({ reason: "InvalidResources", message });
  if (resources === undefined) return undefined;
  if (!isMap(resources)) return refused("spec.resources must hold requests and limits");
  for (const [field, amounts] of Object.entries(resources)) {
    if (field === "claims") continue;
    if (field !== "requests" && field !== "limits") {
      return refused(`spec.resources has "${field}"; it may hold requests and limits`);
    }
    if (!isMap(amounts))
      return refused(`spec.resources.${field} must map a resource to a quantity`);
    for (const [name, amount] of Object.entries(amounts)) {
      const value =
        typeof amount === "string" || typeof amount === "number"
          ? parseQuantity(amount)
          : undefined;
      if (value === undefined || value < 0) {
        const text = typeof amount === "string" ? amount : JSON.stringify(amount);
        return refused(
          `spec.resources.${field}.${name} "${text}" is not a quantity; write it as in 500m or 1Gi`,
        );
      }
    }
  }
  const requests = quantities(resources["requests"]);
  for (const [name, limit] of quantities(resources["limits"])) {
    const request = requests.get(name);
    if (request === undefined || request.value <= limit.value) continue;
    return refused(
      `spec.resources asks for ${request.text} of ${name} and limits it to ${limit.text}; raise the limit or lower the request`,
    );
  }
  return undefined;
}

function quantities(
  amounts: unknown,
): Map<string, { readonly text: string; readonly value: number }> {
  const found = new Map<string, { text: string; value: number }>();
  for (const [name, amount] of Object.entries(isMap(amounts) ? amounts : {})) {
    if (typeof amount !== "string" && typeof amount !== "number") continue;
    const value = parseQuantity(amount);
    if (value !== undefined) found.set(name, { text: String(amount), value });
  }
  return found;
}

function rackRefusal(rackKey: string | undefined): ClusterRefusal | undefined {
  const valid =
    /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
  if (rackKey === undefined || valid.test(rackKey)) return undefined;
  return {
    reason: "InvalidRackKey",
    message: `spec.rackKey "${rackKey}" is not the key of a node label; for zones it is topology.kubernetes.io/zone`,
  };
}

function listenerRefusal({ metadata, spec }: BrokerCluster): ClusterRefusal | undefined {
  const problem = listenerProblem(metadata.name, spec.listeners ?? [], spec.brokers);
  return problem === undefined
    ? undefined
    : { reason: "InvalidListener", message: `spec.listeners: ${problem}` };
}

function configRefusal(
  config: ReadonlyMap<string, string>,
  brokers: number,
  configProblem: (name: string, value: string) => string | undefined,
): ClusterRefusal | undefined {
  for (const [name, value] of config) {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
      return {
        reason: "InvalidConfig",
        message: `spec.config has "${name}", which is not the name of a configuration`,
      };
    }
    // A value is a line of a properties file.
    if (hasControlCharacter(value)) {
      return { reason: "InvalidConfig", message: `spec.config.${name} must be one line of text` };
    }
    const problem = configProblem(name, value);
    if (problem !== undefined) {
      return { reason: "InvalidConfig", message: `spec.config: ${problem}` };
    }
  }
  const minimum = Number(config.get("min.insync.replicas"));
  if (minimum > brokers) {
    return {
      reason: "MinInSyncReplicasTooHigh",
      message: `min.insync.replicas ${String(minimum)} can never be met by ${String(brokers)} brokers; lower it in spec.config or raise spec.brokers`,
    };
  }
  return undefined;
}

function hasControlCharacter(text: string): boolean {
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20 || code === 0x7f || code === 0x2028 || code === 0x2029) return true;
  }
  return false;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
