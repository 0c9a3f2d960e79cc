import assert from "node:assert/strict";
import { API_VERSION } from "../../cluster/resources.ts";
import type { KubeApi, Resource } from "../../kube/api.ts";
import { InvalidError } from "../../kube/errors.ts";
import type { KubeObject } from "../../kube/objects.ts";

type Spec = Readonly<Record<string, unknown>>;
interface Custom extends KubeObject {
  readonly spec: Spec;
}

const resource = (plural: string, kind: string): Resource<Custom> => ({
  group: "forebay.dev",
  version: "v1alpha1",
  plural,
  kind,
});
const KINDS = {
  BrokerCluster: resource("brokerclusters", "BrokerCluster"),
  Topic: resource("topics", "Topic"),
  Broker: resource("brokers", "Broker"),
  PartitionSlice: resource("partitionslices", "PartitionSlice"),
  User: resource("users", "User"),
};
type Kind = keyof typeof KINDS;

const NAME = "x";

/** What is refused at creation: the spec, and what is said after `<Kind>.forebay.dev "x" is invalid: `. */
const REFUSED: readonly (readonly [Kind, Spec, string])[] = [
  [
    "BrokerCluster",
    {},
    "[spec.brokers: Required value, <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]",
  ],
  [
    "BrokerCluster",
    { brokers: 0 },
    "spec.brokers: Invalid value: 0: spec.brokers in body should be greater than or equal to 1",
  ],
  [
    "BrokerCluster",
    { brokers: 101 },
    "spec.brokers: Invalid value: 101: spec.brokers in body should be less than or equal to 100",
  ],
  [
    "BrokerCluster",
    { brokers: 1, rackKey: 5 },
    '[spec.rackKey: Invalid value: "integer": spec.rackKey in body must be of type string: "integer", <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]',
  ],
  [
    "BrokerCluster",
    { brokers: 1, storage: { size: "ten" } },
    "spec.storage.size: Invalid value: \"ten\": spec.storage.size in body should match '^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$'",
  ],
  [
    "BrokerCluster",
    { brokers: 1, storage: { deletionPolicy: "keep" } },
    '[spec.storage.deletionPolicy: Unsupported value: "keep": supported values: "retain", "delete", <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]',
  ],
  [
    "BrokerCluster",
    { brokers: 1, listeners: [{ name: "Plain", port: 9094, type: "nodeport" }] },
    "spec.listeners[0].name: Invalid value: \"Plain\": spec.listeners[0].name in body should match '^[a-z]([-a-z0-9]*[a-z0-9])?$'",
  ],
  [
    "BrokerCluster",
    { brokers: 1, listeners: [{ name: "plaintext", port: 70_000 }] },
    "spec.listeners[0].port: Invalid value: 70000: spec.listeners[0].port in body should be less than or equal to 65535",
  ],
  [
    "BrokerCluster",
    { brokers: 1, config: { "log.retention.hours": 1 } },
    '[spec.config.log.retention.hours: Invalid value: "integer": spec.config.log.retention.hours in body must be of type string: "integer", <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]',
  ],
  [
    "BrokerCluster",
    {
      brokers: 1,
      listeners: [
        { name: "a", port: 9094, type: "nodeport" },
        { name: "a", port: 9095, type: "nodeport" },
      ],
    },
    'spec.listeners[1]: Duplicate value: {"name":"a"}',
  ],
  ...(
    [
      [
        [{ name: "internal", port: 9094, type: "nodeport" }],
        "brokers have ports named internal and http; choose another name",
      ],
      [
        [{ name: "outside", port: 9094 }],
        "the listener plaintext is of type internal and every other of type nodeport or loadbalancer; change its type or its name",
      ],
      [
        [{ name: "plaintext", port: 9092, type: "nodeport" }],
        "the listener plaintext is of type internal and every other of type nodeport or loadbalancer; change its type or its name",
      ],
      [
        [{ name: "outside", port: 9093, type: "nodeport" }],
        "ports 9093 and 8080 are the brokers' own; choose another port",
      ],
      [
        [{ name: "outside", port: 9094, type: "nodeport", loadBalancerClass: "a.example/b" }],
        "loadBalancerClass and loadBalancerSourceRanges are for type loadbalancer; take them out",
      ],
      [
        [{ name: "outside", port: 9094, type: "loadbalancer", addressTypes: ["InternalIP"] }],
        "addressTypes is for type nodeport; take it out",
      ],
      [
        [{ name: "plaintext", port: 9092, firstNodePort: 31_000 }],
        "a listener of type internal has a name and a port alone; take the other fields out",
      ],
      [
        [{ name: "outside", port: 9094, type: "nodeport", advertisedPort: 443 }],
        "advertisedPort is the same for all brokers, so they need hosts of their own; set advertisedHost with {id} in it, or advertisedFirstPort in place of advertisedPort",
      ],
      [
        [{ name: "outside", port: 9094, type: "loadbalancer", advertisedHost: "kafka.example" }],
        "advertisedHost is the same for all brokers and so is their port; put {id} into advertisedHost, or set advertisedFirstPort",
      ],
    ] as const
  ).map(([listeners, message]): readonly [Kind, Spec, string] => [
    "BrokerCluster",
    { brokers: 1, listeners },
    `spec.listeners[0]: Invalid value: ${message}`,
  ]),
  [
    "BrokerCluster",
    {
      brokers: 1,
      listeners: [
        { name: "a", port: 9094, type: "nodeport" },
        { name: "b", port: 9094, type: "loadbalancer" },
      ],
    },
    "spec.listeners: Invalid value: two listeners have the same port; give each a port of its own",
  ],
  [
    "BrokerCluster",
    { brokers: 1, listeners: [{ name: "a", port: 9092, type: "nodeport" }] },
    "spec.listeners: Invalid value: port 9092 is that of the listener plaintext; choose another, or list plaintext with another port",
  ],
  [
    "BrokerCluster",
    {
      brokers: 3,
      listeners: [
        { name: "a", port: 9094, type: "nodeport", firstNodePort: 31_000 },
        { name: "b", port: 9095, type: "nodeport", firstNodePort: 31_003 },
      ],
    },
    "spec: Invalid value: two listeners would have the same node ports; each takes spec.brokers + 1 of them from its firstNodePort on",
  ],
  [
    "BrokerCluster",
    {
      brokers: 3,
      listeners: [{ name: "a", port: 9094, type: "nodeport", advertisedFirstPort: 65_534 }],
    },
    "spec: Invalid value: firstNodePort or advertisedFirstPort of a listener leaves no port for the last broker; lower it",
  ],
  [
    "Topic",
    { cluster: "c" },
    "spec: Invalid value: set exactly one of partitions and expectedPeak",
  ],
  [
    "Topic",
    { cluster: "", partitions: 1 },
    'spec.cluster: Invalid value: "": spec.cluster in body should be at least 1 chars long',
  ],
  [
    "Topic",
    { cluster: "c", partitions: 1, expectedPeak: { bytesPerSecond: 1 } },
    "spec: Invalid value: set exactly one of partitions and expectedPeak",
  ],
  [
    "Topic",
    { cluster: "c", expectedPeak: { recordsPerSecond: 5 } },
    "spec.expectedPeak: Invalid value: recordsPerSecond needs recordBytes",
  ],
  [
    "Topic",
    { cluster: "c", expectedPeak: {} },
    "spec.expectedPeak: Invalid value: set bytesPerSecond, or recordsPerSecond with recordBytes",
  ],
  [
    "Topic",
    { cluster: "c", partitions: 0 },
    "spec.partitions: Invalid value: 0: spec.partitions in body should be greater than or equal to 1",
  ],
  [
    "Topic",
    { cluster: "c", partitions: 1, replicas: 1, minInSyncReplicas: 2 },
    "spec: Invalid value: minInSyncReplicas cannot be more than replicas; lower it or ask for more replicas",
  ],
  [
    "Topic",
    { cluster: "c", partitions: 1, topicName: "a b" },
    "spec.topicName: Invalid value: \"a b\": spec.topicName in body should match '^[a-zA-Z0-9._-]+$'",
  ],
  [
    "User",
    { cluster: "c", authentication: { type: "none" } },
    '[spec.authentication.type: Unsupported value: "none": supported values: "scram-sha-256", "scram-sha-512", "tls", <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]',
  ],
  [
    "User",
    { cluster: "c", acls: [{ resource: { type: "topic" }, operations: ["Fly"] }] },
    '[spec.acls[0].operations[0]: Unsupported value: "Fly": supported values: "All", "Read", "Write", "Create", "Delete", "Alter", "Describe", "ClusterAction", "DescribeConfigs", "AlterConfigs", "IdempotentWrite", <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]',
  ],
];

