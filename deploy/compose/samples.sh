#!/bin/sh
# Signed samples for every source of hookstream.toml, without end: about ten events a second, among them forgeries,
# copies and bodies that cannot be read. $1 is the gateway's URL, $2 the directory of the bodies.
set -u
to=$1
bodies=$2

# Again and again; while the gateway is away, every other second. Ends with this script.
again() {
    while kill -0 $$ 2>/dev/null; do
        "$@" --to "$to" >/dev/null || sleep 2
    done
}

# The same once in so many seconds.
every() {
    seconds=$1
    shift
    while kill -0 $$ 2>/dev/null; do
        "$@" --to "$to" >/dev/null
        sleep "$seconds"
    done
}

# With everything it started.
trap 'trap - TERM; kill 0' TERM INT

for source in stripe github shopify slack standard-webhooks generic; do
    again hookstream send "$source" --count 600 --rate 2 &
done
again hookstream send slack --type message --count 600 --rate 1 &
every 10 hookstream send stripe --tamper &
every 20 hookstream send generic --tamper --count 2 &
# One body always has one id: every copy after the first is a duplicate.
every 5 hookstream send stripe --file "$bodies/same-event.json" &
every 60 hookstream send github --file "$bodies/not-json.txt" &
wait
