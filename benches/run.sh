#!/usr/bin/env bash
# Measures what users wait for. Set PROFILE=release for the numbers of a release build, which takes
# several times longer to compile.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
profile=${PROFILE:-dev}
export CARGO_TARGET_DIR="$PWD/target"
cargo build --quiet --profile "$profile" --package occopus-cli
# The profile dev builds into the folder debug.
folder=${profile/#dev/debug}
python3 benches/cold_start.py "target/$folder/occopus"
