"""The scenarios of ../README.md over a driver: what one client library can do, in one shape.

Prints a line of JSON for each scenario.
"""

import json
import os
import sys
import threading
import time
import traceback
from collections import namedtuple

LIMIT_S = 60
TOPIC_ALREADY_EXISTS = 36
UNKNOWN_TOPIC_OR_PARTITION = 3
MESSAGE_TOO_LARGE = 10
INVALID_CONFIG = 40
INVALID_RECORD = 87

# key: str or None, value: bytes, timestamp: milliseconds or None
ToProduce = namedtuple("ToProduce", "key value timestamp", defaults=[None])
Record = namedtuple("Record", "partition offset key value")


def numbered(count, timestamp=None):
    return [ToProduce(f"k{i % 7}", str(i).encode(), timestamp) for i in range(count)]


def values(records):
    return sorted(record.value for record in records)


def equal(actual, expected):
    assert actual == expected, f"{str(actual)[:300]} in place of {str(expected)[:300]}"


def take(member, count):
    """Polls until the member has given `count` records.

    A member that has to join again starts from what was committed, and may give what it gave before: that does not
    count.
    """
    records = {}
    while len(records) < count:
        for record in member.poll(0.5):
            records.setdefault((record.partition, record.offset), record)
    return list(records.values())


def refused(driver, code, call):
    """The call is refused with this code of the protocol."""
    try:
        call()
    except Exception as error:
        equal((driver.code_of(error), str(error)), (code, str(error)))
        return
    raise AssertionError(f"was not refused with {code}")


def until(look):
    """Looks again until it is so; the scenario's own limit ends it.

    One broker hears of a change later than another, and may know nothing of a new topic.
    """
    while True:
        try:
            if look():
                return
        except Exception:
            pass
        time.sleep(0.1)


def connect(driver, _):
    assert driver.brokers() >= 1


def create_topic(driver, name):
    driver.create_topic(name, 4)
    until(lambda: driver.partitions(name) == 4)
    refused(driver, TOPIC_ALREADY_EXISTS, lambda: driver.create_topic(name, 4))


def round_trip(codec):
    def scenario(driver, name):
        driver.create_topic(name, 1)
        records = [
            ToProduce(f"k{i}", f"{i}:".ljust(1000, "x").encode()) for i in range(100)
        ]
        driver.produce(name, records, codec=codec)
        equal(values(driver.read_all(name, 100)), values(records))

    return scenario


def consume_group(driver, name):
    driver.create_topic(name, 4)
    driver.produce(name, numbered(200))
    member = driver.join(name, name)
    equal(values(take(member, 200)), values(numbered(200)))
    member.leave()


def commit_resume(driver, name):
    driver.create_topic(name, 2)
    driver.produce(name, numbered(100))
    first = driver.join(name, name)
    before = take(first, 40)[:40]
    first.commit(before)
    first.leave()
    second = driver.join(name, name)
    after = take(second, 60)
    second.commit(after)
    second.leave()
    equal(values(before + after), values(numbered(100)))
    equal(driver.committed(name, name), 100)


def rebalance(driver, name):
    driver.create_topic(name, 4)
    members = [driver.join(name, name)]

    def settled(count):
        for member in members:
            member.poll(0.2)
        owned = [sorted(member.assignment()) for member in members]
        return all(len(one) == count for one in owned) and sorted(sum(owned, [])) == [0, 1, 2, 3]

    until(lambda: settled(4))
    members.append(driver.join(name, name))
    until(lambda: settled(2))
    members.pop(0).leave()
    until(lambda: settled(4))
    members.pop(0).leave()


def offsets_by_timestamp(driver, name):
    driver.create_topic(name, 1)
    start = int(time.time() * 1000) - 100_000
    for i in range(10):
        driver.produce(name, numbered(1, timestamp=start + i * 1000))
    equal(driver.offset_at(name, start + 4500), 5)
    equal(driver.offset_at(name, start + 5000), 5)
    equal(driver.offset_at(name, "earliest"), 0)
    equal(driver.offset_at(name, "latest"), 10)
    equal(driver.offset_at(name, start + 60_000), driver.no_offset)


def idempotence(driver, name):
    driver.create_topic(name, 1)
    driver.produce(name, numbered(500), idempotent=True)
    read = driver.read_all(name, 500)
    equal([record.value for record in read], [record.value for record in numbered(500)])


