import assert from "node:assert/strict";
import { BrokerConfig } from "../../../broker/config.ts";
import { ErrorCode } from "../../../broker/protocol/error-codes.ts";
import {
  changeTopicConfig,
  type ConfigChange,
  ConfigOperation,
  ownTopicConfig,
  writeTopicConfig,
} from "../../../broker/topic-config-change.ts";
import { refusedWith } from "./handlers/fakes.ts";

const { SET, DELETE, APPEND, SUBTRACT } = ConfigOperation;
const change = (name: string, operation: number, value: string | null = null): ConfigChange => ({
  name,
  operation,
  value,
});

const own = new Map([
  ["retention.ms", "1000"],
  ["cleanup.policy", "compact"],
]);

describe("changes of a topic's configuration", () => {
  const cases: readonly {
    readonly name: string;
    readonly changes: readonly ConfigChange[];
    readonly replaceAll?: boolean;
    readonly becomes: Readonly<Record<string, string>> | { readonly code: number };
  }[] = [
    {
      name: "sets one and keeps the others",
      changes: [change("segment.bytes", SET, "14")],
      becomes: { "retention.ms": "1000", "cleanup.policy": "compact", "segment.bytes": "14" },
    },
    {
      name: "deletes one",
      changes: [change("retention.ms", DELETE)],
      becomes: { "cleanup.policy": "compact" },
    },
    {
      name: "deletes what is not there, and what nobody knows",
      changes: [
        change("segment.ms", DELETE),
        change("leader.replication.throttled.replicas", DELETE),
      ],
      becomes: { "retention.ms": "1000", "cleanup.policy": "compact" },
    },
    {
      name: "appends to a list what is not in it",
      changes: [change("cleanup.policy", APPEND, "delete,compact")],
      becomes: { "retention.ms": "1000", "cleanup.policy": "compact,delete" },
    },
    {
      name: "refuses to empty a list that must hold something",
      changes: [change("cleanup.policy", SUBTRACT, "compact")],
      becomes: { code: ErrorCode.INVALID_CONFIG },
    },
    {
      name: "replaces all",
      changes: [change("retention.ms", SET, "5")],
      replaceAll: true,
      becomes: { "retention.ms": "5" },
    },
    {
      name: "refuses to append to a number",
      changes: [change("retention.ms", APPEND, "5")],
      becomes: { code: ErrorCode.INVALID_CONFIG },
    },
    {
      name: "refuses a value that it cannot have",
      changes: [change("retention.ms", SET, "soon")],
      becomes: { code: ErrorCode.INVALID_CONFIG },
    },
    {
      name: "refuses a name that nobody knows",
      changes: [change("retention", SET, "5")],
      becomes: { code: ErrorCode.INVALID_CONFIG },
    },
    {
      name: "refuses a missing value",
      changes: [change("retention.ms", SET)],
      becomes: { code: ErrorCode.INVALID_REQUEST },
    },
    {
      name: "refuses a name given twice",
      changes: [change("retention.ms", SET, "5"), change("retention.ms", DELETE)],
      becomes: { code: ErrorCode.INVALID_REQUEST },
    },
    {
      name: "refuses an operation that does not exist",
      changes: [change("retention.ms", 4, "5")],
      becomes: { code: ErrorCode.INVALID_REQUEST },
    },
  ];
  for (const { name, changes, replaceAll = false, becomes } of cases) {
    it(name, () => {
      const act = (): Map<string, string> =>
        changeTopicConfig(own, changes, replaceAll, new BrokerConfig());
      if ("code" in becomes && typeof becomes.code === "number") refusedWith(becomes.code, act);
      else assert.deepEqual(Object.fromEntries(act()), becomes);
    });
  }

  it("appends to the broker's list when the topic has none of its own", () => {
    const broker = new BrokerConfig(new Map([["log.cleanup.policy", "compact"]]));
    const changes = [change("cleanup.policy", APPEND, "delete")];
    assert.deepEqual(
      [...changeTopicConfig(new Map(), changes, false, broker)],
      [["cleanup.policy", "compact,delete"]],
    );
  });

  it("keeps the minimum of in-sync replicas in a field of its own", () => {
    const spec = { cluster: "c", config: { "retention.ms": "1" }, minInSyncReplicas: 2 };
    assert.equal(ownTopicConfig(spec).get("min.insync.replicas"), "2");
    const wanted = new Map([["min.insync.replicas", "1"]]);
    assert.deepEqual(writeTopicConfig(spec, wanted), [
      { op: "add", path: "/spec/config", value: {} },
      { op: "add", path: "/spec/minInSyncReplicas", value: 1 },
    ]);
    assert.deepEqual(writeTopicConfig(spec, new Map([["retention.ms", "1"]])), [
      { op: "remove", path: "/spec/minInSyncReplicas" },
    ]);
    assert.deepEqual(writeTopicConfig(spec, ownTopicConfig(spec)), []);
  });
});