/** What is refused as a change: before, after, and what is said. */
const FROZEN: readonly (readonly [Kind, Spec, Spec, string])[] = [
  [
    "BrokerCluster",
    { brokers: 1, storage: { size: "2Gi" } },
    { brokers: 1, storage: { size: "1024Mi" } },
    "spec: Invalid value: storage.size cannot shrink; volumes can only grow",
  ],
  [
    "BrokerCluster",
    { brokers: 1, storage: { storageClassName: "a" } },
    { brokers: 1, storage: { storageClassName: "b" } },
    "spec: Invalid value: storage.storageClassName cannot be changed; make a new cluster, or replace the volumes one broker at a time",
  ],
  [
    "BrokerCluster",
    { brokers: 1, storage: { storageClassName: "a" } },
    { brokers: 1 },
    "spec: Invalid value: storage.storageClassName cannot be changed; make a new cluster, or replace the volumes one broker at a time",
  ],
  [
    "Topic",
    { cluster: "c", partitions: 3 },
    { cluster: "d", partitions: 3 },
    "spec: Invalid value: cluster cannot be changed; make a new Topic in the other cluster",
  ],
  [
    "Topic",
    { cluster: "c", partitions: 3 },
    { cluster: "c", partitions: 2 },
    "spec: Invalid value: partitions cannot shrink; make a new Topic with fewer and copy the records",
  ],
  [
    "Topic",
    { cluster: "c", partitions: 3 },
    { cluster: "c", partitions: 3, topicName: "t" },
    "spec: Invalid value: topicName cannot be changed; make a new Topic under the other name",
  ],
  [
    "Topic",
    { cluster: "c", partitions: 3, topicName: "t" },
    { cluster: "c", partitions: 3, topicName: "u" },
    "spec: Invalid value: topicName cannot be changed; make a new Topic under the other name",
  ],
  [
    "Broker",
    { cluster: "c", id: 1 },
    { cluster: "c", id: 2 },
    "spec: Invalid value: a broker's registration is for one broker for ever",
  ],
  [
    "User",
    { cluster: "c" },
    { cluster: "d" },
    "spec: Invalid value: cluster cannot be changed; make a new User in the other cluster",
  ],
  [
    "BrokerCluster",
    { brokers: 1, listeners: [{ name: "a", port: 9094, type: "loadbalancer" }] },
    {
      brokers: 1,
      listeners: [{ name: "a", port: 9094, type: "loadbalancer", loadBalancerClass: "example/b" }],
    },
    "spec.listeners[0]: Invalid value: loadBalancerClass cannot be changed; make a listener of another name and take this one out",
  ],
];

