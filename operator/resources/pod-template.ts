import { createHash } from "node:crypto";
import { CONFIG_FILE, brokerProperties } from "./config-map.ts";
import {
  accountName,
  configName,
  headlessName,
  labels,
  ports,
  selectorLabels,
  type ClusterContext,
} from "./context.ts";

type Json = Readonly<Record<string, unknown>>;

const DATA_PATH = "/var/lib/forebay";
const CONFIG_PATH = "/etc/forebay";
const USER = 10_001;
/** Leaderships move before a broker stops (30 s at most), then its files are closed. */
const GRACE_SECONDS = 60;
const HOSTNAME = "kubernetes.io/hostname";
/** Annotation of the pods: brokers read their configuration at start, so another one is another revision. */
export const CONFIG_HASH = "forebay.dev/config-hash";
/** Annotation of a BrokerCluster: with each new value the brokers are restarted, one after the other. */
export const RESTART = "forebay.dev/restart";

/** How this operator would have the broker pods (pure). They fit the Pod Security Standard "restricted". */
export function podTemplate(context: ClusterContext): Json {
  const restart = restartOf(context);
  return {
    metadata: {
      labels: labels(context),
      annotations: {
        [CONFIG_HASH]: hash(brokerProperties(context)),
        ...(restart === undefined ? {} : { [RESTART]: restart }),
      },
    },
    spec: {
      serviceAccountName: accountName(context),
      terminationGracePeriodSeconds: GRACE_SECONDS,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: USER,
        runAsGroup: USER,
        fsGroup: USER,
        fsGroupChangePolicy: "OnRootMismatch",
        seccompProfile: { type: "RuntimeDefault" },
      },
      ...spreading(context),
      containers: [container(context)],
      volumes: [
        { name: "config", configMap: { name: configName(context) } },
        { name: "tmp", emptyDir: {} },
      ],
    },
  };
}

/**
 * What the user's wish says of the pods, as a hash (pure): while it is the same, pods stay as they are, whatever another
 * version of the operator would make of it.
 */
export function podInputs(context: ClusterContext): string {
  const { cluster, shape } = context;
  return hash(
    JSON.stringify([
      shape.image ?? null,
      cluster.spec.resources ?? null,
      shape.port,
      shape.rackKey ?? null,
      brokerProperties(context),
      restartOf(context) ?? null,
    ]),
  );
}

export function brokerImage({ shape, defaultImage }: ClusterContext): string {
  return shape.image ?? defaultImage;
}

/** On different nodes and in different racks as far as there are any; a broker is never left without a node for that. */
function spreading(context: ClusterContext): Json {
  const { rackKey } = context.shape;
  const keys = rackKey === undefined || rackKey === HOSTNAME ? [HOSTNAME] : [HOSTNAME, rackKey];
  const labelSelector = { matchLabels: selectorLabels(context) };
  return {
    affinity: {
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: keys.map((topologyKey) => ({
          weight: topologyKey === HOSTNAME ? 50 : 100,
          podAffinityTerm: { topologyKey, labelSelector },
        })),
      },
    },
    topologySpreadConstraints: keys.map((topologyKey) => ({
      maxSkew: 1,
      topologyKey,
      whenUnsatisfiable: "ScheduleAnyway",
      labelSelector,
    })),
  };
}

function container(context: ClusterContext): Json {
  const { cluster, shape } = context;
  const field = (name: string, fieldPath: string): Json => ({
    name,
    valueFrom: { fieldRef: { fieldPath } },
  });
  const http = (path: string): Json => ({ httpGet: { path, port: "http" } });
  return {
    name: "broker",
    image: brokerImage(context),
    args: ["broker"],
    env: [
      field("POD_NAME", "metadata.name"),
      field("POD_NAMESPACE", "metadata.namespace"),
      { name: "FOREBAY_CLUSTER", value: cluster.metadata.name },
      { name: "FOREBAY_DATA", value: DATA_PATH },
      { name: "FOREBAY_CONFIG", value: `${CONFIG_PATH}/${CONFIG_FILE}` },
      { name: "FOREBAY_HEADLESS_SERVICE", value: headlessName(context) },
      { name: "FOREBAY_PORT_PLAINTEXT", value: String(shape.port) },
      // Kubernetes 1.35 copies zone and region of the node to the pod's labels; another label is empty, and so no rack.
      ...(shape.rackKey === undefined
        ? []
        : [field("FOREBAY_RACK", `metadata.labels['${shape.rackKey}']`)]),
    ],
    ports: Object.entries(ports(context)).map(([name, containerPort]) => ({
      name,
      containerPort,
      protocol: "TCP",
    })),
    // A broker reads its journal before it listens; nothing else may kill it meanwhile.
    startupProbe: {
      ...http("/healthz"),
      periodSeconds: 1,
      timeoutSeconds: 1,
      failureThreshold: 600,
    },
    readinessProbe: {
      ...http("/readyz"),
      periodSeconds: 2,
      timeoutSeconds: 2,
      failureThreshold: 2,
    },
    // Only a process that hangs is killed, never one that is slow or waits for others.
    livenessProbe: {
      ...http("/healthz"),
      initialDelaySeconds: 10,
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 6,
    },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    resources: shape.resources,
    volumeMounts: [
      { name: "data", mountPath: DATA_PATH },
      { name: "config", mountPath: CONFIG_PATH, readOnly: true },
      { name: "tmp", mountPath: "/tmp" },
    ],
  };
}

function restartOf({ cluster }: ClusterContext): string | undefined {
  return cluster.metadata.annotations?.[RESTART];
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
