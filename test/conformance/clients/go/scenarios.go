package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	unknownTopicOrPartition = 3
	messageTooLarge         = 10
	topicAlreadyExists      = 36
	invalidConfig           = 40
	invalidRecord           = 87
)

type scenario struct {
	name string
	run  func(driver Driver, name string)
}

var scenarios = []scenario{
	{"connect", func(d Driver, _ string) { that(d.Brokers() >= 1, "no brokers") }},
	{"create-topic", createTopic},
	{"produce-none", roundTrip("none")},
	{"produce-gzip", roundTrip("gzip")},
	{"produce-snappy", roundTrip("snappy")},
	{"produce-lz4", roundTrip("lz4")},
	{"produce-zstd", roundTrip("zstd")},
	{"consume-group", consumeGroup},
	{"commit-resume", commitResume},
	{"rebalance", rebalance},
	{"offsets-by-timestamp", offsetsByTimestamp},
	{"idempotence", idempotence},
	{"admin", admin},
	{"configs", configs},
	{"delete-records", deleteRecords},
	{"record-900kb", record900kb},
	{"oversize-refused", oversizeRefused},
	{"unknown-topic", unknownTopic},
	{"compacted-topic", compactedTopic},
}

func createTopic(d Driver, name string) {
	check(d.CreateTopic(name, 4, nil))
	until(func() bool { return d.Partitions(name) == 4 })
	refused(d, topicAlreadyExists, d.CreateTopic(name, 4, nil))
}

func roundTrip(codec string) func(Driver, string) {
	return func(d Driver, name string) {
		check(d.CreateTopic(name, 1, nil))
		records := make([]Record, 100)
		for i := range records {
			value := fmt.Sprintf("%d:%s", i, strings.Repeat("compressible ", 80))
			records[i] = Record{Key: fmt.Appendf(nil, "k%d", i), Value: []byte(value)}
		}
		check(d.Produce(name, records, codec, false))
		equal(values(d.Read(name, atLeast(100))), values(records))
	}
}

func consumeGroup(d Driver, name string) {
	check(d.CreateTopic(name, 4, nil))
	check(d.Produce(name, numbered(200), "none", false))
	member := d.Join(name, name)
	equal(values(take(member, 200)), values(numbered(200)))
	member.Leave()
}

func commitResume(d Driver, name string) {
	check(d.CreateTopic(name, 2, nil))
	check(d.Produce(name, numbered(100), "none", false))
	first := d.Join(name, name)
	before := take(first, 40)[:40]
	first.Commit(before)
	first.Leave()
	second := d.Join(name, name)
	after := take(second, 60)
	second.Commit(after)
	second.Leave()
	equal(values(append(before, after...)), values(numbered(100)))
	equal(d.Committed(name, name), int64(100))
}

func rebalance(d Driver, name string) {
	check(d.CreateTopic(name, 4, nil))
	members := []Member{d.Join(name, name)}
	settle(members, 4)
	members = append(members, d.Join(name, name))
	settle(members, 2)
	members[0].Leave()
	settle(members[1:], 4)
	members[1].Leave()
}

func settle(members []Member, each int) {
	until(func() bool {
		var owned []int
		even := true
		for _, member := range members {
			member.Poll(200 * time.Millisecond)
			assigned := member.Assignment()
			even = even && len(assigned) == each
			owned = append(owned, assigned...)
		}
		slices.Sort(owned)
		return even && slices.Equal(owned, []int{0, 1, 2, 3})
	})
}

func offsetsByTimestamp(d Driver, name string) {
	check(d.CreateTopic(name, 1, nil))
	start := time.Now().Add(-100 * time.Second).Truncate(time.Millisecond)
	for i := range 10 {
		at := start.Add(time.Duration(i) * time.Second)
		check(d.Produce(name, []Record{{Key: []byte("k"), Value: []byte("v"), Time: at}}, "none", false))
	}
	equal(d.OffsetAt(name, start.UnixMilli()+4500), int64(5))
	equal(d.OffsetAt(name, start.UnixMilli()+5000), int64(5))
	equal(d.OffsetAt(name, earliest), int64(0))
	equal(d.OffsetAt(name, latest), int64(10))
	equal(d.OffsetAt(name, start.UnixMilli()+60_000), int64(-1))
}

func idempotence(d Driver, name string) {
	check(d.CreateTopic(name, 1, nil))
	check(d.Produce(name, numbered(500), "none", true))
	for i, record := range d.Read(name, atLeast(500)) {
		equal(string(record.Value), fmt.Sprint(i))
	}
}

func admin(d Driver, name string) {
	check(d.CreateTopic(name, 2, nil))
	until(func() bool { return slices.Contains(d.Topics(), name) })
	d.AddPartitions(name, 4)
	until(func() bool { return d.Partitions(name) == 4 })
	check(d.Produce(name, numbered(10), "none", false))
	member := d.Join(name, name)
	take(member, 10)
	state, members := d.DescribeGroup(name)
	equal(fmt.Sprintf("%s %d", state, members), "Stable 1")
	member.Leave()
	that(slices.Contains(d.Groups(), name), "the group is not listed")
	d.DeleteGroup(name)
	that(!slices.Contains(d.Groups(), name), "the group is listed yet")
	check(d.DeleteTopic(name))
	until(func() bool { return !slices.Contains(d.Topics(), name) })
}

