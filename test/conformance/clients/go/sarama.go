package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

type saramaDriver struct {
	bootstrap []string
	client    sarama.Client
	admin     sarama.ClusterAdmin
}

func saramaConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.MaxMessageBytes = 4_000_000
	config.Metadata.AllowAutoTopicCreation = false
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	config.Consumer.Group.Rebalance.Timeout = 10 * time.Second
	config.Consumer.MaxWaitTime = 200 * time.Millisecond
	return config
}

func openSarama(bootstrap []string) Driver {
	client := must(sarama.NewClient(bootstrap, saramaConfig()))
	return &saramaDriver{bootstrap, client, must(sarama.NewClusterAdminFromClient(client))}
}

func (s *saramaDriver) NotInAPI() map[string]string { return nil }

func (s *saramaDriver) CodeOf(err error) int {
	var many sarama.ProducerErrors
	if errors.As(err, &many) {
		return s.CodeOf(many[0].Err)
	}
	var code sarama.KError
	if errors.As(err, &code) {
		return int(code)
	}
	return -1
}

func (s *saramaDriver) Brokers() int {
	brokers, _, err := s.admin.DescribeCluster()
	check(err)
	return len(brokers)
}

func (s *saramaDriver) CreateTopic(topic string, partitions int, configs map[string]string) error {
	entries := map[string]*string{}
	for name, value := range configs {
		entries[name] = &value
	}
	detail := &sarama.TopicDetail{NumPartitions: int32(partitions), ReplicationFactor: -1, ConfigEntries: entries}
	return s.admin.CreateTopic(topic, detail, false)
}

func (s *saramaDriver) Partitions(topic string) int {
	check(s.client.RefreshMetadata(topic))
	return len(must(s.client.Partitions(topic)))
}

func (s *saramaDriver) Produce(topic string, records []Record, codec string, idempotent bool) error {
	config := saramaConfig()
	config.Producer.Compression = map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
	}[codec]
	if idempotent {
		config.Producer.Idempotent = true
		config.Net.MaxOpenRequests = 1
	}
	producer := must(sarama.NewSyncProducer(s.bootstrap, config))
	defer producer.Close()
	messages := make([]*sarama.ProducerMessage, len(records))
	for i, record := range records {
		messages[i] = &sarama.ProducerMessage{Topic: topic, Value: sarama.ByteEncoder(record.Value), Timestamp: record.Time}
		if record.Key != nil {
			messages[i].Key = sarama.ByteEncoder(record.Key)
		}
	}
	return producer.SendMessages(messages)
}

func saramaRecord(m *sarama.ConsumerMessage) Record {
	return Record{int(m.Partition), m.Offset, m.Key, m.Value, m.Timestamp}
}

func (s *saramaDriver) Read(topic string, enough func([]Record) bool) []Record {
	consumer := must(sarama.NewConsumer(s.bootstrap, saramaConfig()))
	defer consumer.Close()
	partition := must(consumer.ConsumePartition(topic, 0, sarama.OffsetOldest))
	defer partition.Close()
	var records []Record
	for !enough(records) {
		records = append(records, saramaRecord(<-partition.Messages()))
	}
	return records
}

// saramaMember keeps what the library pushes until it is polled.
type saramaMember struct {
	group   sarama.ConsumerGroup
	topic   string
	cancel  context.CancelFunc
	records chan Record
	ended   sync.WaitGroup
	lock    sync.Mutex
	session sarama.ConsumerGroupSession
}

func (s *saramaDriver) Join(group, topic string) Member {
	within, cancel := context.WithCancel(background)
	member := &saramaMember{
		group: must(sarama.NewConsumerGroup(s.bootstrap, group, saramaConfig())), topic: topic, cancel: cancel,
		records: make(chan Record, 1000),
	}
	member.ended.Go(func() {
		for within.Err() == nil {
			_ = member.group.Consume(within, []string{topic}, member)
		}
	})
	return member
}

func (m *saramaMember) Setup(session sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.session = session
	return nil
}

func (m *saramaMember) Cleanup(sarama.ConsumerGroupSession) error { return m.Setup(nil) }

func (m *saramaMember) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		select {
		case m.records <- saramaRecord(message):
		case <-session.Context().Done():
			return nil
		}
	}
	return nil
}

func (m *saramaMember) Poll(wait time.Duration) []Record {
	var records []Record
	late := time.After(wait)
	for {
		select {
		case record := <-m.records:
			records = append(records, record)
		case <-late:
			return records
		}
	}
}

func (m *saramaMember) Assignment() []int {
	m.lock.Lock()
	defer m.lock.Unlock()
	var owned []int
	if m.session != nil {
		for _, partition := range m.session.Claims()[m.topic] {
			owned = append(owned, int(partition))
		}
	}
	return owned
}

func (m *saramaMember) Commit(records []Record) {
	m.lock.Lock()
	defer m.lock.Unlock()
	for _, record := range records {
		m.session.MarkOffset(m.topic, int32(record.Partition), record.Offset+1, "")
	}
	m.session.Commit()
}

func (m *saramaMember) Leave() {
	m.cancel()
	m.ended.Wait()
	check(m.group.Close())
}

func (s *saramaDriver) Committed(group, topic string) int64 {
	sum := int64(0)
	for _, one := range must(s.admin.ListConsumerGroupOffsets(group, nil)).Blocks[topic] {
		sum += one.Offset
	}
	return sum
}

func (s *saramaDriver) OffsetAt(topic string, millis int64) int64 {
	return must(s.client.GetOffset(topic, 0, millis))
}

func (s *saramaDriver) Topics() []string {
	var names []string
	for name := range must(s.admin.ListTopics()) {
		names = append(names, name)
	}
	return names
}

func (s *saramaDriver) AddPartitions(topic string, count int) {
	check(s.admin.CreatePartitions(topic, int32(count), nil, false))
}

func (s *saramaDriver) Groups() []string {
	var names []string
	for name := range must(s.admin.ListConsumerGroups()) {
		names = append(names, name)
	}
	return names
}

func (s *saramaDriver) DescribeGroup(group string) (string, int) {
	found := must(s.admin.DescribeConsumerGroups([]string{group}))[0]
	return found.State, len(found.Members)
}

func (s *saramaDriver) DeleteGroup(group string) { check(s.admin.DeleteConsumerGroup(group)) }

func (s *saramaDriver) DeleteTopic(topic string) error { return s.admin.DeleteTopic(topic) }

func (s *saramaDriver) Config(topic, name string) string {
	entries := must(s.admin.DescribeConfig(sarama.ConfigResource{
		Type: sarama.TopicResource, Name: topic, ConfigNames: []string{name},
	}))
	return entries[0].Value
}

func (s *saramaDriver) SetConfig(topic, name, value string) error {
	entry := sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}
	changes := map[string]sarama.IncrementalAlterConfigsEntry{name: entry}
	return s.admin.IncrementalAlterConfig(sarama.TopicResource, topic, changes, false)
}

func (s *saramaDriver) DeleteRecords(topic string, before int64) {
	check(s.admin.DeleteRecords(topic, map[int32]int64{0: before}))
}

func (s *saramaDriver) AskUnknown(topic string) error {
	return must(s.admin.DescribeTopics([]string{topic}))[0].Err
}
