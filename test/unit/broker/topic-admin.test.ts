import assert from "node:assert/strict";
import { ProtocolError } from "../../../broker/errors.ts";
import { ErrorCode, errorName } from "../../../broker/protocol/error-codes.ts";
import { collision } from "../../../broker/topic-admin.ts";
import { ConfigOperation } from "../../../broker/topic-config-change.ts";
import { topics } from "../../../cluster/resources.ts";
import { ServerBusyError, UnknownOutcomeError } from "../../../kube/errors.ts";
import type { KubeCall, KubeFault } from "../../../local/api/memory-kube-api.ts";
import { TopicWorld } from "../../support/topic-world.ts";

const { SET, APPEND } = ConfigOperation;

/** Code of the ProtocolError that it is rejected with, or what it came to. */
function outcome(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "done",
    (error: unknown) => {
      assert.ok(error instanceof ProtocolError, String(error));
      return errorName(error.errorCode);
    },
  );
}

describe("topic admin", () => {
  let world: TopicWorld | undefined;
  afterEach(() => world?.stop());

  async function started(
    options: ConstructorParameters<typeof TopicWorld>[0] = {},
  ): Promise<TopicWorld> {
    world = new TopicWorld(options);
    await world.start();
    return world;
  }

  describe("changes of configurations", () => {
    it("at the same time are all there in the end", async () => {
      const { admin, scheduler, topic, read } = bound(await started());
      await topic("a", [{ replicas: [0] }]);
      const names = ["segment.bytes", "retention.bytes", "segment.ms", "retention.ms"];
      const altering = names.map((name) =>
        outcome(admin.alterConfigs("a", [{ name, operation: SET, value: "100" }], false, false)),
      );
      assert.deepEqual(
        await scheduler.until(Promise.all(altering)),
        names.map(() => "done"),
      );
      const { spec } = await read("a");
      assert.deepEqual(Object.keys(spec.config ?? {}).sort(), [...names].sort());
    });

    it("build on what somebody else wrote after this broker last looked", async () => {
      const { admin, scheduler, kube, topic, read } = bound(await started());
      const made = await topic("a", [{ replicas: [0] }]);
      const changing = kube.jsonPatch(topics, "default", made.metadata.name, [
        { op: "add", path: "/spec/config", value: { "cleanup.policy": "compact" } },
      ]);
      const altering = admin.alterConfigs(
        "a",
        [{ name: "cleanup.policy", operation: APPEND, value: "delete" }],
        false,
        false,
      );
      await scheduler.until(Promise.all([changing, altering]));
      assert.deepEqual((await read("a")).spec.config, { "cleanup.policy": "compact,delete" });
    });

    it("are seen by this broker when they are answered", async () => {
      const { admin, scheduler, image, topic } = bound(await started());
      await topic("a", [{ replicas: [0] }]);
      await scheduler.until(
        admin.alterConfigs(
          "a",
          [{ name: "min.insync.replicas", operation: SET, value: "2" }],
          false,
          false,
        ),
      );
      assert.equal(image.topics.get("a")?.config.get("min.insync.replicas"), "2");
    });

    const unknown = new UnknownOutcomeError("the connection was lost");
    const busy = new ServerBusyError(503, "ServiceUnavailable", "later");
    const faults: readonly [string, KubeFault, string, boolean][] = [
      ["whose outcome is unknown and that took effect are done", { after: unknown }, "done", true],
      [
        "whose outcome is unknown and that did not are written again",
        { before: unknown },
        "done",
        true,
      ],
      [
        "that the API cannot take now may be tried again",
        { before: busy },
        "REQUEST_TIMED_OUT",
        false,
      ],
    ];
    for (const [name, fault, expected, written] of faults) {
      it(name, async () => {
        let left = 1;
        const { admin, scheduler, topic, read } = bound(
          await started({
            fault: (call: KubeCall) =>
              call.verb === "jsonPatch" && call.resource.kind === "Topic" && left-- > 0
                ? fault
                : undefined,
          }),
        );
        await topic("a", [{ replicas: [0] }]);
        const altering = admin.alterConfigs(
          "a",
          [{ name: "retention.ms", operation: SET, value: "5" }],
          false,
          false,
        );
        assert.equal(await scheduler.until(outcome(altering)), expected);
        assert.equal((await read("a")).spec.config?.["retention.ms"], written ? "5" : undefined);
      });
    }

    it("are refused for a topic that was made anew under its name", async () => {
      const { admin, scheduler, kube, topic } = bound(await started());
      const made = await topic("a", [{ replicas: [0] }]);
      // This broker has not heard of it yet when it is asked.
      const remaking = kube.delete(topics, "default", made.metadata.name).then(() =>
        kube.create(topics, "default", {
          ...made,
          metadata: { name: made.metadata.name, namespace: "default" },
        }),
      );
      const altering = outcome(
        admin.alterConfigs(
          "a",
          [{ name: "retention.ms", operation: SET, value: "5" }],
          false,
          false,
        ),
      );
      const [, answered] = await scheduler.until(Promise.all([remaking, altering]));
      assert.equal(answered, "UNKNOWN_TOPIC_OR_PARTITION");
    });
  });

  it("changes a topic that was made a moment ago, before this broker has seen it", async () => {
    const { admin, scheduler, image, topic, read } = bound(await started());
    await topic("a", [{ replicas: [0] }]);
    const seen = image.topics.get("a");
    assert(seen !== undefined);
    // As if the watch had not brought it yet; it does while the request waits.
    image.topics.delete("a");
    const change = [{ name: "retention.ms", operation: SET, value: "5" }];
    const altering = outcome(admin.alterConfigs("a", change, false, false));
    await scheduler.advance(100);
    image.topics.set("a", seen);
    image.setController(7);
    assert.equal(await scheduler.until(altering), "done");
    assert.equal((await read("a")).spec.config?.["retention.ms"], "5");
  });

  it("does not know a topic that is not there, or that it never sees", async () => {
    const { admin, scheduler, image, topic } = bound(await started());
    await topic("a", [{ replicas: [0] }]);
    image.topics.delete("a");
    for (const name of ["a", "b", "not a name!"]) {
      const deleting = scheduler.until(outcome(admin.deleteTopic(name, 1000)));
      assert.equal(await deleting, "UNKNOWN_TOPIC_OR_PARTITION", name);
    }
  });

  it("writes wishes of a reassignment side by side, and they are seen when it is done", async () => {
    const { admin, scheduler, image, topic, read } = bound(await started());
    await topic("a", [{ replicas: [0] }, { replicas: [1] }, { replicas: [2] }]);
    const reassigning = [0, 1, 2].map((partition) =>
      admin.reassign("a", [{ partition, replicas: [(partition + 1) % 3] }], true, 1000),
    );
    const refused = await scheduler.until(Promise.all(reassigning));
    assert.deepEqual(
      refused.map(({ size }) => size),
      [0, 0, 0],
    );
    assert.deepEqual((await read("a")).spec.assignments, [[1], [2], [0]]);
    assert.deepEqual(image.topics.get("a")?.assignments, [[1], [2], [0]]);
    const taken = await scheduler.until(
      admin.reassign("a", [{ partition: 1, replicas: null }], true, 1000),
    );
    assert.equal(taken.size, 0);
    assert.deepEqual((await read("a")).spec.assignments, [[1], [1], [0]]);
  });

  it("refuses a topic that the names of metrics could not tell from another", async () => {
    const { admin, scheduler, topic } = bound(await started());
    await topic("a.b", [{ replicas: [0] }]);
    const wanted = { partitions: 1, replicationFactor: 1, validateOnly: true };
    const create = (name: string): Promise<string> =>
      scheduler.until(outcome(admin.createTopic({ ...wanted, name }, 1000)));
    assert.equal(await create("a_b"), "INVALID_TOPIC_EXCEPTION");
    assert.equal(await create("a.b"), "TOPIC_ALREADY_EXISTS");
    assert.equal(await create("a-b"), "done");
  });

  const collisions: readonly [string, readonly string[], string | undefined][] = [
    ["a.b", ["a_b"], "a_b"],
    ["a_b.c", ["x", "a.b_c"], "a.b_c"],
    ["a.b", ["a.b"], undefined],
    ["a.b", ["a.bc", "a-b", "ab"], undefined],
    ["ab", ["ab"], undefined],
  ];
  for (const [name, names, other] of collisions) {
    it(`${other === undefined ? "tells" : "does not tell"} ${name} from ${names.join(", ")}`, () => {
      assert.equal(collision(name, names), other);
    });
  }

  it("makes the topic of offsets as the broker needs it when a client asks for it", async () => {
    const { admin, scheduler, read } = bound(
      await started({ config: { "offsets.topic.num.partitions": "7" } }),
    );
    const creating = outcome(admin.autoCreate("__consumer_offsets", 10));
    assert.equal(await scheduler.until(creating), "REQUEST_TIMED_OUT");
    const { spec } = await read("__consumer_offsets");
    assert.deepEqual([spec.partitions, spec.config?.["cleanup.policy"]], [7, "compact"]);
    assert.equal(
      await scheduler.until(outcome(admin.autoCreate("__transaction_state", 10))),
      "UNKNOWN_TOPIC_OR_PARTITION",
    );
  });

  it("creates only so many topics by itself at the same time", async () => {
    const { admin, scheduler, kube } = bound(await started());
    const asked = Array.from({ length: 150 }, (_, at) => outcome(admin.autoCreate(`t${at}`, 10)));
    const answers = await scheduler.until(Promise.all(asked));
    assert.deepEqual(
      answers.map((answer) => answer === errorName(ErrorCode.LEADER_NOT_AVAILABLE)),
      answers.map((_, at) => at >= 100),
    );
    assert.equal((await scheduler.until(kube.list(topics, "default"))).items.length, 100);
  });
});

/** The world's parts, to be taken apart. */
function bound(
  world: TopicWorld,
): Pick<TopicWorld, "admin" | "scheduler" | "kube" | "image" | "topic" | "read"> {
  const { admin, scheduler, kube, image } = world;
  return {
    admin,
    scheduler,
    kube,
    image,
    topic: (...args) => world.topic(...args),
    read: (name) => world.read(name),
  };
}
