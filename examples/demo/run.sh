#!/usr/bin/env bash
# Builds what the demo needs and runs it. Needs Rust (found by tests/toolchain.sh), a C compiler and
# Python 3.9; `make demo` calls it.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export CARGO_TARGET_DIR="$PWD/target"

fail() {
    echo "demo: $*" >&2
    exit 1
}

command -v cargo >/dev/null || fail "no cargo in PATH; run 'make demo', or install Rust from https://rustup.rs"
command -v cc >/dev/null || fail "no C compiler; install one, on Debian and Ubuntu: apt-get install gcc libc6-dev"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null ||
    fail "no Python 3.9 or later; on Debian and Ubuntu: apt-get install python3"

echo "Building the occopus command; the first time takes several minutes."
cargo build --package occopus-cli
exec python3 examples/demo/demo.py target/debug/occopus
