import type { KubeObject } from "../../kube/objects.ts";
import { asObject, shownText } from "./json.ts";
import type { PrinterColumn } from "./custom-kinds.ts";
import { jsonPath } from "./json-path.ts";
import { qualified } from "./status-errors.ts";

/** One column of a metav1.Table: a JSONPath, or a function of the object. */
interface Column {
  readonly name: string;
  readonly type: string;
  readonly format?: string;
  readonly priority?: number;
  readonly description?: string;
  readonly cell: (object: KubeObject) => unknown;
}

/** The answer to `Accept: application/json;as=Table;v=v1;g=meta.k8s.io`, from which kubectl prints. */
export function tableOf(
  kind: { readonly group: string; readonly plural: string },
  objects: readonly KubeObject[],
  printerColumns: readonly PrinterColumn[] | undefined,
  now: number,
  metadata: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const columns = columnsOf(kind, printerColumns, now);
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata,
    columnDefinitions: columns.map(({ name, type, format, priority, description }) => ({
      name,
      type,
      format: format ?? "",
      description: description ?? "",
      priority: priority ?? 0,
    })),
    rows: objects.map((object) => ({
      cells: columns.map(({ cell }) => cell(object) ?? null),
      object: {
        kind: "PartialObjectMetadata",
        apiVersion: "meta.k8s.io/v1",
        metadata: object.metadata,
      },
    })),
  };
}

function columnsOf(
  kind: { readonly group: string; readonly plural: string },
  printerColumns: readonly PrinterColumn[] | undefined,
  now: number,
): Column[] {
  const name: Column = {
    name: "Name",
    type: "string",
    format: "name",
    cell: ({ metadata }) => metadata.name,
  };
  const age: Column = {
    name: "Age",
    type: "string",
    cell: ({ metadata }) => ageOf(metadata.creationTimestamp, now),
  };
  if (printerColumns !== undefined && printerColumns.length > 0) {
    return [name, ...printerColumns.map((column) => customColumn(column, now))];
  }
  const own = (BUILT_IN[qualified(kind.group, kind.plural)] ?? []).map(([title, value]) => ({
    name: title,
    type: "string",
    cell: typeof value === "string" ? pathCell(value) : value,
  }));
  // Who looks at events wants to know when, and not what each is called.
  if (kind.plural === "events") return [lastSeen(now), ...own];
  return [name, ...own, age];
}

function lastSeen(now: number): Column {
  return {
    name: "Last Seen",
    type: "string",
    cell: (object) => {
      const paths = [".lastTimestamp", ".deprecatedLastTimestamp", ".eventTime"];
      const time = paths.flatMap((path) => jsonPath(object, path)).find((value) => value !== null);
      return ageOf(shownText(time ?? object.metadata.creationTimestamp ?? ""), now);
    },
  };
}

function customColumn(column: PrinterColumn, now: number): Column {
  return {
    ...column,
    cell: (object) => {
      const found = jsonPath(object, column.jsonPath);
      const [value] = found;
      if (value === undefined || value === null) return null;
      if (column.type === "date") return ageOf(shownText(value), now);
      if (column.type === "string" && found.length > 1) return found.map(String).join(",");
      return typeof value === "object" ? JSON.stringify(value) : value;
    },
  };
}

type Cell = string | ((object: KubeObject) => unknown);

function pathCell(path: string): (object: KubeObject) => unknown {
  return (object) => {
    const found = jsonPath(object, path).filter((value) => value !== "");
    return found.length === 0 ? "<none>" : found.map(String).join(",");
  };
}

/** `a/b` of two numbers, 0 where one is not set. */
function ratio(a: string, b: string): (object: KubeObject) => unknown {
  return (object) =>
    `${shownText(jsonPath(object, a)[0] ?? 0)}/${shownText(jsonPath(object, b)[0] ?? 0)}`;
}

function count(path: string): (object: KubeObject) => unknown {
  return (object) => Object.keys(asObject(jsonPath(object, path)[0])).length;
}

const ports = (object: KubeObject): string =>
  jsonPath(object, ".spec.ports[*]")
    .map(asObject)
    .map(
      (port) =>
        `${String(port["port"])}/${typeof port["protocol"] === "string" ? port["protocol"] : "TCP"}`,
    )
    .join(",") || "<none>";

/** Where a Service is reached from outside: what its load balancer was given, or what the spec says. */
const externalAddresses = (object: KubeObject): string => {
  const ingress = jsonPath(object, ".status.loadBalancer.ingress[*]").map(asObject);
  const given = ingress.map(({ ip, hostname }) => shownText(ip ?? hostname ?? ""));
  const all = [...given, ...jsonPath(object, ".spec.externalIPs[*]").map(shownText)];
  if (all.length > 0) return all.join(",");
  return jsonPath(object, ".spec.type")[0] === "LoadBalancer" ? "<pending>" : "<none>";
};

