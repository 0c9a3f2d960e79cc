import { topicObjectName } from "../cluster/names.ts";
import { API_VERSION, CLUSTER_LABEL, topics } from "../cluster/resources.ts";
import type { Topic } from "../cluster/topic.ts";
import type { JsonPatchOperation, KubeApi } from "../kube/api.ts";
import {
  AlreadyExistsError,
  ForbiddenError,
  InvalidError,
  KubeError,
  NotFoundError,
  UnknownOutcomeError,
} from "../kube/errors.ts";
import type { Scheduler } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Millis } from "../lib/units.ts";
import type { BrokerConfig } from "./config.ts";
import { ProtocolError } from "./errors.ts";
import type { MetadataView, TopicImage } from "./metadata/view.ts";
import { ErrorCode } from "./protocol/error-codes.ts";
import { topicConfigRefusal } from "./topic-config.ts";

export interface NewTopic {
  readonly name: string;
  /** -1: num.partitions */
  readonly partitions: number;
  /** -1: default.replication.factor */
  readonly replicationFactor: number;
  readonly assignments?: readonly (readonly number[])[];
  readonly config?: ReadonlyMap<string, string>;
  readonly validateOnly?: boolean;
}

export interface TopicAdminOptions {
  readonly kube: KubeApi;
  readonly namespace: string;
  readonly clusterName: string;
  readonly scheduler: Scheduler;
  readonly logger: Logger;
  readonly metadata: MetadataView;
  readonly config: BrokerConfig;
}

const INTERNAL_TOPIC_WAIT_MS = 10_000;
const MAX_PARTITIONS = 10_000;

/**
 * Topics have one source of truth, the Topic object (DESIGN.md §2): what Kafka's clients ask for is written there, and
 * then waited for. Refusals are thrown ProtocolErrors.
 */
export class TopicAdmin {
  readonly #options: TopicAdminOptions;
  /** Creations under way by Kafka name: a topic that many ask for is created once. */
  readonly #creating = new Map<string, Promise<void>>();

  constructor(options: TopicAdminOptions) {
    this.#options = options;
  }

