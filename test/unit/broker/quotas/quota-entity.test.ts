import assert from "node:assert/strict";
import { ErrorCode } from "../../../../broker/protocol/error-codes.ts";
import {
  changeLimits,
  entityOf,
  type EntityPart,
  ipOf,
  partsOf,
  type QuotaChange,
  valuesOf,
} from "../../../../broker/quotas/quota-entity.ts";
import { quotaFilter } from "../../../../broker/quotas/quota-filter.ts";
import { DEFAULT_ENTITY, type QuotaEntity } from "../../../../cluster/client-quota.ts";
import { refusedWith } from "../handlers/fakes.ts";

const part = (entityType: string, entityName: string | null): EntityPart => ({
  entityType,
  entityName,
});

describe("quota entity", () => {
  const cases: readonly [string, readonly EntityPart[], QuotaEntity | undefined][] = [
    ["a user", [part("user", "a")], { user: "a" }],
    ["any user", [part("user", null)], { user: DEFAULT_ENTITY }],
    [
      "a client id of a user",
      [part("client-id", "c"), part("user", "a")],
      { user: "a", clientId: "c" },
    ],
    ["an address", [part("ip", "192.0.2.1")], { ip: "192.0.2.1" }],
    ["an address of version 6", [part("ip", "2001:db8::1")], { ip: "2001:db8::1" }],
    ["nothing", [], undefined],
    ["a type that does not exist", [part("group", "g")], undefined],
    ["a type of every object", [part("toString", "g")], undefined],
    ["a type twice", [part("user", "a"), part("user", "b")], undefined],
    ["an empty name", [part("user", "")], undefined],
    ["a name that is taken for the default", [part("user", DEFAULT_ENTITY)], undefined],
    ["an address with a user", [part("ip", null), part("user", "a")], undefined],
    ["what is no address", [part("ip", "192.0.2.256")], undefined],
  ];
  for (const [name, parts, entity] of cases) {
    it(`${entity === undefined ? "is not" : "is"} ${name}`, () => {
      if (entity === undefined) refusedWith(ErrorCode.INVALID_REQUEST, () => entityOf(parts));
      else {
        assert.deepEqual(entityOf(parts), entity);
        const byType = (a: EntityPart, b: EntityPart): number =>
          a.entityType < b.entityType ? -1 : 1;
        assert.deepEqual([...partsOf(entity)].sort(byType), [...parts].sort(byType));
      }
    });
  }

  const addresses = [
    ["192.0.2.1:40000", "192.0.2.1"],
    ["::ffff:192.0.2.1:40000", "192.0.2.1"],
    ["2001:db8::1:40000", "2001:db8::1"],
  ] as const;
  for (const [remote, ip] of addresses) {
    it(`finds the address of ${remote}`, () => assert.equal(ipOf(remote), ip));
  }
});

describe("quota limits", () => {
  const set = (key: string, value: number): QuotaChange => ({ key, value, remove: false });
  const remove = (key: string): QuotaChange => ({ key, value: 0, remove: true });
  const user = { user: "a" };
  const cases: readonly [string, QuotaEntity, readonly QuotaChange[], object | undefined][] = [
    ["set one", user, [set("consumer_byte_rate", 5)], { producerByteRate: 1, consumerByteRate: 5 }],
    ["take one out", user, [remove("producer_byte_rate")], {}],
    ["take out what is not there", user, [remove("request_percentage")], { producerByteRate: 1 }],
    [
      "set a share of a percent",
      user,
      [set("request_percentage", 0.5)],
      { producerByteRate: 1, requestPercentage: 0.5 },
    ],
    ["refuse half a byte", user, [set("producer_byte_rate", 0.5)], undefined],
    ["refuse nothing at all", user, [set("producer_byte_rate", 0)], undefined],
    ["refuse less than nothing", user, [set("producer_byte_rate", -1)], undefined],
    ["refuse what is no number", user, [set("request_percentage", NaN)], undefined],
    ["refuse an unknown quota", user, [set("controller_mutation_rate", 1)], undefined],
    ["refuse to take an unknown one out", user, [remove("bytes")], undefined],
    ["refuse connections of a user", user, [set("connection_creation_rate", 1)], undefined],
    ["refuse bytes of an address", { ip: "192.0.2.1" }, [set("producer_byte_rate", 1)], undefined],
  ];
  for (const [name, entity, changes, limits] of cases) {
    it(name, () => {
      const act = (): object => changeLimits({ producerByteRate: 1 }, entity, changes);
      if (limits === undefined) refusedWith(ErrorCode.INVALID_REQUEST, act);
      else assert.deepEqual(act(), limits);
    });
  }

  it("have Kafka's names", () => {
    assert.deepEqual(valuesOf({ requestPercentage: 2, producerByteRate: 1 }), [
      { key: "producer_byte_rate", value: 1 },
      { key: "request_percentage", value: 2 },
    ]);
  });
});

describe("quota filter", () => {
  const [EXACT, DEFAULT, SPECIFIED] = [0, 1, 2];
  const component = (entityType: string, matchType: number, match: string | null = null) => ({
    entityType,
    matchType,
    match,
  });
  const entities: Readonly<Record<string, QuotaEntity>> = {
    a: { user: "a" },
    b: { user: "b" },
    any: { user: DEFAULT_ENTITY },
    both: { user: "a", clientId: "c" },
    client: { clientId: "c" },
    ip: { ip: "192.0.2.1" },
  };
  const cases: readonly [string, ReturnType<typeof component>[], boolean, string][] = [
    ["all without components", [], false, "a b any both client ip"],
    ["none without components, strictly", [], true, ""],
    ["a user, with whatever client id", [component("user", EXACT, "a")], false, "a both"],
    ["a user alone", [component("user", EXACT, "a")], true, "a"],
    ["the default", [component("user", DEFAULT)], false, "any"],
    ["any user alone", [component("user", SPECIFIED)], true, "a b any"],
    [
      "a client id of any user",
      [component("user", SPECIFIED), component("client-id", EXACT, "c")],
      true,
      "both",
    ],
    ["addresses", [component("ip", SPECIFIED)], true, "ip"],
  ];
  for (const [name, components, strict, expected] of cases) {
    it(`lets through ${name}`, () => {
      const matches = quotaFilter(components, strict);
      const found = Object.entries(entities).filter(([, entity]) => matches(entity));
      assert.equal(found.map(([key]) => key).join(" "), expected);
    });
  }

  const { INVALID_REQUEST, UNSUPPORTED_VERSION } = ErrorCode;
  const refusals: readonly [string, ReturnType<typeof component>[], number][] = [
    ["an empty type", [component("", SPECIFIED)], INVALID_REQUEST],
    ["a type that does not exist", [component("group", SPECIFIED)], UNSUPPORTED_VERSION],
    ["a type twice", [component("user", SPECIFIED), component("user", DEFAULT)], INVALID_REQUEST],
    ["a match that does not exist", [component("user", 3)], INVALID_REQUEST],
    ["an exact match of nothing", [component("user", EXACT)], INVALID_REQUEST],
    ["a default with a name", [component("user", DEFAULT, "a")], INVALID_REQUEST],
    [
      "an address with a user",
      [component("ip", SPECIFIED), component("user", SPECIFIED)],
      INVALID_REQUEST,
    ],
  ];
  for (const [name, components, code] of refusals) {
    it(`refuses ${name}`, () => refusedWith(code, () => quotaFilter(components, false)));
  }
});