/** What is let in as a change, and the spec as it is then. */
const ACCEPTED: readonly (readonly [Kind, Spec, Spec, Spec])[] = [
  [
    "BrokerCluster",
    { brokers: 3 },
    { brokers: 5, storage: { size: "11Gi" } },
    { brokers: 5, storage: { size: "11Gi", deletionPolicy: "retain" } },
  ],
  [
    "BrokerCluster",
    { brokers: 1, storage: { size: "1Gi" }, unknown: 1 },
    { brokers: 1, storage: { size: "1024Mi" } },
    { brokers: 1, storage: { size: "1024Mi", deletionPolicy: "retain" } },
  ],
  [
    "BrokerCluster",
    { brokers: 1 },
    { brokers: 1, storage: {}, listeners: [{ name: "plaintext", port: 9092 }] },
    {
      brokers: 1,
      storage: { size: "10Gi", deletionPolicy: "retain" },
      listeners: [{ name: "plaintext", port: 9092, type: "internal" }],
    },
  ],
  [
    "BrokerCluster",
    { brokers: 2, listeners: [{ name: "a", port: 9094, type: "nodeport", firstNodePort: 31_000 }] },
    {
      brokers: 2,
      storage: {},
      listeners: [
        { name: "a", port: 9094, type: "loadbalancer", advertisedHost: "b-{id}.example" },
        { name: "b", port: 9095, type: "nodeport", firstNodePort: 31_000 },
        { name: "c", port: 9096, type: "nodeport", firstNodePort: 31_003 },
        { name: "plaintext", port: 9092 },
      ],
    },
    {
      brokers: 2,
      storage: { size: "10Gi", deletionPolicy: "retain" },
      listeners: [
        { name: "a", port: 9094, type: "loadbalancer", advertisedHost: "b-{id}.example" },
        { name: "b", port: 9095, type: "nodeport", firstNodePort: 31_000 },
        { name: "c", port: 9096, type: "nodeport", firstNodePort: 31_003 },
        { name: "plaintext", port: 9092, type: "internal" },
      ],
    },
  ],
  [
    "Topic",
    { cluster: "c", partitions: 3 },
    { cluster: "c", partitions: 6, replicas: 2, minInSyncReplicas: 2 },
    { cluster: "c", partitions: 6, replicas: 2, minInSyncReplicas: 2 },
  ],
  [
    "Topic",
    { cluster: "c", partitions: 3 },
    { cluster: "c", expectedPeak: { recordsPerSecond: 5, recordBytes: 10 } },
    { cluster: "c", expectedPeak: { recordsPerSecond: 5, recordBytes: 10 } },
  ],
];

