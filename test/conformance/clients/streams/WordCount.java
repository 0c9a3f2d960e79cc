import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Produced;

/**
 * WordCount BOOTSTRAP PREFIX STATE-FOLDER: counts words with Kafka Streams, at least once, as its documentation does it: a
 * repartition topic, a store and its changelog. Half-way the application ends and loses its local state, so that the
 * store comes back from the changelog. Prints "internal NAME" for each internal topic and "WORD COUNT" for each word.
 */
public class WordCount {
  private static final List<String> LINES =
      Arrays.asList("all streams lead to Kafka", "hello Kafka streams", "join Kafka summit");
  private static final int ROUNDS = 2000;
  private static final long LIMIT_MS = 120_000;

  public static void main(String[] args) throws Exception {
    String bootstrap = args[0];
    String input = args[1] + "-lines";
    String output = args[1] + "-counts";
    Properties admin = new Properties();
    admin.put("bootstrap.servers", bootstrap);
    try (Admin client = Admin.create(admin)) {
      client
          .createTopics(
              Arrays.asList(
                  new NewTopic(input, 4, (short) 3), new NewTopic(output, 4, (short) 3)))
          .all()
          .get();
      Map<String, Long> expected = new TreeMap<>();
      for (int half = 0; half < 2; half++) {
        produce(bootstrap, input, expected);
        KafkaStreams streams = start(bootstrap, args[1], input, output, args[2]);
        await(bootstrap, output, expected);
        streams.close(Duration.ofSeconds(20));
        streams.cleanUp();
      }
      for (String name : client.listTopics().names().get()) {
        if (name.startsWith(args[1] + "-app-")) System.out.println("internal " + name);
      }
      expected.forEach((word, count) -> System.out.println(word + " " + count));
    }
  }

  private static void produce(String bootstrap, String topic, Map<String, Long> expected)
      throws Exception {
    Properties props = new Properties();
    props.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
    try (KafkaProducer<String, String> producer =
        new KafkaProducer<>(props, new StringSerializer(), new StringSerializer())) {
      for (int i = 0; i < ROUNDS; i++) {
        String line = LINES.get(i % LINES.size());
        producer.send(new ProducerRecord<>(topic, line));
        for (String word : line.toLowerCase().split(" ")) expected.merge(word, 1L, Long::sum);
      }
      producer.flush();
    }
  }

  private static KafkaStreams start(
      String bootstrap, String prefix, String input, String output, String folder) {
    Properties props = new Properties();
    props.put(StreamsConfig.APPLICATION_ID_CONFIG, prefix + "-app");
    props.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
    props.put(StreamsConfig.STATE_DIR_CONFIG, folder);
    props.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.String().getClass());
    props.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.String().getClass());
    props.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
    props.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 200);
    props.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    // An application that ends does not leave its group: the next one waits for the session.
    props.put(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, 6000);
    props.put(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, 1000);
    StreamsBuilder builder = new StreamsBuilder();
    builder.<String, String>stream(input)
        .flatMapValues(line -> Arrays.asList(line.toLowerCase().split(" ")))
        .groupBy((key, word) -> word)
        .count()
        .toStream()
        .to(output, Produced.with(Serdes.String(), Serdes.Long()));
    KafkaStreams streams = new KafkaStreams(builder.build(), props);
    streams.start();
    return streams;
  }

  /** Until the last count of every word is what is expected. */
  private static void await(String bootstrap, String topic, Map<String, Long> expected) {
    Properties props = new Properties();
    props.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
    Map<String, Long> counts = new HashMap<>();
    long end = System.currentTimeMillis() + LIMIT_MS;
    try (KafkaConsumer<String, Long> consumer =
        new KafkaConsumer<>(props, new StringDeserializer(), new LongDeserializer())) {
      List<org.apache.kafka.common.TopicPartition> partitions = new ArrayList<>();
      consumer
          .partitionsFor(topic)
          .forEach(
              one ->
                  partitions.add(
                      new org.apache.kafka.common.TopicPartition(topic, one.partition())));
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      while (!counts.equals(expected)) {
        if (System.currentTimeMillis() > end) {
          throw new IllegalStateException("counted " + counts + ", expected " + expected);
        }
        consumer
            .poll(Duration.ofMillis(200))
            .forEach(record -> counts.put(record.key(), record.value()));
      }
    }
  }
}
