package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
)

type kafkaGo struct {
	bootstrap []string
	client    *kafka.Client
	members   atomic.Int64
}

func openKafkaGo(bootstrap []string) Driver {
	address := kafka.TCP(bootstrap...)
	return &kafkaGo{bootstrap: bootstrap, client: &kafka.Client{Addr: address, Timeout: 30 * time.Second}}
}

func (k *kafkaGo) NotInAPI() map[string]string {
	return map[string]string{
		"idempotence":    "its writer is not idempotent",
		"delete-records": "has no DeleteRecords",
	}
}

func (k *kafkaGo) CodeOf(err error) int {
	var all kafka.WriteErrors
	if errors.As(err, &all) {
		for _, one := range all {
			if one != nil {
				return k.CodeOf(one)
			}
		}
	}
	var code kafka.Error
	if errors.As(err, &code) {
		return int(code)
	}
	return -1
}

func (k *kafkaGo) metadata(topics ...string) *kafka.MetadataResponse {
	return must(k.client.Metadata(background, &kafka.MetadataRequest{Topics: topics}))
}

func (k *kafkaGo) Brokers() int { return len(k.metadata().Brokers) }

func (k *kafkaGo) CreateTopic(topic string, partitions int, configs map[string]string) error {
	var entries []kafka.ConfigEntry
	for name, value := range configs {
		entries = append(entries, kafka.ConfigEntry{ConfigName: name, ConfigValue: value})
	}
	answer := must(k.client.CreateTopics(background, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: topic, NumPartitions: partitions, ReplicationFactor: -1, ConfigEntries: entries,
	}}}))
	if err := answer.Errors[topic]; err != nil {
		return err
	}
	// Its writer gives up at once when the broker that it asks has not heard of the topic yet.
	for _, address := range k.addresses() {
		until(func() bool {
			return len(must(kafka.LookupPartitions(background, "tcp", address.String(), topic))) == partitions
		})
	}
	// What its transport knows of topics is up to some seconds old.
	until(func() bool { return len(k.metadata(topic).Topics[0].Partitions) == partitions })
	return nil
}

func (k *kafkaGo) Partitions(topic string) int {
	return len(must(kafka.LookupPartitions(background, "tcp", k.bootstrap[0], topic)))
}

func (k *kafkaGo) Produce(topic string, records []Record, codec string, _ bool) error {
	writer := &kafka.Writer{
		Addr: kafka.TCP(k.bootstrap...), Topic: topic, Balancer: &kafka.Hash{}, RequiredAcks: kafka.RequireAll,
		BatchTimeout: 5 * time.Millisecond, BatchBytes: 4_000_000, BatchSize: 1000,
		Compression: map[string]kafka.Compression{
			"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
		}[codec],
		// Of its own: a shared one knows a new topic late.
		Transport: &kafka.Transport{},
	}
	defer writer.Close()
	messages := make([]kafka.Message, len(records))
	for i, record := range records {
		messages[i] = kafka.Message{Key: record.Key, Value: record.Value, Time: record.Time}
	}
	return writer.WriteMessages(background, messages...)
}

func kafkaGoRecord(m kafka.Message) Record {
	return Record{m.Partition, m.Offset, m.Key, m.Value, m.Time}
}

func (k *kafkaGo) Read(topic string, enough func([]Record) bool) []Record {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: k.bootstrap, Topic: topic, Partition: 0, MaxBytes: 10_000_000, MaxWait: 200 * time.Millisecond,
	})
	defer reader.Close()
	check(reader.SetOffset(kafka.FirstOffset))
	var records []Record
	for !enough(records) {
		records = append(records, kafkaGoRecord(must(reader.ReadMessage(background))))
	}
	return records
}

type kafkaGoMember struct {
	driver *kafkaGo
	reader *kafka.Reader
	client string
	group  string
	topic  string
}

func (k *kafkaGo) Join(group, topic string) Member {
	client := fmt.Sprintf("member-%d", k.members.Add(1))
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: k.bootstrap, GroupID: group, Topic: topic, StartOffset: kafka.FirstOffset, MaxBytes: 10_000_000,
		MaxWait: 200 * time.Millisecond, HeartbeatInterval: 500 * time.Millisecond, SessionTimeout: 10 * time.Second,
		RebalanceTimeout: 10 * time.Second, JoinGroupBackoff: 200 * time.Millisecond,
		Dialer: &kafka.Dialer{ClientID: client, Timeout: 10 * time.Second, DualStack: true},
	})
	return &kafkaGoMember{k, reader, client, group, topic}
}

