#!/bin/sh
# The EC2 simulation moto for tests, on a free loopback port.
#
#   moto.sh start DIR   starts it and prints OCCOPUS_TEST_MOTO=http://127.0.0.1:PORT
#   moto.sh stop DIR    ends it and removes DIR
#
# DIR must not exist yet or be empty. moto itself is installed from PyPI once, into target/peers/venv.
set -eu

VENV="$(cd "$(dirname "$0")/../.." && pwd)/target/peers/venv"

# One start at a time installs; a half-finished installation is repeated.
prepare() {
    mkdir -p "$(dirname "$VENV")"
    {
        flock 9
        if [ ! -f "$VENV/complete" ]; then
            python3 -m venv --clear "$VENV" &&
                "$VENV/bin/pip" install --quiet --disable-pip-version-check 'moto[server]==5.2.*' &&
                touch "$VENV/complete"
        fi
    } 9>"$VENV.lock" >&2 || fail "cannot install moto[server] from PyPI into $VENV; see the messages above"
}

launch() {
    setsid "$VENV/bin/moto_server" -H 127.0.0.1 -p "$1" >"$DIR/log" 2>&1 </dev/null &
}

answers() {
    python3 -c 'import sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
opener.open(f"http://127.0.0.1:{sys.argv[1]}/moto-api/data.json", timeout=5)' "$1"
}

announce() {
    echo "OCCOPUS_TEST_MOTO=http://127.0.0.1:$1"
}

NAME=moto
# shellcheck source=tests/peers/server.sh
. "$(dirname "$0")/server.sh"
main "$@"
