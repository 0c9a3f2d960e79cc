package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

type franz struct {
	bootstrap []string
	admin     *kadm.Client
}

var background = context.Background()

func openFranz(bootstrap []string) Driver {
	return &franz{bootstrap, kadm.NewClient(must(kgo.NewClient(kgo.SeedBrokers(bootstrap...))))}
}

func (f *franz) client(options ...kgo.Opt) *kgo.Client {
	return must(kgo.NewClient(append(options, kgo.SeedBrokers(f.bootstrap...))...))
}

func (f *franz) NotInAPI() map[string]string { return nil }

func (f *franz) CodeOf(err error) int {
	var code *kerr.Error
	if errors.As(err, &code) {
		return int(code.Code)
	}
	return -1
}

func (f *franz) Brokers() int {
	return len(must(f.admin.ListBrokers(background)))
}

func (f *franz) CreateTopic(topic string, partitions int, configs map[string]string) error {
	given := map[string]*string{}
	for name, value := range configs {
		given[name] = &value
	}
	_, err := f.admin.CreateTopic(background, int32(partitions), -1, given, topic)
	return err
}

func (f *franz) Partitions(topic string) int {
	return len(must(f.admin.ListTopics(background, topic))[topic].Partitions)
}

func (f *franz) Produce(topic string, records []Record, codec string, idempotent bool) error {
	options := []kgo.Opt{
		kgo.ProducerBatchCompression(map[string]kgo.CompressionCodec{
			"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
			"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
		}[codec]),
		kgo.ProducerLinger(5 * time.Millisecond),
		kgo.ProducerBatchMaxBytes(4_000_000),
		kgo.UnknownTopicRetries(10),
	}
	if !idempotent {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	client := f.client(options...)
	defer client.Close()
	sent := make([]*kgo.Record, len(records))
	for i, record := range records {
		sent[i] = &kgo.Record{Topic: topic, Key: record.Key, Value: record.Value, Timestamp: record.Time}
	}
	return client.ProduceSync(background, sent...).FirstErr()
}

func franzRecords(fetches kgo.Fetches) []Record {
	var records []Record
	fetches.EachRecord(func(r *kgo.Record) {
		records = append(records, Record{int(r.Partition), r.Offset, r.Key, r.Value, r.Timestamp})
	})
	return records
}

func (f *franz) Read(topic string, enough func([]Record) bool) []Record {
	client := f.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		topic: {0: kgo.NewOffset().AtStart()},
	}))
	defer client.Close()
	var records []Record
	for !enough(records) {
		records = append(records, franzRecords(client.PollFetches(background))...)
	}
	return records
}

type franzMember struct {
	client *kgo.Client
	topic  string
	lock   sync.Mutex
	owned  map[int32]bool
}

func (f *franz) Join(group, topic string) Member {
	member := &franzMember{topic: topic, owned: map[int32]bool{}}
	change := func(owned bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, changed map[string][]int32) {
			member.lock.Lock()
			defer member.lock.Unlock()
			for _, partition := range changed[topic] {
				if owned {
					member.owned[partition] = true
				} else {
					delete(member.owned, partition)
				}
			}
		}
	}
	member.client = f.client(
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.HeartbeatInterval(500*time.Millisecond), kgo.SessionTimeout(10*time.Second),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false)),
	)
	return member
}

func (m *franzMember) Poll(wait time.Duration) []Record {
	limited, cancel := context.WithTimeout(background, wait)
	defer cancel()
	return franzRecords(m.client.PollFetches(limited))
}

func (m *franzMember) Assignment() []int {
	m.lock.Lock()
	defer m.lock.Unlock()
	var owned []int
	for partition := range m.owned {
		owned = append(owned, int(partition))
	}
	return owned
}

func (m *franzMember) Commit(records []Record) {
	var done []*kgo.Record
	for _, record := range records {
		done = append(done, &kgo.Record{
			Topic: m.topic, Partition: int32(record.Partition), Offset: record.Offset, LeaderEpoch: -1,
		})
	}
	check(m.client.CommitRecords(background, done...))
}

func (m *franzMember) Leave() { m.client.Close() }

func (f *franz) Committed(group, topic string) int64 {
	sum := int64(0)
	must(f.admin.FetchOffsets(background, group)).Each(func(one kadm.OffsetResponse) { sum += one.At })
	return sum
}

func (f *franz) OffsetAt(topic string, millis int64) int64 {
	list := func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
		return f.admin.ListOffsetsAfterMilli(ctx, millis, topics...)
	}
	switch millis {
	case latest:
		list = f.admin.ListEndOffsets
	case earliest:
		list = f.admin.ListStartOffsets
	}
	listed, _ := must(list(background, topic)).Lookup(topic, 0)
	check(listed.Err)
	// After the last record kadm answers the end, with no timestamp.
	if millis >= 0 && listed.Timestamp == -1 {
		return -1
	}
	return listed.Offset
}

func (f *franz) Topics() []string { return must(f.admin.ListTopics(background)).Names() }

func (f *franz) AddPartitions(topic string, count int) {
	check(must(f.admin.UpdatePartitions(background, count, topic)).Error())
}

func (f *franz) Groups() []string { return must(f.admin.ListGroups(background)).Groups() }

func (f *franz) DescribeGroup(group string) (string, int) {
	found := must(f.admin.DescribeGroups(background, group))[group]
	return found.State, len(found.Members)
}

func (f *franz) DeleteGroup(group string) { must(f.admin.DeleteGroup(background, group)) }

func (f *franz) DeleteTopic(topic string) error {
	_, err := f.admin.DeleteTopic(background, topic)
	return err
}

func (f *franz) Config(topic, name string) string {
	found := must(must(f.admin.DescribeTopicConfigs(background, topic)).On(topic, nil))
	for _, config := range found.Configs {
		if config.Key == name {
			return config.MaybeValue()
		}
	}
	panic("there is no " + name)
}

func (f *franz) SetConfig(topic, name, value string) error {
	change := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}
	return must(must(f.admin.AlterTopicConfigs(background, change, topic)).On(topic, nil)).Err
}

func (f *franz) DeleteRecords(topic string, before int64) {
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, 0, before, -1)
	check(must(f.admin.DeleteRecords(background, offsets)).Error())
}

func (f *franz) AskUnknown(topic string) error {
	return must(f.admin.ListTopics(background, topic))[topic].Err
}
