"""The scenarios with confluent-kafka, which is librdkafka."""

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
)

from scenarios import Record, main

TOPIC = ConfigResource.Type.TOPIC


def record_of(message):
    key = message.key()
    return Record(message.partition(), message.offset(), key and key.decode(), message.value())


class Member:
    def __init__(self, consumer, topic):
        self.consumer = consumer
        self.topic = topic

    def poll(self, seconds):
        records = []
        for message in self.consumer.consume(500, seconds):
            if message.error() is not None:
                raise KafkaException(message.error())
            records.append(record_of(message))
        return records

    def assignment(self):
        return [one.partition for one in self.consumer.assignment()]

    def commit(self, records):
        following = {one.partition: one.offset + 1 for one in records}
        offsets = [TopicPartition(self.topic, *one) for one in following.items()]
        self.consumer.commit(offsets=offsets, asynchronous=False)

    def leave(self):
        self.consumer.close()


class Driver:
    not_in_api = {}
    no_offset = -1

    def __init__(self, bootstrap):
        self.common = {"bootstrap.servers": bootstrap, "log_level": 0}
        self.admin = AdminClient(self.common)

    def code_of(self, error):
        cause = error.args[0] if error.args else None
        return cause.code() if isinstance(cause, KafkaError) else None

    def brokers(self):
        return len(self.admin.list_topics(timeout=10).brokers)

    def create_topic(self, name, partitions, configs={}):
        self.admin.create_topics([NewTopic(name, partitions, config=configs)])[name].result()

    def partitions(self, name):
        return len(self.admin.list_topics(name, timeout=10).topics[name].partitions)

    def produce(self, topic, records, codec=None, idempotent=False):
        producer = Producer(
            {
                **self.common,
                "acks": "all",
                "linger.ms": 5,
                "compression.type": codec or "none",
                "enable.idempotence": idempotent,
                "message.max.bytes": 4_000_000,
            }
        )
        failures = []

        def delivered(error, _):
            if error is not None:
                failures.append(error)

        for one in records:
            more = {} if one.timestamp is None else {"timestamp": one.timestamp}
            producer.produce(topic, one.value, one.key, on_delivery=delivered, **more)
        assert producer.flush(30) == 0
        if failures:
            raise KafkaException(failures[0])

    def consumer(self, **more):
        return Consumer(
            {
                **self.common,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "session.timeout.ms": 10_000,
                "heartbeat.interval.ms": 500,
                "fetch.wait.max.ms": 200,
                **more,
            }
        )

    def join(self, group, topic):
        consumer = self.consumer(**{"group.id": group})
        consumer.subscribe([topic])
        return Member(consumer, topic)

    def read(self, topic, enough):
        consumer = self.consumer(**{"group.id": "none"})
        consumer.assign([TopicPartition(topic, 0, 0)])
        reader = Member(consumer, topic)
        records = []
        while not enough(records):
            records += reader.poll(0.5)
        consumer.close()
        return records

    def read_all(self, topic, count):
        return self.read(topic, lambda records: len(records) >= count)

    def read_until(self, topic, key):
        return self.read(topic, lambda records: records and records[-1].key == key)

    def committed(self, group, _topic):
        asked = self.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
        return sum(one.offset for one in asked[group].result().topic_partitions)

    def offset_at(self, topic, at):
        special = {"earliest": OffsetSpec.earliest, "latest": OffsetSpec.latest}
        spec = special[at]() if at in special else OffsetSpec.for_timestamp(at)
        partition = TopicPartition(topic, 0)
        return self.admin.list_offsets({partition: spec})[partition].result().offset

    def topics(self):
        return list(self.admin.list_topics(timeout=10).topics)

    def add_partitions(self, topic, count):
        self.admin.create_partitions([NewPartitions(topic, count)])[topic].result()

    def groups(self):
        return [one.group_id for one in self.admin.list_consumer_groups().result().valid]

    def describe_group(self, group):
        found = self.admin.describe_consumer_groups([group])[group].result()
        return found.state.name.capitalize(), len(found.members)

    def delete_group(self, group):
        self.admin.delete_consumer_groups([group])[group].result()

    def delete_topic(self, topic):
        self.admin.delete_topics([topic])[topic].result()

    def config(self, topic, name):
        resource = ConfigResource(TOPIC, topic)
        return self.admin.describe_configs([resource])[resource].result()[name].value

    def set_config(self, topic, name, value):
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(TOPIC, topic, incremental_configs=[entry])
        self.admin.incremental_alter_configs([resource])[resource].result()

    def delete_records(self, topic, offset):
        partition = TopicPartition(topic, 0, offset)
        self.admin.delete_records([partition])[partition].result()

    def ask_unknown(self, topic):
        consumer = self.consumer(**{"group.id": "none", "allow.auto.create.topics": False})
        consumer.subscribe([topic])
        while not (messages := consumer.consume(1, 1)):
            pass
        consumer.close()
        return messages[0].error().code()


main(Driver)