func configs(d Driver, name string) {
	check(d.CreateTopic(name, 1, nil))
	until(func() bool { return d.Config(name, "retention.ms") == "604800000" })
	check(d.SetConfig(name, "retention.ms", "3600000"))
	until(func() bool { return d.Config(name, "retention.ms") == "3600000" })
	refused(d, invalidConfig, d.SetConfig(name, "retention.ms", "soon"))
}

func deleteRecords(d Driver, name string) {
	check(d.CreateTopic(name, 1, nil))
	check(d.Produce(name, numbered(10), "none", false))
	d.DeleteRecords(name, 5)
	equal(d.OffsetAt(name, earliest), int64(5))
	equal(values(d.Read(name, atLeast(5))), []string{"5", "6", "7", "8", "9"})
}

func record900kb(d Driver, name string) {
	check(d.CreateTopic(name, 1, nil))
	value := noise(900_000)
	check(d.Produce(name, []Record{{Key: []byte("k"), Value: value}}, "none", false))
	that(bytes.Equal(d.Read(name, atLeast(1))[0].Value, value), "other bytes")
}

func oversizeRefused(d Driver, name string) {
	check(d.CreateTopic(name, 1, nil))
	big := []Record{{Key: []byte("k"), Value: noise(1_200_000)}}
	refused(d, messageTooLarge, d.Produce(name, big, "none", false))
	check(d.Produce(name, numbered(1), "none", false))
	equal(len(d.Read(name, atLeast(1))), 1)
}

func unknownTopic(d Driver, name string) {
	refused(d, unknownTopicOrPartition, d.AskUnknown(name))
	refused(d, unknownTopicOrPartition, d.DeleteTopic(name))
}

func compactedTopic(d Driver, name string) {
	check(d.CreateTopic(name, 1, map[string]string{
		"cleanup.policy": "compact", "segment.ms": "1000", "min.cleanable.dirty.ratio": "0.01",
	}))
	refused(d, invalidRecord, d.Produce(name, []Record{{Value: []byte("no key")}}, "none", false))
	for i := range 10 {
		var version []Record
		for _, key := range []string{"a", "b", "c"} {
			version = append(version, Record{Key: []byte(key), Value: fmt.Append(nil, i)})
		}
		check(d.Produce(name, version, "none", false))
	}
	// The next append after segment.ms closes the segment, and only closed ones are compacted.
	time.Sleep(1500 * time.Millisecond)
	check(d.Produce(name, []Record{{Key: []byte("last"), Value: []byte("x")}}, "none", false))
	until(func() bool {
		var found []string
		for _, record := range d.Read(name, func(records []Record) bool {
			return len(records) > 0 && string(records[len(records)-1].Key) == "last"
		}) {
			found = append(found, fmt.Sprintf("%s=%s", record.Key, record.Value))
		}
		return slices.Equal(found, []string{"a=9", "b=9", "c=9", "last=x"})
	})
}

// Steps that scenarios share.

func that(right bool, wrong string) {
	if !right {
		panic(wrong)
	}
}

func equal[T any](actual, expected T) {
	a, e := fmt.Sprint(actual), fmt.Sprint(expected)
	that(a == e, fmt.Sprintf("%.140s in place of %.140s", a, e))
}

func refused(d Driver, code int, err error) {
	that(err != nil, fmt.Sprintf("was not refused with %d", code))
	that(d.CodeOf(err) == code, fmt.Sprintf("%d (%v) in place of %d", d.CodeOf(err), err, code))
}

// until looks again until it is so: one broker hears of a change later than another, and may know nothing of a new topic.
// The scenario's own limit ends it.
func until(look func() bool) {
	for !attempted(look) {
		time.Sleep(100 * time.Millisecond)
	}
}

func attempted(look func() bool) (so bool) {
	defer func() { _ = recover() }()
	return look()
}

func numbered(count int) []Record {
	records := make([]Record, count)
	for i := range records {
		records[i] = Record{Key: fmt.Appendf(nil, "k%d", i%7), Value: fmt.Append(nil, i)}
	}
	return records
}

func noise(length int) []byte {
	value := make([]byte, length)
	must(rand.Read(value))
	return value
}

func values(records []Record) []string {
	out := make([]string, len(records))
	for i, record := range records {
		out[i] = string(record.Value)
	}
	slices.Sort(out)
	return out
}

func atLeast(count int) func([]Record) bool {
	return func(records []Record) bool { return len(records) >= count }
}

// take polls until the member has given so many records. A member that has to join again starts from what was
// committed, and may give what it gave before: that does not count.
func take(member Member, count int) []Record {
	type position struct {
		partition int
		offset    int64
	}
	seen := map[position]bool{}
	var records []Record
	for len(records) < count {
		for _, record := range member.Poll(500 * time.Millisecond) {
			at := position{record.Partition, record.Offset}
			if !seen[at] {
				seen[at] = true
				records = append(records, record)
			}
		}
	}
	return records
}
