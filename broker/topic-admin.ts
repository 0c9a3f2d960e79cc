import { topicObjectName } from "../cluster/names.ts";
import { API_VERSION, CLUSTER_LABEL, topics } from "../cluster/resources.ts";
import type { Topic } from "../cluster/topic.ts";
import type { JsonPatchOperation, KubeApi } from "../kube/api.ts";
import { UnknownOutcomeError } from "../kube/errors.ts";
import type { Scheduler } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { Random } from "../lib/random.ts";
import type { Millis } from "../lib/units.ts";
import type { BrokerConfig } from "./config.ts";
import { ProtocolError } from "./errors.ts";
import { INTERNAL_TOPICS, OFFSETS_TOPIC } from "./internal-topics.ts";
import type { MetadataView, TopicImage } from "./metadata/view.ts";
import { ErrorCode } from "./protocol/error-codes.ts";
import {
  reassign,
  type ReassignmentWish,
  withNewAssignments,
  writeAssignments,
} from "./reassignment.ts";
import { topicConfigRefusal } from "./topic-config.ts";
import {
  type ConfigChange,
  changeTopicConfig,
  ownTopicConfig,
  writeTopicConfig,
} from "./topic-config-change.ts";
import { TopicWait } from "./topic-wait.ts";
import { TopicWriter, translated } from "./topic-writer.ts";

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
  readonly random: Random;
  readonly logger: Logger;
  readonly metadata: MetadataView;
  readonly config: BrokerConfig;
}

const INTERNAL_TOPIC_WAIT_MS = 10_000;
const MAX_PARTITIONS = 10_000;
/** Automatic creations at the same time; whoever asks for more comes again. */
const MAX_CREATING = 100;
/** How long a topic that another broker made may take to be seen by this one. */
const SEEN_WAIT_MS = 3000;
/** How long a change of configurations waits for this broker to see it. */
const ALTER_WAIT_MS = 5000;

/**
 * Topics have one source of truth, the Topic object (DESIGN.md §2): what Kafka's clients ask for is written there, and
 * then waited for. Refusals are thrown ProtocolErrors.
 */
export class TopicAdmin {
  readonly #options: TopicAdminOptions;
  readonly #writer: TopicWriter;
  readonly #wait: TopicWait;
  /** Creations under way by Kafka name: a topic that many ask for is created once. */
  readonly #creating = new Map<string, Promise<void>>();

  constructor(options: TopicAdminOptions) {
    this.#options = options;
    this.#writer = new TopicWriter(options);
    this.#wait = new TopicWait(options.metadata, options.scheduler);
  }

