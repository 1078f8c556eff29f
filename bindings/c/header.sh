#!/usr/bin/env bash
# Writes include/occopus.h from the sources of the C library.
#
#   header.sh          write it
#   header.sh --check  only compare; fails, and shows the difference, if it is not current
#
# Needs the crate `cbindgen`, which cargo downloads at the first run.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mode=${1:-}
case "$mode" in
'' | --check) ;;
*)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2
    exit 2
    ;;
esac

header=include/occopus.h
new=$(mktemp)
trap 'rm -f "$new"' EXIT
CARGO_TARGET_DIR=target/header cargo run --quiet --locked --manifest-path bindings/c/header/Cargo.toml -- \
    bindings/c/header/cbindgen.toml bindings/c/src/{types,library,describe,build,look,operate,orphans,watch}.rs >"$new"
if [ "$mode" != --check ]; then
    mkdir -p include
    cp "$new" "$header"
elif ! diff -u "$header" "$new"; then
    echo "header.sh: $header is not current; write it with bindings/c/header.sh" >&2
    exit 1
fi
