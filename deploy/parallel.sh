#!/bin/sh
# Hunts on many hosts: GNU parallel starts each shard where there is room, and brings back its report and its cases.
#
#   HOSTS=ada,grace,: SHARDS=16 ./parallel.sh SCENARIO [FLAGS OF hunt...]
#
# HOSTS      as parallel's --sshlogin has them; ":" is this machine (default)
# SHARDS     how many parts (default 8)
# FAULTLINE  the program, on every host (default faultline)
#
# Writes shard-*.json, faultline-cases/, summary.md and junit.xml here, prints the report, and exits as the hunt would. The same
# command goes on where an earlier one was ended.
set -eu
: "${HOSTS:=:}" "${SHARDS:=8}" "${FAULTLINE:=faultline}"
if [ $# -eq 0 ]; then
    echo "usage: HOSTS=ada,grace,: SHARDS=16 $0 SCENARIO [FLAGS OF hunt...]" >&2
    exit 2
fi
scenario=$1
words=$(parallel --shellquote ::: "$FAULTLINE" hunt "$@" | tr '\n' ' ')

# What one host does: 0, 1 and 4 are findings, anything else is worth another try. The report gets its name when it is whole.
shard="$words --shard {}/$SHARDS --jobs 1 --json --out faultline-cases/{} > shard-{}.new; code=\$?
case \$code in 0|1|4) ;; *) exit \$code ;; esac
mv shard-{}.new shard-{}.json && tar -czf shard-{}.tgz shard-{}.json faultline-cases/{}"

set -- --sshlogin "$HOSTS" --workdir . --retries 3 --return "shard-{}.tgz"
if [ "$HOSTS" != : ] && [ -f "$scenario" ]; then
    set -- "$@" --transferfile "$scenario"
fi
failed=0
seq "$SHARDS" | parallel "$@" "$shard" || failed=$?
for index in $(seq "$SHARDS"); do
    if [ -f "shard-$index.tgz" ]; then
        tar -xzf "shard-$index.tgz"
        rm -f "shard-$index.tgz"
    fi
done
if [ "$failed" -ne 0 ]; then
    echo "parallel ended with $failed: not every shard could do its work" >&2
fi
reports=$(for index in $(seq "$SHARDS"); do [ -f "shard-$index.json" ] && echo "shard-$index.json" || true; done)
[ -n "$reports" ] || exit 2
# shellcheck disable=SC2086 # the names have no blanks
exec "$FAULTLINE" merge $reports --markdown summary.md --junit junit.xml --exit-code