func (m *kafkaGoMember) Poll(wait time.Duration) []Record {
	var records []Record
	limited, cancel := context.WithTimeout(background, wait)
	defer cancel()
	for {
		message, err := m.reader.FetchMessage(limited)
		if errors.Is(err, context.DeadlineExceeded) {
			return records
		}
		records = append(records, kafkaGoRecord(must(message, err)))
	}
}

// Assignment asks the coordinator: the reader does not say.
func (m *kafkaGoMember) Assignment() []int {
	var owned []int
	for _, member := range m.driver.describe(m.group).Members {
		if member.ClientID != m.client {
			continue
		}
		for _, topic := range member.MemberAssignments.Topics {
			owned = append(owned, topic.Partitions...)
		}
	}
	return owned
}

func (m *kafkaGoMember) Commit(records []Record) {
	var done []kafka.Message
	for _, record := range records {
		done = append(done, kafka.Message{Topic: m.topic, Partition: record.Partition, Offset: record.Offset})
	}
	check(m.reader.CommitMessages(background, done...))
}

func (m *kafkaGoMember) Leave() { check(m.reader.Close()) }

func (k *kafkaGo) Committed(group, topic string) int64 {
	sum := int64(0)
	for _, offset := range must(k.client.ConsumerOffsets(background, kafka.TopicAndGroup{Topic: topic, GroupId: group})) {
		sum += offset
	}
	return sum
}

func (k *kafkaGo) OffsetAt(topic string, millis int64) int64 {
	asked := kafka.OffsetRequest{Partition: 0, Timestamp: millis}
	answer := must(k.client.ListOffsets(background, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{topic: {asked}},
	})).Topics[topic][0]
	check(answer.Error)
	switch millis {
	case latest:
		return answer.LastOffset
	case earliest:
		return answer.FirstOffset
	}
	for offset := range answer.Offsets {
		return offset
	}
	return -1
}

func (k *kafkaGo) Topics() []string {
	var names []string
	connection := must(kafka.Dial("tcp", k.bootstrap[0]))
	defer connection.Close()
	for _, partition := range must(connection.ReadPartitions()) {
		names = append(names, partition.Topic)
	}
	return names
}

func (k *kafkaGo) AddPartitions(topic string, count int) {
	answer := must(k.client.CreatePartitions(background, &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: int32(count)}},
	}))
	check(answer.Errors[topic])
}

func (k *kafkaGo) addresses() []net.Addr {
	var all []net.Addr
	for _, broker := range k.metadata().Brokers {
		all = append(all, kafka.TCP(fmt.Sprintf("%s:%d", broker.Host, broker.Port)))
	}
	return all
}

func (k *kafkaGo) Groups() []string {
	var names []string
	for _, address := range k.addresses() {
		answer := must(k.client.ListGroups(background, &kafka.ListGroupsRequest{Addr: address}))
		check(answer.Error)
		for _, group := range answer.Groups {
			names = append(names, group.GroupID)
		}
	}
	return names
}

func (k *kafkaGo) describe(group string) kafka.DescribeGroupsResponseGroup {
	answer := must(k.client.DescribeGroups(background, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}}))
	return answer.Groups[0]
}

func (k *kafkaGo) DescribeGroup(group string) (string, int) {
	found := k.describe(group)
	check(found.Error)
	return found.GroupState, len(found.Members)
}

func (k *kafkaGo) DeleteGroup(group string) {
	answer := must(k.client.DeleteGroups(background, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}}))
	check(answer.Errors[group])
}

func (k *kafkaGo) DeleteTopic(topic string) error {
	return must(k.client.DeleteTopics(background, &kafka.DeleteTopicsRequest{Topics: []string{topic}})).Errors[topic]
}

func (k *kafkaGo) Config(topic, name string) string {
	answer := must(k.client.DescribeConfigs(background, &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{name},
		}},
	})).Resources[0]
	check(answer.Error)
	return answer.ConfigEntries[0].ConfigValue
}

func (k *kafkaGo) SetConfig(topic, name, value string) error {
	return must(k.client.IncrementalAlterConfigs(background, &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{{
				Name: name, Value: value, ConfigOperation: kafka.ConfigOperationSet,
			}},
		}},
	})).Resources[0].Error
}

func (k *kafkaGo) DeleteRecords(string, int64) { panic("not in the API") }

func (k *kafkaGo) AskUnknown(topic string) error {
	return k.metadata(topic).Topics[0].Error
}
