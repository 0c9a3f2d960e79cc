"""The scenarios with aiokafka; its coroutines run in a loop of their own."""

import asyncio
import logging
import threading

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, OffsetAndMetadata, TopicPartition
from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from scenarios import Record, main

logging.disable(logging.CRITICAL)

LOOP = asyncio.new_event_loop()
threading.Thread(target=LOOP.run_forever, daemon=True).start()


def wait(coroutine):
    return asyncio.run_coroutine_threadsafe(coroutine, LOOP).result()


async def made(factory, *args, **options):
    """Calls in the loop: its clients look for the one that is running."""
    return factory(*args, **options)


def check(code, message=""):
    if code != 0:
        raise errors.for_code(code)(message)


class Member:
    def __init__(self, consumer, topic):
        self.consumer = consumer
        self.topic = topic

    def poll(self, seconds):
        batches = wait(self.consumer.getmany(timeout_ms=int(seconds * 1000)))
        return [
            Record(one.partition, one.offset, one.key and one.key.decode(), one.value)
            for batch in batches.values()
            for one in batch
        ]

    def assignment(self):
        return [one.partition for one in self.consumer.assignment()]

    def commit(self, records):
        offsets = {
            TopicPartition(self.topic, one.partition): OffsetAndMetadata(one.offset + 1, "")
            for one in records
        }
        wait(self.consumer.commit(offsets))

    def leave(self):
        wait(self.consumer.stop())


class Driver:
    not_in_api = {}
    no_offset = None
    # It does not know INVALID_RECORD, and gives every code that it does not know as -1.
    invalid_record = -1

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap.split(",")
        self.admin = wait(made(AIOKafkaAdminClient, bootstrap_servers=self.bootstrap))
        wait(self.admin.start())

    def code_of(self, error):
        return getattr(error, "errno", None)

    def brokers(self):
        return len(wait(self.admin.describe_cluster())["brokers"])

    def create_topic(self, name, partitions, configs={}):
        topic = NewTopic(name, partitions, min(3, self.brokers()), topic_configs=configs)
        for _, code, *message in wait(self.admin.create_topics([topic])).topic_errors:
            check(code, message)

    def partitions(self, name):
        return len(wait(self.admin.describe_topics([name]))[0]["partitions"])

    def produce(self, topic, records, codec=None, idempotent=False):
        producer = wait(
            made(
                AIOKafkaProducer,
                bootstrap_servers=self.bootstrap,
                acks="all",
                compression_type=codec,
                enable_idempotence=idempotent,
                max_request_size=4_000_000,
                linger_ms=5,
            )
        )
        wait(producer.start())
        try:
            wait(self.send_all(producer, topic, records))
        finally:
            wait(producer.stop())

    async def send_all(self, producer, topic, records):
        sent = [
            await producer.send(
                topic, one.value, one.key and one.key.encode(), timestamp_ms=one.timestamp
            )
            for one in records
        ]
        await asyncio.gather(*sent)

    def consumer(self, *topics, **more):
        consumer = wait(
            made(
                AIOKafkaConsumer,
                *topics,
                bootstrap_servers=self.bootstrap,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                heartbeat_interval_ms=500,
                **more,
            )
        )
        wait(consumer.start())
        return consumer

    def join(self, group, topic):
        return Member(self.consumer(topic, group_id=group), topic)

    def read(self, topic, enough):
        consumer = self.consumer()
        wait(made(consumer.assign, [TopicPartition(topic, 0)]))
        reader = Member(consumer, topic)
        records = []
        while not enough(records):
            records += reader.poll(0.5)
        reader.leave()
        return records

    def read_all(self, topic, count):
        return self.read(topic, lambda records: len(records) >= count)

    def read_until(self, topic, key):
        return self.read(topic, lambda records: records and records[-1].key == key)

    def committed(self, group, _topic):
        found = wait(self.admin.list_consumer_group_offsets(group))
        return sum(one.offset for one in found.values())

    def offset_at(self, topic, at):
        partition = TopicPartition(topic, 0)
        consumer = self.consumer()
        try:
            if at == "earliest":
                return wait(consumer.beginning_offsets([partition]))[partition]
            if at == "latest":
                return wait(consumer.end_offsets([partition]))[partition]
            found = wait(consumer.offsets_for_times({partition: at}))[partition]
            return found and found.offset
        finally:
            wait(consumer.stop())

    def topics(self):
        return wait(self.admin.list_topics())

    def add_partitions(self, topic, count):
        wait(self.admin.create_partitions({topic: NewPartitions(count)}))

    def groups(self):
        return [group for group, *_ in wait(self.admin.list_consumer_groups())]

    def describe_group(self, group):
        response = wait(self.admin.describe_consumer_groups([group]))[0]
        _, _, state, _, _, members, *_ = response.groups[0]
        return state, len(members)

    def delete_topic(self, topic):
        response = wait(self.admin.delete_topics([topic]))
        for _, code in response.topic_error_codes:
            check(code)

    def config(self, topic, name):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, {name: None})
        response = wait(self.admin.describe_configs([resource]))[0]
        code, message, _, _, entries = response.resources[0]
        check(code, message)
        return entries[0][1]

    def set_config(self, topic, name, value):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, {name: value})
        response = wait(self.admin.alter_configs([resource]))[0]
        for code, message, *_ in response.resources:
            check(code, message)

    def delete_records(self, topic, offset):
        wait(self.admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(offset)}))


main(Driver)