export interface AdmissionUnderTest {
  readonly api: KubeApi;
  /** A namespace that exists. */
  readonly namespace: string;
  /** Whether it has the words of Kubernetes 1.35; older and newer ones have others around our own sentences. */
  readonly exact: boolean;
}

/** What our resource definitions refuse, and in which words; on the local API and on a real API server. */
export function admissionContract(name: string, open: () => Promise<AdmissionUnderTest>): void {
  describe(`admission: ${name}`, () => {
    let api: KubeApi;
    let namespace: string;
    let exact: boolean;
    beforeEach(async () => {
      ({ api, namespace, exact } = await open());
    });

    const make = (kind: Kind, spec: Spec): Promise<Custom> =>
      api.create(KINDS[kind], namespace, {
        apiVersion: API_VERSION,
        kind,
        metadata: { name: NAME, namespace },
        spec,
      });

    async function refused(attempt: Promise<unknown>, kind: Kind, text: string): Promise<void> {
      const error = await attempt.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      assert.ok(error instanceof InvalidError, `not refused: ${String(error)}`);
      if (exact) assert.equal(error.message, `${kind}.forebay.dev "${NAME}" is invalid: ${text}`);
      else if (text.startsWith("spec")) assert.ok(error.message.includes(lastSentence(text)), text);
    }

    async function remove(kind: Kind): Promise<void> {
      await api.delete(KINDS[kind], namespace, NAME);
    }

    for (const [kind, spec, message] of REFUSED) {
      it(`refuses ${kind} ${JSON.stringify(spec)}`, async () => {
        await refused(make(kind, spec), kind, message);
      });
    }

    it("refuses a listener whose Services would have too long a name", async () => {
      const metadata = { name: "a-cluster-whose-name-has-38-characters", namespace };
      const listeners = [{ name: "fifteen-letters", port: 9094, type: "nodeport" }];
      const spec = { brokers: 1, listeners };
      const object = { apiVersion: API_VERSION, kind: "BrokerCluster", metadata, spec };
      await assert.rejects(
        api.create(KINDS.BrokerCluster, namespace, object),
        /a Service is named <cluster>-<listener>-bootstrap, in 63 characters at most; give the/,
      );
    });

    for (const [kind, before, after, message] of FROZEN) {
      it(`refuses ${kind} ${JSON.stringify(after)} after ${JSON.stringify(before)}`, async () => {
        const object = await make(kind, before);
        try {
          const attempt = api.replace(KINDS[kind], namespace, { ...object, spec: after });
          await refused(attempt, kind, message);
        } finally {
          await remove(kind);
        }
      });
    }

    for (const [kind, before, after, expected] of ACCEPTED) {
      it(`accepts ${kind} ${JSON.stringify(after)} after ${JSON.stringify(before)}`, async () => {
        const object = await make(kind, before);
        try {
          const { spec } = await api.replace(KINDS[kind], namespace, { ...object, spec: after });
          assert.deepEqual(spec, expected);
        } finally {
          await remove(kind);
        }
      });
    }
  });
}

function lastSentence(text: string): string {
  return text.slice(text.lastIndexOf(": ") + 2);
}
