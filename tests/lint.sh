#!/usr/bin/env bash
# Checks the format and the lints of all code, Rust and Python, and that the C header is current.
set -eu

cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tests/python.sh

cargo fmt --all --check
cargo clippy --workspace --all-targets -- -D warnings
bindings/c/header.sh --check
venv=target/venv
python_environment "$venv"
"$venv/bin/ruff" check python tests examples benches
"$venv/bin/ruff" format --check python tests examples benches
"$venv/bin/mypy"