  /** Creates the Topic object and waits until its partitions have leaders, or the time is up. */
  async createTopic(topic: NewTopic, timeout: Millis): Promise<void> {
    const resolved = this.#validate(topic);
    if (topic.validateOnly === true) return;
    await this.#write(() =>
      this.#options.kube.create(topics, this.#options.namespace, this.#object(topic, resolved)),
    );
    await this.#until((image) => hasLeaders(image, resolved.partitions), topic.name, timeout);
  }

  /** Creates it unless it is there; of several calls at once one creates it. Not waited for longer than `timeout`. */
  async autoCreate(name: string, timeout: Millis): Promise<void> {
    await this.#once(name, { name, partitions: -1, replicationFactor: -1 }, timeout);
  }

  /** A topic of the broker's own. Resolves once this broker sees it with leaders. */
  async ensureInternalTopic(name: string): Promise<void> {
    const { config } = this.#options;
    const partitions = Math.min(100, config.number("offsets.topic.num.partitions"));
    await this.#once(
      name,
      {
        name,
        partitions,
        replicationFactor: Math.min(
          config.number("offsets.topic.replication.factor"),
          Math.max(1, this.#options.metadata.brokers.size),
        ),
        config: new Map([
          ["cleanup.policy", "compact"],
          ["compression.type", "producer"],
          ["segment.bytes", config.text("offsets.topic.segment.bytes")],
        ]),
      },
      INTERNAL_TOPIC_WAIT_MS,
    );
  }

  async #once(name: string, topic: NewTopic, timeout: Millis): Promise<void> {
    const { metadata } = this.#options;
    if (hasLeaders(metadata.topics.get(name), 1)) return;
    const present = this.#creating.get(name);
    if (present !== undefined) return present;
    const creation = this.createTopic(topic, timeout)
      .catch((error: unknown) => {
        if (error instanceof ProtocolError && error.errorCode === ErrorCode.TOPIC_ALREADY_EXISTS) {
          return this.#until((image) => hasLeaders(image, 1), name, timeout);
        }
        throw error;
      })
      .finally(() => this.#creating.delete(name));
    this.#creating.set(name, creation);
    return creation;
  }

  async deleteTopic(name: string, timeout: Millis): Promise<void> {
    const image = this.#known(name);
    await this.#write(() =>
      this.#options.kube.delete(topics, this.#options.namespace, image.objectName, {
        uid: image.topicId,
        propagationPolicy: "Background",
      }),
    );
    await this.#until((now) => now?.topicId !== image.topicId, name, timeout);
  }

  /** Grows a topic to `total` partitions. */
  async createPartitions(
    name: string,
    total: number,
    assignments: readonly (readonly number[])[] | undefined,
    validateOnly: boolean,
    timeout: Millis,
  ): Promise<void> {
    const image = this.#known(name);
    if (total <= image.partitions.length) {
      throw new ProtocolError(
        ErrorCode.INVALID_PARTITIONS,
        `The topic has ${image.partitions.length} partitions, which cannot become ${total}.`,
      );
    }
    if (total > MAX_PARTITIONS)
      throw new ProtocolError(ErrorCode.INVALID_PARTITIONS, "too many partitions");
    if (validateOnly) return;
    const operations: JsonPatchOperation[] = [
      { op: "test", path: "/metadata/uid", value: image.topicId },
      { op: "add", path: "/spec/partitions", value: total },
    ];
    if (assignments !== undefined) {
      const all = [...image.partitions.map((one) => one.replicas), ...assignments];
      operations.push({ op: "add", path: "/spec/assignments", value: all });
    }
    await this.#patch(image, operations);
    await this.#until((now) => hasLeaders(now, total), name, timeout);
  }

  /** Sets (a value) or removes (null) topic configurations. */
  async alterConfigs(
    name: string,
    changes: ReadonlyMap<string, string | null>,
    replaceAll: boolean,
    validateOnly: boolean,
  ): Promise<void> {
    const image = this.#known(name);
    const config = new Map(replaceAll ? [] : image.config);
    for (const [key, value] of changes) {
      if (value === null) {
        config.delete(key);
        continue;
      }
      const refusal = topicConfigRefusal(key, value);
      if (refusal !== undefined) throw new ProtocolError(ErrorCode.INVALID_CONFIG, refusal);
      config.set(key, value);
    }
    if (validateOnly) return;
    const minInSync = config.get("min.insync.replicas");
    config.delete("min.insync.replicas");
    const operations: JsonPatchOperation[] = [
      { op: "test", path: "/metadata/uid", value: image.topicId },
      { op: "add", path: "/spec/config", value: Object.fromEntries(config) },
    ];
    if (minInSync !== undefined && Number(minInSync) > 0) {
      operations.push({ op: "add", path: "/spec/minInSyncReplicas", value: Number(minInSync) });
    } else if (image.config.has("min.insync.replicas")) {
      operations.push({ op: "remove", path: "/spec/minInSyncReplicas" });
    }
    await this.#patch(image, operations);
    await this.#until(
      (now) => now === undefined || sameConfig(now.config, config, minInSync),
      name,
      5000,
    ).catch(() => undefined);
  }

  #known(name: string): TopicImage {
    const image = this.#options.metadata.topics.get(name);
    if (image === undefined) throw new ProtocolError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    return image;
  }

  #validate(topic: NewTopic): { readonly partitions: number; readonly replicas: number } {
    const { config, metadata } = this.#options;
    const refusal = topicNameRefusal(topic.name);
    if (refusal !== undefined) throw new ProtocolError(ErrorCode.INVALID_TOPIC_EXCEPTION, refusal);
    if (metadata.topics.has(topic.name)) {
      throw new ProtocolError(
        ErrorCode.TOPIC_ALREADY_EXISTS,
        `Topic '${topic.name}' already exists.`,
      );
    }
    const registered = Math.max(1, metadata.brokers.size);
    const byAssignment = topic.assignments !== undefined && topic.assignments.length > 0;
    const partitions = byAssignment
      ? (topic.assignments?.length ?? 0)
      : topic.partitions === -1
        ? config.number("num.partitions")
        : topic.partitions;
    const replicas = byAssignment
      ? (topic.assignments?.[0]?.length ?? 0)
      : topic.replicationFactor === -1
        ? Math.min(config.number("default.replication.factor"), registered)
        : topic.replicationFactor;
    if (partitions < 1 || partitions > MAX_PARTITIONS) {
      throw new ProtocolError(
        ErrorCode.INVALID_PARTITIONS,
        "Number of partitions must be larger than 0.",
      );
    }
    if (replicas < 1 || replicas > registered) {
      throw new ProtocolError(
        ErrorCode.INVALID_REPLICATION_FACTOR,
        `Unable to replicate the partition ${replicas} time(s): there are ${registered} brokers.`,
      );
    }
    for (const assignment of topic.assignments ?? []) {
      const wrong =
        assignment.length !== replicas ||
        new Set(assignment).size !== assignment.length ||
        assignment.some((id) => !metadata.brokers.has(id));
      if (wrong) throw new ProtocolError(ErrorCode.INVALID_REPLICA_ASSIGNMENT);
    }
    for (const [name, value] of topic.config ?? []) {
      const reason = topicConfigRefusal(name, value);
      if (reason !== undefined) throw new ProtocolError(ErrorCode.INVALID_CONFIG, reason);
    }
    return { partitions, replicas };
  }

  #object(
    topic: NewTopic,
    resolved: { readonly partitions: number; readonly replicas: number },
  ): Topic {
    const config = new Map(topic.config);
    const minInSync = Number(config.get("min.insync.replicas") ?? 0);
    config.delete("min.insync.replicas");
    return {
      apiVersion: API_VERSION,
      kind: "Topic",
      metadata: {
        name: topicObjectName(topic.name),
        namespace: this.#options.namespace,
        labels: { [CLUSTER_LABEL]: this.#options.clusterName },
      },
      spec: {
        cluster: this.#options.clusterName,
        topicName: topic.name,
        partitions: resolved.partitions,
        replicas: resolved.replicas,
        ...(minInSync > 0 ? { minInSyncReplicas: minInSync } : {}),
        ...(config.size === 0 ? {} : { config: Object.fromEntries(config) }),
        ...(topic.assignments === undefined || topic.assignments.length === 0
          ? {}
          : { assignments: topic.assignments }),
      },
    };
  }

  #patch(image: TopicImage, operations: readonly JsonPatchOperation[]): Promise<void> {
    return this.#write(() =>
      this.#options.kube.jsonPatch(topics, this.#options.namespace, image.objectName, operations),
    );
  }

  /** A write to the API with its refusals in Kafka's words. An unknown outcome is waited out like a success. */
  async #write(write: () => Promise<unknown>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (error instanceof AlreadyExistsError)
        throw new ProtocolError(ErrorCode.TOPIC_ALREADY_EXISTS);
      if (error instanceof NotFoundError)
        throw new ProtocolError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
      if (error instanceof InvalidError)
        throw new ProtocolError(ErrorCode.INVALID_REQUEST, error.message);
      if (error instanceof ForbiddenError) {
        throw new ProtocolError(ErrorCode.TOPIC_AUTHORIZATION_FAILED, error.message);
      }
      if (error instanceof UnknownOutcomeError) return;
      if (error instanceof KubeError)
        throw new ProtocolError(ErrorCode.REQUEST_TIMED_OUT, error.message);
      throw error;
    }
  }

  /** Waits for this broker's view to show it. Rejects with REQUEST_TIMED_OUT. */
  #until(
    shown: (image: TopicImage | undefined) => boolean,
    name: string,
    timeout: Millis,
  ): Promise<void> {
    const { metadata, scheduler } = this.#options;
    return new Promise((resolve, reject) => {
      if (shown(metadata.topics.get(name))) {
        resolve();
        return;
      }
      const timer = scheduler.after(timeout, () => {
        stop();
        reject(new ProtocolError(ErrorCode.REQUEST_TIMED_OUT, `Topic '${name}' is not there yet.`));
      });
      const stop = metadata.onChange(() => {
        if (!shown(metadata.topics.get(name))) return;
        stop();
        timer.cancel();
        resolve();
      });
    });
  }
}

function hasLeaders(image: TopicImage | undefined, partitions: number): boolean {
  return (
    image !== undefined &&
    image.partitions.length >= partitions &&
    image.partitions.every((one) => one.leader >= 0)
  );
}

function sameConfig(
  now: ReadonlyMap<string, string>,
  wanted: ReadonlyMap<string, string>,
  minInSync: string | undefined,
): boolean {
  const without = [...now].filter(([name]) => name !== "min.insync.replicas");
  return (
    without.length === wanted.size &&
    without.every(([name, value]) => wanted.get(name) === value) &&
    (minInSync === undefined || now.get("min.insync.replicas") === minInSync)
  );
}

/** Why a topic cannot have this name (Kafka's rules), or undefined when it can. */
export function topicNameRefusal(name: string): string | undefined {
  if (name === "") return "Topic name is illegal, it can't be empty";
  if (name === "." || name === "..") return "Topic name cannot be '.' or '..'";
  if (name.length > 249) return "Topic name is longer than 249 characters";
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    return "Topic name contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'";
  }
  return undefined;
}
