import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** The commands of README.md beside, with Apache Kafka's own client. */
public class RoundTrip {
    public static void main(String[] args) throws Exception {
        Properties config = new Properties();
        config.put("bootstrap.servers", args[1]);
        String topic = args[2];
        if (args[0].equals("produce")) produce(config, topic, Integer.parseInt(args[3]));
        else consume(config, topic, args[3], Integer.parseInt(args[4]));
    }

    static void produce(Properties config, String topic, int count) throws Exception {
        config.put("acks", "all");
        config.put("linger.ms", "5");
        StringSerializer strings = new StringSerializer();
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(config, strings, strings)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>(count);
            StringBuilder pad = new StringBuilder("x".repeat(1024));
            for (int i = 0; i < count; i++) {
                String head = i + ":";
                sent.add(producer.send(new ProducerRecord<>(topic, "k" + i % 997, head + pad.substring(head.length()))));
            }
            for (Future<RecordMetadata> one : sent) one.get();
        }
    }

    static void consume(Properties config, String topic, String group, int wanted) {
        config.put("group.id", group);
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", "false");
        StringDeserializer strings = new StringDeserializer();
        StringBuilder out = new StringBuilder();
        int seen = 0;
        Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(config, strings, strings)) {
            consumer.subscribe(List.of(topic));
            while (seen < wanted) {
                for (ConsumerRecord<String, String> one : consumer.poll(Duration.ofMillis(500))) {
                    if (seen == wanted) break;
                    seen++;
                    String number = one.value().substring(0, one.value().indexOf(':'));
                    out.append(one.partition()).append(' ').append(one.offset()).append(' ')
                        .append(one.key()).append(' ').append(number).append('\n');
                    next.put(new TopicPartition(one.topic(), one.partition()), new OffsetAndMetadata(one.offset() + 1));
                }
            }
            consumer.commitSync(next);
        }
        System.out.write(out.toString().getBytes(StandardCharsets.UTF_8), 0, out.length());
        System.out.flush();
    }
}