  /** Creates the Topic object and waits until its partitions have leaders, or the time is up. */
  async createTopic(topic: NewTopic, timeout: Millis): Promise<void> {
    const resolved = this.#validate(topic);
    if (topic.validateOnly === true) return;
    await this.#write(() =>
      this.#options.kube.create(topics, this.#options.namespace, this.#object(topic, resolved)),
    );
    await this.#wait.until((image) => hasLeaders(image, resolved.partitions), topic.name, timeout);
  }

  /**
   * Creates it unless it is there; of several calls at once one creates it. Not waited for longer than `timeout`. A topic
   * of the broker's own is made as the broker wants it. Throws LEADER_NOT_AVAILABLE while too many are being created.
   */
  async autoCreate(name: string, timeout: Millis): Promise<void> {
    if (name === OFFSETS_TOPIC) return this.ensureInternalTopic(name);
    if (INTERNAL_TOPICS.has(name)) throw new ProtocolError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    if (this.#creating.size >= MAX_CREATING && !this.#creating.has(name)) {
      throw new ProtocolError(ErrorCode.LEADER_NOT_AVAILABLE);
    }
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
          return this.#wait.until((image) => hasLeaders(image, 1), name, timeout);
        }
        throw error;
      })
      .finally(() => this.#creating.delete(name));
    this.#creating.set(name, creation);
    return creation;
  }

  /** @returns the topic as it was */
  async deleteTopic(name: string, timeout: Millis): Promise<TopicImage> {
    const image = await this.#known(name);
    await this.#write(() =>
      this.#options.kube.delete(topics, this.#options.namespace, image.objectName, {
        uid: image.topicId,
        propagationPolicy: "Background",
      }),
    );
    await this.#wait.until((now) => now?.topicId !== image.topicId, name, timeout);
    return image;
  }

  /** Grows a topic to `total` partitions. */
  async createPartitions(
    name: string,
    total: number,
    assignments: readonly (readonly number[])[] | undefined,
    validateOnly: boolean,
    timeout: Millis,
  ): Promise<void> {
    const image = await this.#known(name);
    if (total <= image.partitions.length) {
      throw new ProtocolError(
        ErrorCode.INVALID_PARTITIONS,
        `The topic has ${image.partitions.length} partitions, which cannot become ${total}.`,
      );
    }
    if (total > MAX_PARTITIONS)
      throw new ProtocolError(ErrorCode.INVALID_PARTITIONS, "too many partitions");
    if (validateOnly) return;
    await this.#writer.update(image, (spec) => {
      const operations: JsonPatchOperation[] = [
        { op: "add", path: "/spec/partitions", value: total },
      ];
      if (assignments !== undefined) {
        const all = withNewAssignments(spec.assignments, image.partitions.length, assignments);
        operations.push({ op: "add", path: "/spec/assignments", value: all });
      }
      return (spec.partitions ?? 0) >= total ? [] : operations;
    });
    await this.#wait.until((now) => hasLeaders(now, total), name, timeout);
  }

  /**
   * Changes topic configurations, each on what is recorded when it is written: of changes at the same time none is lost.
   * Resolves once this broker's view shows it, or a while after.
   */
  async alterConfigs(
    name: string,
    changes: readonly ConfigChange[],
    replaceAll: boolean,
    validateOnly: boolean,
  ): Promise<void> {
    const { config } = this.#options;
    const image = await this.#known(name);
    if (validateOnly) {
      changeTopicConfig(image.config, changes, replaceAll, config);
      return;
    }
    const written = await this.#writer.update(image, (spec) =>
      writeTopicConfig(spec, changeTopicConfig(ownTopicConfig(spec), changes, replaceAll, config)),
    );
    await this.#wait.shows(image, written, ALTER_WAIT_MS).catch(() => undefined);
  }

  /**
   * Writes the wishes of a reassignment into the Topic, where the operator finds them (KIP-455). Resolves, once this broker
   * sees them, to the refusals by partition. Throws UNKNOWN_TOPIC_OR_PARTITION, REQUEST_TIMED_OUT.
   */
  async reassign(
    name: string,
    wishes: readonly ReassignmentWish[],
    mayChangeCount: boolean,
    timeout: Millis,
  ): Promise<ReadonlyMap<number, ProtocolError>> {
    const { metadata } = this.#options;
    const image = await this.#known(name);
    let refused: ReadonlyMap<number, ProtocolError> = new Map();
    const written = await this.#writer.update(image, (spec) => {
      const { partitions } = metadata.topicsById.get(image.topicId) ?? image;
      const world = { partitions, brokers: metadata.brokerCount, mayChangeCount };
      const reassigned = reassign(spec, wishes, world);
      refused = reassigned.refused;
      return refused.size === wishes.length
        ? []
        : writeAssignments(spec, reassigned.assignments, partitions.length);
    });
    await this.#wait.shows(image, written, timeout);
    return refused;
  }

  /**
   * The topic as this broker sees it. One that it does not see is looked up, and waited for if it is there: in Kafka the
   * controller knows every topic, so whoever has made one may change it at once, whichever broker is asked.
   */
  async #known(name: string): Promise<TopicImage> {
    const { metadata, kube, namespace, clusterName } = this.#options;
    const unknown = new ProtocolError(
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      "This server does not host this topic.",
    );
    const seen = metadata.topics.get(name);
    if (seen !== undefined) return seen;
    if (topicNameRefusal(name) !== undefined) throw unknown;
    const made = await translated(() => kube.get(topics, namespace, topicObjectName(name)));
    const { spec } = made;
    const other = spec.cluster !== clusterName || (spec.topicName ?? made.metadata.name) !== name;
    if (other || made.metadata.deletionTimestamp !== undefined) throw unknown;
    await this.#wait
      .until(() => metadata.topics.has(name), name, SEEN_WAIT_MS)
      .catch(() => undefined);
    const image = metadata.topics.get(name);
    if (image === undefined) throw unknown;
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
    const other = collision(topic.name, metadata.topics.keys());
    if (other !== undefined) {
      throw new ProtocolError(
        ErrorCode.INVALID_TOPIC_EXCEPTION,
        `Topic '${topic.name}' collides with existing topic: ${other}`,
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

  /** A write to the API with its refusals in Kafka's words. An unknown outcome is waited out like a success. */
  async #write(write: () => Promise<unknown>): Promise<void> {
    await translated(() =>
      write().catch((error: unknown) => {
        if (!(error instanceof UnknownOutcomeError)) throw error;
      }),
    );
  }
}

function hasLeaders(image: TopicImage | undefined, partitions: number): boolean {
  return (
    image !== undefined &&
    image.partitions.length >= partitions &&
    image.partitions.every((one) => one.leader >= 0)
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

/**
 * A topic that this name would be taken for (Kafka's rule), or undefined: the names of metrics have "_" for ".", so two
 * topics whose names differ in nothing else cannot both be.
 */
export function collision(name: string, names: Iterable<string>): string | undefined {
  if (!/[._]/.test(name)) return undefined;
  const plain = name.replaceAll(".", "_");
  for (const other of names) {
    if (other.length === name.length && other !== name && other.replaceAll(".", "_") === plain)
      return other;
  }
  return undefined;
}