def admin(driver, name):
    driver.create_topic(name, 2)
    until(lambda: name in driver.topics())
    driver.add_partitions(name, 4)
    until(lambda: driver.partitions(name) == 4)
    driver.produce(name, numbered(10))
    member = driver.join(name, name)
    take(member, 10)
    equal(driver.describe_group(name), ("Stable", 1))
    member.leave()
    assert name in driver.groups()
    if hasattr(driver, "delete_group"):
        driver.delete_group(name)
        assert name not in driver.groups()
    driver.delete_topic(name)
    until(lambda: name not in driver.topics())


def configs(driver, name):
    driver.create_topic(name, 1)
    until(lambda: driver.config(name, "retention.ms") == "604800000")
    driver.set_config(name, "retention.ms", "3600000")
    until(lambda: driver.config(name, "retention.ms") == "3600000")
    refused(driver, INVALID_CONFIG, lambda: driver.set_config(name, "retention.ms", "soon"))


def delete_records(driver, name):
    driver.create_topic(name, 1)
    driver.produce(name, numbered(10))
    driver.delete_records(name, 5)
    equal(driver.offset_at(name, "earliest"), 5)
    equal(values(driver.read_all(name, 5)), [b"5", b"6", b"7", b"8", b"9"])


def record_900kb(driver, name):
    driver.create_topic(name, 1)
    value = os.urandom(900_000)
    driver.produce(name, [ToProduce("k", value)])
    assert driver.read_all(name, 1)[0].value == value


def oversize_refused(driver, name):
    driver.create_topic(name, 1)
    big = [ToProduce("k", os.urandom(1_200_000))]
    refused(driver, MESSAGE_TOO_LARGE, lambda: driver.produce(name, big))
    driver.produce(name, numbered(1))
    equal(len(driver.read_all(name, 1)), 1)


def unknown_topic(driver, name):
    if hasattr(driver, "ask_unknown"):
        equal(driver.ask_unknown(name), UNKNOWN_TOPIC_OR_PARTITION)
    refused(driver, UNKNOWN_TOPIC_OR_PARTITION, lambda: driver.delete_topic(name))


def compacted_topic(driver, name):
    driver.create_topic(
        name,
        1,
        {"cleanup.policy": "compact", "segment.ms": "1000", "min.cleanable.dirty.ratio": "0.01"},
    )
    code = getattr(driver, "invalid_record", INVALID_RECORD)
    refused(driver, code, lambda: driver.produce(name, [ToProduce(None, b"no key")]))
    for i in range(10):
        driver.produce(name, [ToProduce(key, str(i).encode()) for key in "abc"])
    # The next append after segment.ms closes the segment, and only closed ones are compacted.
    time.sleep(1.5)
    driver.produce(name, [ToProduce("last", b"x")])

    def compacted():
        read = driver.read_until(name, "last")
        found = [(record.key, record.value) for record in read]
        return found == [("a", b"9"), ("b", b"9"), ("c", b"9"), ("last", b"x")]

    until(compacted)


SCENARIOS = {
    "connect": connect,
    "create-topic": create_topic,
    "produce-none": round_trip(None),
    "produce-gzip": round_trip("gzip"),
    "produce-snappy": round_trip("snappy"),
    "produce-lz4": round_trip("lz4"),
    "produce-zstd": round_trip("zstd"),
    "consume-group": consume_group,
    "commit-resume": commit_resume,
    "rebalance": rebalance,
    "offsets-by-timestamp": offsets_by_timestamp,
    "idempotence": idempotence,
    "admin": admin,
    "configs": configs,
    "delete-records": delete_records,
    "record-900kb": record_900kb,
    "oversize-refused": oversize_refused,
    "unknown-topic": unknown_topic,
    "compacted-topic": compacted_topic,
}


def attempt(run, driver, name):
    """Runs it in a thread of its own, so that one that hangs is left behind."""
    outcome = {"result": "fail", "reason": f"not done within {LIMIT_S} s"}

    def body():
        try:
            run(driver, name)
            outcome.clear()
            outcome["result"] = "ok"
        except BaseException:
            outcome["reason"] = traceback.format_exc()[-1000:]

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    return dict(outcome)


def main(open_driver):
    bootstrap, prefix, *only = sys.argv[1:]
    driver = open_driver(bootstrap)
    for scenario, run in SCENARIOS.items():
        if only and scenario not in only[0].split(","):
            continue
        reason = driver.not_in_api.get(scenario)
        if reason is None:
            line = attempt(run, driver, f"{prefix}-{scenario}")
        else:
            line = {"result": "n/a", "reason": reason}
        print(json.dumps({"scenario": scenario, **line}), flush=True)
    os._exit(0)
