import type { BrokerId } from "../../cluster/broker.ts";
import type { BrokerCluster } from "../../cluster/broker-cluster.ts";
import { ConflictError, ForbiddenError, NotFoundError } from "../../kube/errors.ts";
import type { KubeObject } from "../../kube/objects.ts";
import { MINUTE, type Millis } from "../../lib/units.ts";
import type { OperatorOptions } from "../operator.ts";
import {
  planListenerAddresses,
  type ListenerAddresses,
  type NodeFacts,
} from "../plan/listener-addresses.ts";
import type { ClusterContext } from "../resources/context.ts";
import { LISTENER_LABEL, listenerServices } from "../resources/listener-services.ts";
import { nodes, services, type PodObject } from "../resources/workloads.ts";

/** Addresses of a node are read again after this: nodes are not watched. */
export const NODE_LOOK: Millis = 5 * MINUTE;
const MAX_NODES = 10_000;

/** The listeners for clients from outside: where they are reached, and Services of those that are no more. */
export class ListenerKeeper {
  readonly #options: OperatorOptions;
  readonly #nodes = new Map<string, { readonly at: Millis; readonly facts: NodeFacts }>();

  constructor(options: OperatorOptions) {
    this.#options = options;
  }

  /**
   * @param kept the children as they are, by kind and name
   * @param podOf the pod of a broker, if there is one
   * @returns one entry for each listener from outside; undefined when there are none
   */
  async addresses(
    context: ClusterContext,
    kept: readonly KubeObject[],
    podOf: (id: BrokerId) => PodObject | undefined,
  ): Promise<readonly ListenerAddresses[] | undefined> {
    const { cluster, shape, replicas } = context;
    if (shape.outside.length === 0) return undefined;
    const services = new Map(
      kept.filter(({ kind }) => kind === "Service").map((one) => [one.metadata.name, one]),
    );
    const pods = Array.from({ length: replicas }, (_, id) => podOf(id));
    const found: ListenerAddresses[] = [];
    for (const listener of shape.outside) {
      const own = readsNodes(listener) ? (pod: PodObject) => this.#node(pod) : hostOf;
      found.push(
        planListenerAddresses(listener, {
          cluster: cluster.metadata.name,
          replicas,
          services,
          nodes: await nodesOf(pods, own),
          before: cluster.status?.listeners?.find(({ name }) => name === listener.name),
        }),
      );
    }
    return found;
  }

  /** Deletes the Services of listeners, and of brokers, that are no more. @returns the names of those that were deleted */
  async sweep(context: ClusterContext, present: readonly KubeObject[]): Promise<string[]> {
    const { cluster } = context;
    const { namespace = "default" } = cluster.metadata;
    const wanted = new Set(listenerServices(context).map(({ object }) => object.metadata.name));
    const gone: string[] = [];
    for (const { metadata } of present) {
      if (wanted.has(metadata.name) || !isOurs(metadata, cluster)) continue;
      const { uid, name } = metadata;
      try {
        await this.#options.kube.delete(
          services,
          namespace,
          name,
          uid === undefined ? {} : { uid },
        );
        gone.push(name);
      } catch (error) {
        if (!(error instanceof NotFoundError || error instanceof ConflictError)) throw error;
      }
    }
    return gone;
  }

  /** The node of a pod with all its addresses, as it was some minutes ago at most. */
  async #node({ spec }: PodObject): Promise<NodeFacts | undefined> {
    const name = spec?.nodeName;
    if (name === undefined || name === "") return undefined;
    const { kube, scheduler } = this.#options;
    const known = this.#nodes.get(name);
    // A little less than after what time it is looked at again.
    if (known !== undefined && scheduler.now() - known.at < NODE_LOOK * 0.9) return known.facts;
    let facts: NodeFacts;
    try {
      const { status } = await kube.get(nodes, "", name);
      facts = { name, addresses: status?.addresses ?? [] };
    } catch (error) {
      if (error instanceof ForbiddenError) {
        // Not kept: the right may be given at any time.
        const problem = `the operator may not read node ${name}; install the chart with readNodes=true, or take addressTypes out to have the InternalIP`;
        return { name, problem };
      }
      if (!(error instanceof NotFoundError)) throw error;
      return undefined;
    }
    if (this.#nodes.size >= MAX_NODES) this.#nodes.clear();
    this.#nodes.set(name, { at: scheduler.now(), facts });
    return facts;
  }
}

/** Whether more must be known of nodes than pods tell. */
export function readsNodes(listener: ClusterContext["shape"]["outside"][number]): boolean {
  if (listener.type !== "nodeport" || listener.advertisedHost !== undefined) return false;
  return listener.addressTypes.some((type) => type !== "InternalIP");
}

/** What the pod itself tells of its node. */
function hostOf({ spec, status }: PodObject): NodeFacts | undefined {
  const { hostIP } = status ?? {};
  if (hostIP === undefined || hostIP === "") return undefined;
  return { name: spec?.nodeName ?? "", addresses: [{ type: "InternalIP", address: hostIP }] };
}

async function nodesOf(
  pods: readonly (PodObject | undefined)[],
  nodeOf: (pod: PodObject) => NodeFacts | undefined | Promise<NodeFacts | undefined>,
): Promise<ReadonlyMap<BrokerId, NodeFacts>> {
  const found = new Map<BrokerId, NodeFacts>();
  for (const [id, pod] of pods.entries()) {
    const node = pod && (await nodeOf(pod));
    if (node !== undefined) found.set(id, node);
  }
  return found;
}

function isOurs(metadata: KubeObject["metadata"], cluster: BrokerCluster): boolean {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  return (
    metadata.labels?.[LISTENER_LABEL] !== undefined &&
    metadata.deletionTimestamp === undefined &&
    owner !== undefined &&
    owner.uid === cluster.metadata.uid
  );
}
