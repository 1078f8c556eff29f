#!/usr/bin/env bash
# Runs a command with the Rust toolchain of this machine, also where HOME is empty or not set: rustup
# and cargo look for their files below HOME unless told otherwise.
#
#   toolchain.sh COMMAND...
set -eu

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ -z "${HOME:-}" ]; then
    export HOME="$root/target/home"
    mkdir -p "$HOME"
fi

# The home of the account, whatever HOME says.
account_home=$(getent passwd "$(id -u)" | cut -d: -f6)
for directory in "${CARGO_HOME:+$CARGO_HOME/bin}" "$HOME/.cargo/bin" "$account_home/.cargo/bin" /usr/local/cargo/bin; do
    if ! command -v cargo >/dev/null && [ -x "$directory/cargo" ]; then
        PATH="$directory:$PATH"
    fi
done
if ! cargo=$(command -v cargo); then
    echo "toolchain.sh: no cargo on this machine; install Rust from https://rustup.rs" >&2
    exit 1
fi

# rustup's cargo lies in CARGO_HOME/bin, beside which its toolchains are.
cargo_home=$(dirname "$(dirname "$cargo")")
for rustup_home in "$(dirname "$cargo_home")/.rustup" "$(dirname "$cargo_home")/rustup"; do
    if [ -d "$rustup_home/toolchains" ]; then
        if [ ! -d "$HOME/.rustup" ]; then
            export RUSTUP_HOME="${RUSTUP_HOME:-$rustup_home}"
        fi
        # Saves downloading every dependency again.
        if [ ! -d "$HOME/.cargo" ] && [ -w "$cargo_home" ]; then
            export CARGO_HOME="${CARGO_HOME:-$cargo_home}"
        fi
    fi
done

exec "$@"
