import { createHash } from "node:crypto";
import { CONFIG_FILE, brokerProperties } from "./config-map.ts";
import {
  accountName,
  childMeta,
  configName,
  headlessName,
  labels,
  PORTS,
  selectorLabels,
  type ClusterContext,
} from "./context.ts";
import { type Child, type StatefulSet, statefulSets } from "./workloads.ts";

const DATA_PATH = "/var/lib/forebay";
const CONFIG_PATH = "/etc/forebay";
const DEFAULT_SIZE = "10Gi";
const USER = 10_001;
/** Leaderships move before a broker stops (30 s at most), then its files are closed. */
const GRACE_SECONDS = 60;
/** Annotation of the pods: brokers read their configuration at start, so another one is another revision. */
export const CONFIG_HASH = "forebay.dev/config-hash";

/**
 * The brokers. `OnDelete`: the operator itself decides when which pod may go. `Parallel`: after a power cut all of
 * them must come up to elect leaders, whichever is first.
 */
export function statefulSet(context: ClusterContext): Child {
  const { cluster, replicas } = context;
  const { storage } = cluster.spec;
  const object: StatefulSet = {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: childMeta(context, cluster.metadata.name),
    spec: {
      replicas,
      serviceName: headlessName(context),
      podManagementPolicy: "Parallel",
      updateStrategy: { type: "OnDelete" },
      persistentVolumeClaimRetentionPolicy: {
        whenDeleted: storage?.deletionPolicy === "delete" ? "Delete" : "Retain",
        whenScaled: "Retain",
      },
      selector: { matchLabels: selectorLabels(context) },
      template: podTemplate(context),
      volumeClaimTemplates: [
        {
          apiVersion: "v1",
          kind: "PersistentVolumeClaim",
          metadata: { name: "data", labels: selectorLabels(context) },
          spec: {
            accessModes: ["ReadWriteOnce"],
            ...(storage?.storageClassName === undefined
              ? {}
              : { storageClassName: storage.storageClassName }),
            resources: { requests: { storage: storage?.size ?? DEFAULT_SIZE } },
          },
        },
      ],
    },
  };
  return { resource: statefulSets, object };
}

function podTemplate(context: ClusterContext): Readonly<Record<string, unknown>> {
  const { cluster } = context;
  const spread = (topologyKey: string): Readonly<Record<string, unknown>> => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: "ScheduleAnyway",
    labelSelector: { matchLabels: selectorLabels(context) },
  });
  const { rackKey } = cluster.spec;
  return {
    metadata: { labels: labels(context), annotations: { [CONFIG_HASH]: configHash(context) } },
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
      topologySpreadConstraints: [
        spread("kubernetes.io/hostname"),
        ...(rackKey === undefined || rackKey === "kubernetes.io/hostname" ? [] : [spread(rackKey)]),
      ],
      containers: [container(context)],
      volumes: [
        { name: "config", configMap: { name: configName(context) } },
        { name: "tmp", emptyDir: {} },
      ],
    },
  };
}

function container(context: ClusterContext): Readonly<Record<string, unknown>> {
  const { cluster, image } = context;
  const field = (name: string, fieldPath: string): Readonly<Record<string, unknown>> => ({
    name,
    valueFrom: { fieldRef: { fieldPath } },
  });
  const http = (path: string): Readonly<Record<string, unknown>> => ({
    httpGet: { path, port: "http" },
  });
  return {
    name: "broker",
    image: cluster.spec.image ?? image,
    args: ["broker"],
    env: [
      field("POD_NAME", "metadata.name"),
      field("POD_NAMESPACE", "metadata.namespace"),
      { name: "FOREBAY_CLUSTER", value: cluster.metadata.name },
      { name: "FOREBAY_DATA", value: DATA_PATH },
      { name: "FOREBAY_CONFIG", value: `${CONFIG_PATH}/${CONFIG_FILE}` },
      { name: "FOREBAY_HEADLESS_SERVICE", value: headlessName(context) },
    ],
    ports: Object.entries(PORTS).map(([name, containerPort]) => ({
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
    livenessProbe: {
      ...http("/healthz"),
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 6,
    },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    resources: cluster.spec.resources ?? { requests: { cpu: "250m", memory: "512Mi" } },
    volumeMounts: [
      { name: "data", mountPath: DATA_PATH },
      { name: "config", mountPath: CONFIG_PATH, readOnly: true },
      { name: "tmp", mountPath: "/tmp" },
    ],
  };
}

function configHash(context: ClusterContext): string {
  return createHash("sha256").update(brokerProperties(context)).digest("hex").slice(0, 16);
}
