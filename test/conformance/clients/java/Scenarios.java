import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** The scenarios of ../README.md with Apache Kafka's own client. */
public class Scenarios {
    static final int LIMIT_S = 60;
    static String bootstrap;
    static Admin admin;

    interface Scenario { void run(String name) throws Exception; }
    interface Call { void run() throws Exception; }
    interface Look { boolean get() throws Exception; }
    record Sent(String key, byte[] value, Long timestamp) {}

    static final Map<String, Scenario> SCENARIOS = new LinkedHashMap<>();
    static {
        SCENARIOS.put("connect", name -> check(!admin.describeCluster().nodes().get().isEmpty(), "no brokers"));
        SCENARIOS.put("create-topic", Scenarios::createTopic);
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd"))
            SCENARIOS.put("produce-" + codec, name -> roundTrip(name, codec));
        SCENARIOS.put("consume-group", Scenarios::consumeGroup);
        SCENARIOS.put("commit-resume", Scenarios::commitResume);
        SCENARIOS.put("rebalance", Scenarios::rebalance);
        SCENARIOS.put("offsets-by-timestamp", Scenarios::offsetsByTimestamp);
        SCENARIOS.put("idempotence", Scenarios::idempotence);
        SCENARIOS.put("admin", Scenarios::admin);
        SCENARIOS.put("configs", Scenarios::configs);
        SCENARIOS.put("delete-records", Scenarios::deleteRecords);
        SCENARIOS.put("record-900kb", Scenarios::record900kb);
        SCENARIOS.put("oversize-refused", Scenarios::oversizeRefused);
        SCENARIOS.put("unknown-topic", Scenarios::unknownTopic);
        SCENARIOS.put("compacted-topic", Scenarios::compactedTopic);
    }

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
        Set<String> only = args.length > 2 ? Set.of(args[2].split(",")) : SCENARIOS.keySet();
        for (Map.Entry<String, Scenario> one : SCENARIOS.entrySet()) {
            if (!only.contains(one.getKey())) continue;
            String failed = attempt(one.getValue(), args[1] + "-" + one.getKey());
            String result = failed == null ? "\"ok\"" : "\"fail\",\"reason\":" + quoted(failed);
            System.out.println("{\"scenario\":\"" + one.getKey() + "\",\"result\":" + result + "}");
        }
        System.exit(0);
    }

    /** Why it failed, or null. In a thread of its own: one that hangs is left behind. */
    static String attempt(Scenario scenario, String name) throws Exception {
        ExecutorService thread = Executors.newSingleThreadExecutor();
        Future<?> done = thread.submit(() -> { scenario.run(name); return null; });
        try {
            done.get(LIMIT_S, TimeUnit.SECONDS);
            return null;
        } catch (TimeoutException late) {
            return "not done within " + LIMIT_S + " s";
        } catch (ExecutionException failed) {
            Throwable cause = failed.getCause();
            String where = Stream.of(cause.getStackTrace()).filter(at -> at.getClassName().equals("Scenarios"))
                .map(StackTraceElement::toString).collect(Collectors.joining(" < "));
            return cause + " at " + where;
        } finally {
            thread.shutdownNow();
        }
    }

    static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') out.append('\\').append(c);
            else if (c < ' ') out.append(' ');
            else out.append(c);
        }
        return out.append('"').toString();
    }

    // Steps that scenarios share.

    static void check(boolean right, String wrong) {
        if (!right) throw new AssertionError(wrong);
    }

    static void equal(Object actual, Object expected) {
        check(actual.equals(expected), actual + " in place of " + expected);
    }

    static void refused(Errors code, Call call) throws Exception {
        Throwable error = null;
        try {
            call.run();
        } catch (ApiException | ExecutionException thrown) {
            error = thrown instanceof ExecutionException ? thrown.getCause() : thrown;
        }
        check(error != null, "was not refused with " + code);
        check(Errors.forException(error) == code, error + " in place of " + code);
    }

    /**
     * Looks again until it is so: one broker hears of a change later than another, and may know nothing of a new topic.
     * The scenario's own limit ends it.
     */
    static void until(Look look) throws Exception {
        while (true) {
            try {
                if (look.get()) return;
            } catch (ApiException | ExecutionException notYet) {
            }
            Thread.sleep(100);
        }
    }

    static void create(String topic, int partitions, Map<String, String> configs) throws Exception {
        NewTopic made = new NewTopic(topic, java.util.Optional.of(partitions), java.util.Optional.empty());
        admin.createTopics(List.of(made.configs(configs))).all().get();
    }

    static int partitions(String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
    }

    static List<Sent> numbered(int count) {
        return IntStream.range(0, count).mapToObj(i -> new Sent("k" + i % 7, bytes("" + i), null)).toList();
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static void produce(String topic, List<Sent> records, Map<String, String> more) throws Exception {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("acks", "all");
        config.put("linger.ms", "5");
        config.put("enable.idempotence", "false");
        config.put("max.request.size", "4000000");
        config.putAll(more);
        try (var producer = new KafkaProducer<>(config, new StringSerializer(), new ByteArraySerializer())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (Sent one : records)
                sent.add(producer.send(new ProducerRecord<>(topic, null, one.timestamp, one.key, one.value)));
            for (Future<RecordMetadata> one : sent) one.get();
        }
    }

    static void produce(String topic, List<Sent> records) throws Exception {
        produce(topic, records, Map.of());
    }

    static KafkaConsumer<String, byte[]> consumer(Map<String, String> more) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", "false");
        config.put("heartbeat.interval.ms", "500");
        config.put("session.timeout.ms", "10000");
        config.putAll(more);
        return new KafkaConsumer<>(config, new StringDeserializer(), new ByteArrayDeserializer());
    }

    static KafkaConsumer<String, byte[]> join(String group, String topic) {
        KafkaConsumer<String, byte[]> member = consumer(Map.of("group.id", group));
        member.subscribe(List.of(topic));
        return member;
    }

    /**
     * Polls until the member has given so many records. A member that has to join again starts from what was committed,
     * and may give what it gave before: that does not count.
     */
    static List<ConsumerRecord<String, byte[]>> take(KafkaConsumer<String, byte[]> member, int count) {
        Map<String, ConsumerRecord<String, byte[]>> records = new LinkedHashMap<>();
        while (records.size() < count)
            for (ConsumerRecord<String, byte[]> one : member.poll(Duration.ofMillis(500)))
                records.putIfAbsent(one.partition() + " " + one.offset(), one);
        return new ArrayList<>(records.values());
    }

    static List<ConsumerRecord<String, byte[]>> readAll(String topic, int count) {
        try (KafkaConsumer<String, byte[]> reader = consumer(Map.of())) {
            reader.assign(List.of(new TopicPartition(topic, 0)));
            return take(reader, count);
        }
    }

    static List<String> values(Collection<ConsumerRecord<String, byte[]>> records) {
        return records.stream().map(one -> new String(one.value(), StandardCharsets.UTF_8)).sorted().toList();
    }

    static List<String> sentValues(Collection<Sent> records) {
        return records.stream().map(one -> new String(one.value, StandardCharsets.UTF_8)).sorted().toList();
    }

    static void commit(KafkaConsumer<String, byte[]> member, List<ConsumerRecord<String, byte[]>> records) {
        Map<TopicPartition, OffsetAndMetadata> next = new LinkedHashMap<>();
        for (ConsumerRecord<String, byte[]> one : records)
            next.put(new TopicPartition(one.topic(), one.partition()), new OffsetAndMetadata(one.offset() + 1));
        member.commitSync(next);
    }

    static long offsetAt(String topic, OffsetSpec spec) throws Exception {
        TopicPartition partition = new TopicPartition(topic, 0);
        return admin.listOffsets(Map.of(partition, spec)).all().get().get(partition).offset();
    }

    static byte[] noise(int length) {
        byte[] value = new byte[length];
        new Random(7).nextBytes(value);
        return value;
    }

    // Scenarios.

    static void createTopic(String name) throws Exception {
        create(name, 4, Map.of());
        until(() -> partitions(name) == 4);
        refused(Errors.TOPIC_ALREADY_EXISTS, () -> create(name, 4, Map.of()));
    }

    static void roundTrip(String name, String codec) throws Exception {
        create(name, 1, Map.of());
        List<Sent> records = IntStream.range(0, 100)
            .mapToObj(i -> new Sent("k" + i, bytes(i + ":" + "compressible ".repeat(80)), null)).toList();
        produce(name, records, Map.of("compression.type", codec));
        equal(values(readAll(name, 100)), sentValues(records));
    }

    static void consumeGroup(String name) throws Exception {
        create(name, 4, Map.of());
        produce(name, numbered(200));
        try (KafkaConsumer<String, byte[]> member = join(name, name)) {
            equal(values(take(member, 200)), sentValues(numbered(200)));
        }
    }

    static void commitResume(String name) throws Exception {
        create(name, 2, Map.of());
        produce(name, numbered(100));
        List<ConsumerRecord<String, byte[]>> all = new ArrayList<>();
        try (KafkaConsumer<String, byte[]> first = join(name, name)) {
            all.addAll(take(first, 40).subList(0, 40));
            commit(first, all);
        }
        try (KafkaConsumer<String, byte[]> second = join(name, name)) {
            List<ConsumerRecord<String, byte[]>> rest = take(second, 60);
            commit(second, rest);
            all.addAll(rest);
        }
        equal(values(all), sentValues(numbered(100)));
        var committed = admin.listConsumerGroupOffsets(name).partitionsToOffsetAndMetadata().get().values();
        equal(committed.stream().mapToLong(OffsetAndMetadata::offset).sum(), 100L);
    }

    static void rebalance(String name) throws Exception {
        create(name, 4, Map.of());
        List<KafkaConsumer<String, byte[]>> members = new ArrayList<>(List.of(join(name, name)));
        settle(members, 4);
        members.add(join(name, name));
        settle(members, 2);
        members.remove(0).close();
        settle(members, 4);
        members.remove(0).close();
    }

    static void settle(List<KafkaConsumer<String, byte[]>> members, int each) throws Exception {
        until(() -> {
            Set<Integer> owned = new TreeSet<>();
            boolean even = true;
            for (KafkaConsumer<String, byte[]> member : members) {
                member.poll(Duration.ofMillis(200));
                even &= member.assignment().size() == each;
                member.assignment().forEach(one -> owned.add(one.partition()));
            }
            return even && owned.equals(Set.of(0, 1, 2, 3));
        });
    }

    static void offsetsByTimestamp(String name) throws Exception {
        create(name, 1, Map.of());
        long start = System.currentTimeMillis() - 100_000;
        for (int i = 0; i < 10; i++) produce(name, List.of(new Sent("k", bytes("" + i), start + i * 1000L)));
        equal(offsetAt(name, OffsetSpec.forTimestamp(start + 4500)), 5L);
        equal(offsetAt(name, OffsetSpec.forTimestamp(start + 5000)), 5L);
        equal(offsetAt(name, OffsetSpec.earliest()), 0L);
        equal(offsetAt(name, OffsetSpec.latest()), 10L);
        equal(offsetAt(name, OffsetSpec.maxTimestamp()), 9L);
        equal(offsetAt(name, OffsetSpec.forTimestamp(start + 60_000)), -1L);
    }

    static void idempotence(String name) throws Exception {
        create(name, 1, Map.of());
        produce(name, numbered(500), Map.of("enable.idempotence", "true"));
        List<String> read = readAll(name, 500).stream().map(one -> new String(one.value())).toList();
        equal(read, IntStream.range(0, 500).mapToObj(i -> "" + i).toList());
    }

    static void admin(String name) throws Exception {
        create(name, 2, Map.of());
        until(() -> admin.listTopics().names().get().contains(name));
        admin.createPartitions(Map.of(name, NewPartitions.increaseTo(4))).all().get();
        until(() -> partitions(name) == 4);
        produce(name, numbered(10));
        try (KafkaConsumer<String, byte[]> member = join(name, name)) {
            take(member, 10);
            ConsumerGroupDescription group = admin.describeConsumerGroups(List.of(name)).all().get().get(name);
            equal(group.groupState() + " " + group.members().size(), "Stable 1");
        }
        check(groups().contains(name), "the group is not listed");
        admin.deleteConsumerGroups(List.of(name)).all().get();
        check(!groups().contains(name), "the group is listed yet");
        admin.deleteTopics(List.of(name)).all().get();
        until(() -> !admin.listTopics().names().get().contains(name));
    }

    static List<String> groups() throws Exception {
        return admin.listGroups().all().get().stream().map(one -> one.groupId()).toList();
    }

    static void configs(String name) throws Exception {
        create(name, 1, Map.of());
        until(() -> config(name, "retention.ms").equals("604800000 DEFAULT_CONFIG"));
        set(name, "retention.ms", "3600000");
        until(() -> config(name, "retention.ms").equals("3600000 DYNAMIC_TOPIC_CONFIG"));
        refused(Errors.INVALID_CONFIG, () -> set(name, "retention.ms", "soon"));
    }

    static String config(String topic, String name) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        ConfigEntry entry = admin.describeConfigs(List.of(resource)).all().get().get(resource).get(name);
        return entry.value() + " " + entry.source();
    }

    static void set(String topic, String name, String value) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        AlterConfigOp op = new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(op))).all().get();
    }

    static void deleteRecords(String name) throws Exception {
        create(name, 1, Map.of());
        produce(name, numbered(10));
        admin.deleteRecords(Map.of(new TopicPartition(name, 0), RecordsToDelete.beforeOffset(5))).all().get();
        equal(offsetAt(name, OffsetSpec.earliest()), 5L);
        equal(values(readAll(name, 5)), List.of("5", "6", "7", "8", "9"));
    }

    static void record900kb(String name) throws Exception {
        create(name, 1, Map.of());
        produce(name, List.of(new Sent("k", noise(900_000), null)));
        check(Arrays.equals(readAll(name, 1).get(0).value(), noise(900_000)), "other bytes");
    }

    static void oversizeRefused(String name) throws Exception {
        create(name, 1, Map.of());
        refused(Errors.MESSAGE_TOO_LARGE, () -> produce(name, List.of(new Sent("k", noise(1_200_000), null))));
        produce(name, numbered(1));
        equal(readAll(name, 1).size(), 1);
    }

    static void unknownTopic(String name) throws Exception {
        refused(Errors.UNKNOWN_TOPIC_OR_PARTITION, () -> partitions(name));
        refused(Errors.UNKNOWN_TOPIC_OR_PARTITION, () -> admin.deleteTopics(List.of(name)).all().get());
    }

    static void compactedTopic(String name) throws Exception {
        create(name, 1, Map.of(
            "cleanup.policy", "compact", "segment.ms", "1000", "min.cleanable.dirty.ratio", "0.01"));
        refused(Errors.INVALID_RECORD, () -> produce(name, List.of(new Sent(null, bytes("no key"), null))));
        for (int i = 0; i < 10; i++) {
            byte[] value = bytes("" + i);
            produce(name, Stream.of("a", "b", "c").map(key -> new Sent(key, value, null)).toList());
        }
        // The next append after segment.ms closes the segment, and only closed ones are compacted.
        Thread.sleep(1500);
        produce(name, List.of(new Sent("last", bytes("x"), null)));
        until(() -> found(name, "last").equals(List.of("a=9", "b=9", "c=9", "last=x")));
    }

    static List<String> found(String topic, String last) {
        List<String> found = new ArrayList<>();
        try (KafkaConsumer<String, byte[]> reader = consumer(Map.of())) {
            reader.assign(List.of(new TopicPartition(topic, 0)));
            while (found.isEmpty() || !found.get(found.size() - 1).startsWith(last + "="))
                for (ConsumerRecord<String, byte[]> one : reader.poll(Duration.ofMillis(500)))
                    found.add(one.key() + "=" + new String(one.value(), StandardCharsets.UTF_8));
        }
        return found;
    }
}
