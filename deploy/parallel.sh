#!/bin/sh
# Hunts on many hosts: GNU parallel starts each shard where there is room, and brings back its report and its cases.
#
#   HOSTS=ada,grace,: SHARDS=16 ./parallel.sh SCENARIO [FLAGS OF hunt...]
#
# HOSTS      as parallel's --sshlogin has them; ":" is this machine (default)
# SHARDS     how many parts (default 8)
# FAULTLINE  the program, on every host (default faultline)
#
# Writes shard-*.json, faultline-cases/, summary.md and junit.xml here, prints the report, and exits as the hunt would: never with 0
# when a shard could not do its work. Reports of an earlier call are removed first. The same command goes on where an earlier one
# was ended.
set -eu
: "${HOSTS:=:}" "${SHARDS:=8}" "${FAULTLINE:=faultline}"
if [ $# -eq 0 ]; then
    echo "usage: HOSTS=ada,grace,: SHARDS=16 $0 SCENARIO [FLAGS OF hunt...]" >&2
    exit 2
fi
scenario=$1

# The words as a POSIX shell reads them back, in their order.
quoted() {
    for word in "$@"; do
        printf "'%s' " "$(printf '%s\n' "$word" | sed "s/'/'\\\\''/g")"
    done
}
words=$(quoted "$FAULTLINE" hunt "$@")

# What one host does: 0, 1 and 4 are findings, anything else is worth another try. The report gets its name when it is whole; it
# names the cases that go with it.
shard() {
    cat <<SCRIPT
rm -f shard-$1.json shard-$1.tgz; code=0
$words --shard $1/$SHARDS --jobs 1 --json --out ./faultline-cases > shard-$1.json.new || code=\$?
case \$code in 0|1|4) ;; *) rm -f shard-$1.json.new; exit \$code ;; esac
mv shard-$1.json.new shard-$1.json || exit
{ echo shard-$1.json; sed -n 's/^ *"case": "\\(.*\\)",*\$/\\1/p' shard-$1.json; } | tar -czf shard-$1.tgz -T -
SCRIPT
}

# Only a host that is not this one has to be sent something, and to send something back.
is_remote=$(printf '%s\n' "$HOSTS" | tr ',' '\n' | sed 's:^[0-9]*/::' | grep -vx : || true)
set -- --sshlogin "$HOSTS" --workdir . --retries 3
if [ -n "$is_remote" ]; then
    set -- "$@" --return "shard-{#}.tgz"
    if [ -f "$scenario" ]; then
        set -- "$@" --transferfile "$scenario"
    fi
fi
for index in $(seq "$SHARDS"); do
    rm -f "shard-$index.json" "shard-$index.tgz"
done
failed=0
# Each script is a line of its own for parallel, which then replaces nothing in it.
for index in $(seq "$SHARDS"); do
    shard "$index"
    printf '\0'
done | parallel -0 "$@" || failed=$?
reports=
for index in $(seq "$SHARDS"); do
    if [ -f "shard-$index.tgz" ]; then
        tar -xzf "shard-$index.tgz"
        rm -f "shard-$index.tgz"
    fi
    if [ -f "shard-$index.json" ]; then
        reports="$reports shard-$index.json"
    fi
done
if [ "$failed" -ne 0 ]; then
    echo "parallel ended with $failed: not every shard could do its work" >&2
fi
[ -n "$reports" ] || exit 2
code=0
# shellcheck disable=SC2086 # the names have no blanks
"$FAULTLINE" merge $reports --markdown summary.md --junit junit.xml --exit-code || code=$?
if [ "$failed" -ne 0 ] && [ "$code" -eq 0 ]; then
    code=2
fi
exit "$code"
