"""The scenarios with kafka-python."""

import logging
import queue
import re
import threading
from concurrent.futures import Future

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka import errors
from kafka.admin import ConfigResource, OffsetSpec

from scenarios import Record, main

logging.disable(logging.CRITICAL)


def records_of(batches):
    return [
        Record(one.partition, one.offset, one.key and one.key.decode(), one.value)
        for batch in batches.values()
        for one in batch
    ]


class Member:
    """Polls in a thread of its own, as an application does.

    It needs that: a join that ends while nobody waits for it in a poll is begun again by the next one.
    """

    def __init__(self, consumer, topic):
        self.consumer = consumer
        self.topic = topic
        self.waiting = queue.Queue()
        self.asked = queue.Queue()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.asked.empty() or self.asked.get()():
            for record in records_of(self.consumer.poll(timeout_ms=2000)):
                self.waiting.put(record)

    def in_thread(self, call, go_on=True):
        done = Future()

        def run():
            try:
                done.set_result(call())
            except Exception as error:
                done.set_exception(error)
            return go_on

        self.asked.put(run)
        return done.result()

    def poll(self, seconds):
        try:
            records = [self.waiting.get(timeout=seconds)]
            while not self.waiting.empty():
                records.append(self.waiting.get())
            return records
        except queue.Empty:
            return []

    def assignment(self):
        return [one.partition for one in self.consumer.assignment()]

    def commit(self, records):
        offsets = {
            TopicPartition(self.topic, one.partition): OffsetAndMetadata(one.offset + 1, "", -1)
            for one in records
        }
        self.in_thread(lambda: self.consumer.commit(offsets))

    def leave(self):
        self.in_thread(lambda: self.consumer.close(autocommit=False), go_on=False)


class Driver:
    not_in_api = {}
    no_offset = -1

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap.split(",")
        self.admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)

    def code_of(self, error):
        return getattr(error, "errno", None)

    def brokers(self):
        return len(self.admin.describe_cluster()["brokers"])

    def create_topic(self, name, partitions, configs={}):
        self.admin.create_topics(
            {name: {"num_partitions": partitions, "configs": configs}}, wait_for_metadata=True
        )

    def partitions(self, name):
        return len(self.admin.describe_topics([name])[0]["partitions"])

    def produce(self, topic, records, codec=None, idempotent=False):
        producer = KafkaProducer(
            bootstrap_servers=self.bootstrap,
            acks="all",
            compression_type=codec,
            enable_idempotence=idempotent,
            max_request_size=4_000_000,
            linger_ms=5,
        )
        try:
            sent = [
                producer.send(
                    topic,
                    key=one.key and one.key.encode(),
                    value=one.value,
                    timestamp_ms=one.timestamp,
                )
                for one in records
            ]
            for one in sent:
                one.get(timeout=30)
        finally:
            producer.close()

    def join(self, group, topic):
        consumer = KafkaConsumer(
            topic,
            group_id=group,
            bootstrap_servers=self.bootstrap,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            heartbeat_interval_ms=500,
        )
        return Member(consumer, topic)

    def read(self, topic, enough):
        consumer = KafkaConsumer(
            bootstrap_servers=self.bootstrap, group_id=None, auto_offset_reset="earliest"
        )
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        records = []
        while not enough(records):
            records += records_of(consumer.poll(timeout_ms=500))
        consumer.close()
        return records

    def read_all(self, topic, count):
        return self.read(topic, lambda records: len(records) >= count)

    def read_until(self, topic, key):
        return self.read(topic, lambda records: records and records[-1].key == key)

    def committed(self, group, _topic):
        return sum(one.offset for one in self.admin.list_group_offsets(group)[group].values())

    def offset_at(self, topic, at):
        spec = {"earliest": OffsetSpec.EARLIEST, "latest": OffsetSpec.LATEST}.get(at, at)
        partition = TopicPartition(topic, 0)
        return self.admin.list_partition_offsets({partition: spec})[partition].offset

    def topics(self):
        return self.admin.list_topics()

    def add_partitions(self, topic, count):
        self.admin.create_partitions({topic: count})

    def groups(self):
        return [one["group_id"] for one in self.admin.list_groups()]

    def describe_group(self, group):
        found = self.admin.describe_groups([group])[group]
        return found["group_state"], len(found["members"])

    def delete_group(self, group):
        assert self.admin.delete_groups([group]) == {group: "OK"}

    def delete_topic(self, topic):
        self.admin.delete_topics([topic])

    def config(self, topic, name):
        found = self.admin.describe_configs(
            [ConfigResource("topic", topic, [name])], config_filter="all"
        )
        return found["topic"][topic][name]["value"]

    def set_config(self, topic, name, value):
        done = self.admin.alter_configs([ConfigResource("topic", topic, {name: value})])
        for result in done["topic"].values():
            if result != "OK":
                # It gives the refusal as a text that begins with "[Error CODE]".
                code = int(re.match(r"\[Error (\d+)\]", result).group(1))
                raise errors.for_code(code)(result)

    def delete_records(self, topic, offset):
        self.admin.delete_records({TopicPartition(topic, 0): offset})

    def ask_unknown(self, topic):
        return self.admin.describe_topics([topic])[0]["error_code"]


main(Driver)
