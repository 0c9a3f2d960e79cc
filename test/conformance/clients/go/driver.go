package main

import "time"

// Record is one to produce, or one that was read. Without a key it is nil; without a timestamp it is zero.
type Record struct {
	Partition int
	Offset    int64
	Key       []byte
	Value     []byte
	Time      time.Time
}

// Special times of OffsetAt.
const (
	latest   = int64(-1)
	earliest = int64(-2)
)

// Driver is what one library can do, in one shape. What a scenario expects to be refused gives the error; everything
// else panics.
type Driver interface {
	// NotInAPI gives scenarios that the library has no means for, and why.
	NotInAPI() map[string]string
	// CodeOf gives the protocol's code of an error, or -1.
	CodeOf(error) int

	Brokers() int
	CreateTopic(topic string, partitions int, configs map[string]string) error
	Partitions(topic string) int
	Produce(topic string, records []Record, codec string, idempotent bool) error
	// Read reads partition 0 from the beginning until it is enough.
	Read(topic string, enough func([]Record) bool) []Record
	Join(group, topic string) Member
	// Committed is the sum of the group's committed offsets of the topic.
	Committed(group, topic string) int64
	// OffsetAt is the offset of the first record of partition 0 that is not older, or -1.
	OffsetAt(topic string, millis int64) int64
	Topics() []string
	AddPartitions(topic string, count int)
	Groups() []string
	DescribeGroup(group string) (state string, members int)
	DeleteGroup(group string)
	DeleteTopic(topic string) error
	Config(topic, name string) string
	SetConfig(topic, name, value string) error
	DeleteRecords(topic string, before int64)
	// AskUnknown asks for a topic without making it.
	AskUnknown(topic string) error
}

// Member is a member of a group.
type Member interface {
	// Poll gives what came, or nothing after some time.
	Poll(wait time.Duration) []Record
	Assignment() []int
	Commit(records []Record)
	Leave()
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}
