import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.ApiVersionsResponseData;
import org.apache.kafka.common.message.FetchRequestData;
import org.apache.kafka.common.message.FetchResponseData;
import org.apache.kafka.common.message.ProduceRequestData;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;

/**
 * Prints the bytes of test/unit/broker/protocol/kafka-bytes.ts, written by Apache Kafka's own classes.
 * java -cp "$KAFKA_HOME/libs/*" test/conformance/schemas/Fixtures.java
 */
public class Fixtures {
  static final long T = 1700000000000L;
  static final byte[] LONG = new byte[90];
  static final SimpleRecord ONE;

  static {
    Arrays.fill(LONG, (byte) 'a');
    ONE = new SimpleRecord(T, "k".getBytes(), LONG);
  }

  static void show(String name, ByteBuffer bytes) {
    byte[] copy = new byte[bytes.remaining()];
    bytes.duplicate().get(copy);
    System.out.println(name + " " + HexFormat.of().formatHex(copy));
  }

  static void show(String name, Message message, int version) {
    ObjectSerializationCache cache = new ObjectSerializationCache();
    ByteBuffer bytes = ByteBuffer.allocate(message.size(cache, (short) version));
    message.write(new ByteBufferAccessor(bytes), cache, (short) version);
    bytes.flip();
    show(name, bytes);
  }

  static MemoryRecords batch(Compression compression, SimpleRecord... records) {
    MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(10000), (byte) 2,
        compression, TimestampType.CREATE_TIME, 0L, -1L, -1L, (short) -1, -1, false, -1);
    for (SimpleRecord record : records) builder.append(record);
    return builder.build();
  }

  static MemoryRecords three() {
    Header[] headers = {new RecordHeader("h", "x".getBytes()), new RecordHeader("n", (byte[]) null)};
    return batch(Compression.NONE,
        new SimpleRecord(T, "k1".getBytes(), "v1".getBytes(), headers),
        new SimpleRecord(T + 5, null, "v2".getBytes()),
        new SimpleRecord(T - 10, "k3".getBytes(), null));
  }

  public static void main(String[] args) {
    RequestHeaderData header = new RequestHeaderData().setRequestApiKey((short) 3)
        .setRequestApiVersion((short) 5).setCorrelationId(7).setClientId("kc");
    show("requestHeader1", header, 1);
    show("requestHeader1NullClient", header.duplicate().setClientId(null), 1);
    header.setRequestApiVersion((short) 12);
    show("requestHeader2", header, 2);
    header.unknownTaggedFields().add(new RawTaggedField(9, new byte[] {1, 2, 3}));
    show("requestHeader2UnknownTag", header, 2);
    show("responseHeader0", new ResponseHeaderData().setCorrelationId(7), 0);
    show("responseHeader1", new ResponseHeaderData().setCorrelationId(7), 1);

    ApiVersionsResponseData apis = new ApiVersionsResponseData();
    apis.apiKeys().add(new ApiVersionsResponseData.ApiVersion().setApiKey((short) 18)
        .setMinVersion((short) 0).setMaxVersion((short) 5));
    show("apiVersionsResponse0", apis, 0);
    apis.setThrottleTimeMs(5).setFinalizedFeaturesEpoch(3).supportedFeatures()
        .add(new ApiVersionsResponseData.SupportedFeatureKey().setName("group.version")
            .setMinVersion((short) 0).setMaxVersion((short) 1));
    show("apiVersionsResponse3", apis, 3);

    show("batch", three().buffer());
    MemoryRecords stamped = three();
    for (MutableRecordBatch each : stamped.batches()) {
      each.setLastOffset(44);
      each.setPartitionLeaderEpoch(6);
      each.setMaxTimestamp(TimestampType.LOG_APPEND_TIME, T + 1234);
    }
    show("batchStamped", stamped.buffer());
    ProduceRequestData produce = new ProduceRequestData().setAcks((short) -1).setTimeoutMs(1500);
    produce.topicData().add(new ProduceRequestData.TopicProduceData().setName("orders")
        .setPartitionData(new ArrayList<>(List.of(new ProduceRequestData.PartitionProduceData()
            .setIndex(2).setRecords(three())))));
    show("produceRequest9", produce, 9);

    for (CompressionType type : CompressionType.values()) {
      if (type != CompressionType.NONE) show(type.name, batch(Compression.of(type).build(), ONE, ONE).buffer());
    }
    show("commitMarker", MemoryRecords.withEndTransactionMarker(10L, T, 3, 4000L, (short) 2,
        new EndTransactionMarker(ControlRecordType.COMMIT, 8)).buffer());
    show("transactional",
        MemoryRecords.withTransactionalRecords(Compression.NONE, 4001L, (short) 1, 17, ONE).buffer());

    FetchRequestData fetch = new FetchRequestData().setMaxWaitMs(500).setMinBytes(1).setClusterId("c1")
        .setReplicaState(new FetchRequestData.ReplicaState().setReplicaId(2).setReplicaEpoch(77));
    fetch.topics().add(new FetchRequestData.FetchTopic()
        .setTopicId(new Uuid(0x0001020304050607L, 0x08090a0b0c0d0e0fL))
        .setPartitions(List.of(
            new FetchRequestData.FetchPartition().setPartition(1).setFetchOffset(99)
                .setPartitionMaxBytes(1000).setHighWatermark(98),
            new FetchRequestData.FetchPartition().setPartition(2).setPartitionMaxBytes(1000))));
    show("fetchRequest18", fetch, 18);
    FetchResponseData fetched = new FetchResponseData().setSessionId(3);
    fetched.responses().add(new FetchResponseData.FetchableTopicResponse().setTopic("t")
        .setPartitions(List.of(new FetchResponseData.PartitionData().setErrorCode((short) 6)
            .setHighWatermark(5).setAbortedTransactions(null)
            .setCurrentLeader(new FetchResponseData.LeaderIdAndEpoch().setLeaderId(4).setLeaderEpoch(9)))));
    show("fetchResponse12", fetched, 12);
  }
}