const BUILT_IN: Readonly<Record<string, readonly (readonly [string, Cell])[]>> = {
  pods: [
    [
      "Ready",
      (object) => {
        const ready = jsonPath(object, ".status.containerStatuses[*].ready").filter(
          (each) => each === true,
        );
        return `${String(ready.length)}/${String(jsonPath(object, ".spec.containers[*]").length)}`;
      },
    ],
    [
      "Status",
      (object) =>
        object.metadata.deletionTimestamp === undefined
          ? (jsonPath(object, ".status.containerStatuses[*].state.waiting.reason")[0] ??
            jsonPath(object, ".status.phase")[0] ??
            "Pending")
          : "Terminating",
    ],
    [
      "Restarts",
      (object) =>
        jsonPath(object, ".status.containerStatuses[*].restartCount").reduce<number>(
          (sum, each) => sum + Number(each),
          0,
        ),
    ],
  ],
  services: [
    ["Type", (object) => jsonPath(object, ".spec.type")[0] ?? "ClusterIP"],
    ["Cluster-IP", ".spec.clusterIP"],
    ["External-IP", externalAddresses],
    ["Port(s)", ports],
  ],
  endpoints: [["Endpoints", ".subsets[*].addresses[*].ip"]],
  "endpointslices.discovery.k8s.io": [
    ["AddressType", ".addressType"],
    ["Ports", ".ports[*].port"],
    ["Endpoints", ".endpoints[*].addresses[0]"],
  ],
  configmaps: [["Data", count(".data")]],
  secrets: [
    ["Type", ".type"],
    ["Data", count(".data")],
  ],
  namespaces: [["Status", ".status.phase"]],
  nodes: [
    [
      "Status",
      (object) =>
        jsonPath(object, '.status.conditions[?(@.type=="Ready")].status')[0] === "True"
          ? "Ready"
          : "NotReady",
    ],
    ["Version", ".status.nodeInfo.kubeletVersion"],
  ],
  persistentvolumeclaims: [
    ["Status", ".status.phase"],
    ["Volume", ".spec.volumeName"],
    ["Capacity", ".status.capacity.storage"],
    ["StorageClass", ".spec.storageClassName"],
  ],
  persistentvolumes: [
    ["Capacity", ".spec.capacity.storage"],
    ["Status", ".status.phase"],
    ["Claim", ".spec.claimRef.name"],
  ],
  events: [
    ["Type", ".type"],
    ["Reason", ".reason"],
    [
      "Object",
      (object) =>
        `${String(jsonPath(object, ".involvedObject.kind")[0]).toLowerCase()}/${String(jsonPath(object, ".involvedObject.name")[0])}`,
    ],
    ["Message", ".message"],
  ],
  "events.events.k8s.io": [
    ["Type", ".type"],
    ["Reason", ".reason"],
    ["Object", ".regarding.name"],
    ["Message", ".note"],
  ],
  "statefulsets.apps": [["Ready", ratio(".status.readyReplicas", ".spec.replicas")]],
  "deployments.apps": [
    ["Ready", ratio(".status.readyReplicas", ".spec.replicas")],
    ["Available", (object) => jsonPath(object, ".status.availableReplicas")[0] ?? 0],
  ],
  "poddisruptionbudgets.policy": [
    ["Min available", ".spec.minAvailable"],
    ["Max unavailable", ".spec.maxUnavailable"],
  ],
  "leases.coordination.k8s.io": [["Holder", ".spec.holderIdentity"]],
  "storageclasses.storage.k8s.io": [["Provisioner", ".provisioner"]],
};

/** The age as kubectl writes it: two units at most. */
export function ageOf(timestamp: string | undefined, now: number): string {
  const from = timestamp === undefined ? Number.NaN : Date.parse(timestamp);
  if (Number.isNaN(from)) return "<unknown>";
  const seconds = Math.max(0, Math.floor((now - from) / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  const two = (a: number, unit: string, b: number, smaller: string): string =>
    b === 0 ? `${String(a)}${unit}` : `${String(a)}${unit}${String(b)}${smaller}`;
  if (seconds < 120) return `${String(seconds)}s`;
  if (minutes < 10) return two(minutes, "m", seconds % 60, "s");
  if (minutes < 180) return `${String(minutes)}m`;
  if (hours < 8) return two(hours, "h", minutes % 60, "m");
  if (hours < 48) return `${String(hours)}h`;
  return days < 8 ? two(days, "d", hours % 24, "h") : `${String(days)}d`;
}
