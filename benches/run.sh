#!/usr/bin/env bash
# Measures what users wait for; docs/performance.md says what the numbers mean. Set PROFILE=release for
# the numbers of a release build, which takes several times longer to compile.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
profile=${PROFILE:-dev}
export CARGO_TARGET_DIR="$PWD/target"
# The profile dev builds into the folder debug.
folder=${profile/#dev/debug}

cargo build --quiet --profile "$profile" --package occopus-cli
echo "Cold start:"
python3 benches/cold_start.py "target/$folder/occopus"

echo "Loading, checking and ordering descriptions:"
cargo build --quiet --release --package occopus-descriptor --example load
python3 benches/descriptor.py target/release/examples/load

echo "Building on a simulated cloud, beside a clairvoyant scheduler:"
cargo build --quiet --profile "$profile" --package occopus-sim --examples
"target/$folder/examples/makespan" | python3 benches/table.py docs/performance.md makespan

echo "The engine itself:"
python3 benches/engine.py "target/$folder/examples/cost"

echo "Building on real back-ends, beside bare calls:"
tests/peers/with-peers.sh python3 benches/back_ends.py "target/$folder/occopus"
