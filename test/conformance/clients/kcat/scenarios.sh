#!/usr/bin/env bash
# The scenarios of ../README.md with kcat (librdkafka). It has no requests of administration: the topics that must not
# be made by producing to them are there before: PREFIX-consume-group, PREFIX-commit-resume and PREFIX-rebalance with 4
# partitions, PREFIX-compacted-topic.
set -uo pipefail
bootstrap=$1 prefix=$2 only=${3:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
limit=60

produce() { kcat -P -b "$bootstrap" -t "$1" -X acks=all -X linger.ms=5 "${@:2}"; }
read_all() { kcat -C -q -e -o beginning -b "$bootstrap" -t "$1" "${@:2}"; }
as_member=(-b "$bootstrap" -X auto.offset.reset=earliest -X session.timeout.ms=10000 -X heartbeat.interval.ms=500)
member() { kcat -G "$1" "${as_member[@]}" "${@:2}"; }
same() { [ "$1" = "$2" ] || { echo "$(head -c 200 <<<"$1") in place of $(head -c 200 <<<"$2")"; return 1; }; }
# refused TEXT COMMAND…: the command says so and fails.
refused() {
  local said
  if said=$("${@:2}" 2>&1); then echo "was not refused"; return 1; fi
  grep -q "$1" <<<"$said" || { echo "$said" | tail -c 300; return 1; }
}

connect() { kcat -L -b "$bootstrap" | grep -Eq '^ [1-9][0-9]* brokers:'; }

round_trip() {
  seq -f "%g:$(printf 'compressible %.0s' {1..80})" 100 >"$work/$2"
  produce "$1" -z "$2" -l "$work/$2" && same "$(read_all "$1")" "$(cat "$work/$2")"
}
produce_none() { round_trip "$1" none; }
produce_gzip() { round_trip "$1" gzip; }
produce_snappy() { round_trip "$1" snappy; }
produce_lz4() { round_trip "$1" lz4; }
produce_zstd() { round_trip "$1" zstd; }

consume_group() {
  seq 200 | produce "$1" && same "$(member "$1" -q -c 200 "$1" | sort -n)" "$(seq 200)"
}

commit_resume() {
  seq 100 | produce "$1"
  local first second
  first=$(member "$1" -q -c 40 "$1") && second=$(member "$1" -q -c 60 "$1") &&
    same "$(printf '%s\n' "$first" "$second" | sort -n)" "$(seq 100)"
}

# owned LOG: the partitions that a member was given last.
owned() { grep 'assigned:' "$1" | tail -1 | grep -o '\[[0-9]\]' | tr -d '[]\n'; }
rebalance() {
  kcat -G "$1" "${as_member[@]}" "$1" >/dev/null 2>"$work/one" & local one=$!
  until [ "$(owned "$work/one" | wc -c)" = 4 ]; do sleep 0.1; done
  kcat -G "$1" "${as_member[@]}" "$1" >/dev/null 2>"$work/two" & local two=$!
  until same "$( (owned "$work/one"; owned "$work/two") | grep -o . | sort | tr -d '\n')" 0123 >/dev/null &&
    [ "$(owned "$work/two" | wc -c)" = 2 ]; do sleep 0.1; done
  kill "$one" && wait "$one"
  until [ "$(owned "$work/two" | wc -c)" = 4 ]; do sleep 0.1; done
  kill "$two" && wait "$two"
  return 0
}

offset_at() { kcat -Q -b "$bootstrap" -t "$1:0:$2" | sed 's/.*offset //'; }
offsets_by_timestamp() {
  seq 5 | produce "$1"
  sleep 0.05
  local between
  between=$(date +%s%3N)
  sleep 0.05
  seq 5 | produce "$1"
  same "$(offset_at "$1" "$between") $(offset_at "$1" -2) $(offset_at "$1" -1) $(offset_at "$1" $((between + 600000)))" "5 0 10 -1"
}

idempotence() {
  seq 500 | produce "$1" -X enable.idempotence=true && same "$(read_all "$1")" "$(seq 500)"
}

record_900kb() {
  head -c 900000 /dev/urandom >"$work/big"
  produce "$1" "$work/big" && read_all "$1" -D '' | cmp - "$work/big"
}

oversize_refused() {
  head -c 1200000 /dev/urandom >"$work/oversize"
  refused 'Broker: Message size too large' produce "$1" -X message.max.bytes=4000000 "$work/oversize" &&
    seq 1 | produce "$1" && same "$(read_all "$1")" 1
}

unknown_topic() { refused 'Unknown topic or partition' read_all "$1"; }

compacted_topic() {
  refused 'Broker failed to validate record' produce "$1" <<<"no key" || return 1
  local i
  for i in $(seq 0 9); do printf '%s\n' a:$i b:$i c:$i | produce "$1" -K :; done
  # The next append after segment.ms closes the segment, and only closed ones are compacted.
  sleep 1.5
  echo last:x | produce "$1" -K :
  until same "$(read_all "$1" -f '%k=%s ')" "a=9 b=9 c=9 last=x " >/dev/null; do sleep 0.2; done
}

none="kcat has no requests of administration"
for scenario in connect create-topic produce-{none,gzip,snappy,lz4,zstd} consume-group commit-resume rebalance \
  offsets-by-timestamp idempotence admin configs delete-records record-900kb oversize-refused unknown-topic compacted-topic; do
  [ -z "$only" ] || [[ ",$only," == *",$scenario,"* ]] || continue
  run=${scenario//-/_}
  if ! declare -F "$run" >/dev/null; then
    printf '{"scenario":"%s","result":"n/a","reason":"%s"}\n' "$scenario" "$none"
    continue
  fi
  # By itself, with its children in a group of their own, so that one that hangs can be ended with them.
  set -m
  ("$run" "$prefix-$scenario") >"$work/said" 2>&1 &
  job=$!
  set +m
  for _ in $(seq $((limit * 10))); do kill -0 "$job" 2>/dev/null || break; sleep 0.1; done
  if kill -0 "$job" 2>/dev/null; then
    kill -9 -- "-$job"
    echo "not done within $limit s" >>"$work/said"
  fi
  if wait "$job" 2>/dev/null; then
    printf '{"scenario":"%s","result":"ok"}\n' "$scenario"
  else
    reason=$(tail -c 500 "$work/said" | tr -c '[:print:]' ' ' | sed 's/[\\"]/\\&/g')
    printf '{"scenario":"%s","result":"fail","reason":"%s"}\n' "$scenario" "$reason"
  fi
done
