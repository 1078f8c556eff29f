#!/usr/bin/env bash
# Measures what users wait for, and writes the tables of docs/performance.md, which says what they mean. Fails
# when a limit is exceeded. Users have a release build; PROFILE=dev saves compiling one, and measures another.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
profile=${PROFILE:-release}
export CARGO_TARGET_DIR="$PWD/target"
# The profile dev builds into the folder debug.
built="target/${profile/#dev/debug}"

# Shows what it reads, under the title $2, and puts it into the page as the table $1.
table() {
    echo "$2:"
    python3 benches/table.py docs/performance.md "$1"
    echo
}

machine() {
    awk -F ': *' '/^model name/ { model = $2; cores++ } END { printf "%d cores (%s)", cores, model }' /proc/cpuinfo
    echo ", $(awk '/^MemTotal/ { printf "%.0f GB", $2 / 1e6 }' /proc/meminfo) of memory, profile \`$profile\`."
}

cargo build --quiet --profile "$profile" --package occopus-cli --bin occopus
cargo build --quiet --profile "$profile" --package occopus-descriptor --example load
cargo build --quiet --profile "$profile" --package occopus-sim --examples

machine | table machine "Machine"
python3 benches/cold_start.py "$built/occopus" | table cold-start "Cold start"
python3 benches/descriptor.py "$built/examples/load" |
    table descriptions "Loading, checking and ordering descriptions"
"$built/examples/makespan" | table makespan "Building on a simulated cloud, beside a clairvoyant scheduler"
python3 benches/engine.py "$built/examples/cost" | table engine "The engine itself"
tests/peers/with-peers.sh python3 benches/back_ends.py "$built/occopus" |
    table back-ends "Building on real back-ends, beside bare calls"
