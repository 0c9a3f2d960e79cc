#!/bin/sh
# The commands of README.md beside, with kcat (librdkafka).
command=$1 bootstrap=$2 topic=$3
case $command in
produce)
  awk -v count="$4" 'BEGIN {
    pad = sprintf("%1024s", ""); gsub(/ /, "x", pad)
    for (i = 0; i < count; i++) { head = i ":"; print "k" (i % 997) "|" head substr(pad, length(head) + 1) }
  }' | kcat -P -b "$bootstrap" -t "$topic" -K '|' -X acks=all -X enable.idempotence=true -X linger.ms=5
  ;;
consume)
  # kcat stores the offset of what it printed and commits it when it leaves.
  kcat -b "$bootstrap" -G "$4" -c "$5" -q -X auto.offset.reset=earliest -X enable.auto.offset.store=true \
    -f '%p %o %k %s\n' "$topic" | sed 's/:x*$//'
  ;;
esac
