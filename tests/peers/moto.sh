#!/bin/sh
# The EC2 simulation moto for tests, on a free loopback port.
#
#   moto.sh start DIR   starts it and prints OCCOPUS_TEST_MOTO=http://127.0.0.1:PORT
#   moto.sh stop DIR    ends it and removes DIR
#
# DIR must not exist yet or be empty. moto itself is installed from PyPI once, into target/peers/venv.
set -eu

usage() {
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2
    exit 2
}

fail() {
    echo "moto.sh: $*" >&2
    exit 1
}

# One start at a time installs; a half-finished installation is repeated.
install_moto() {
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

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

answers_on() {
    python3 -c 'import sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
opener.open(f"http://127.0.0.1:{sys.argv[1]}/moto-api/data.json", timeout=5)' "$1" >/dev/null 2>&1
}

# Whether the process $1 lives; one that ended but was not yet collected by its parent does not.
alive() {
    case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) in
    '' | Z*) return 1 ;;
    esac
}

# Whether it came up on the port $1. Somebody else may take the port between its choice and its use.
started_on() {
    # A session of its own: Ctrl-C in a test run must reach the tests only.
    setsid "$VENV/bin/moto_server" -H 127.0.0.1 -p "$1" >"$DIR/log" 2>&1 </dev/null &
    server=$!
    echo "$server" >"$DIR/server"
    tries=0
    until answers_on "$1"; do
        tries=$((tries + 1))
        alive "$server" || return 1
        [ "$tries" -lt 300 ] || fail "moto does not answer after 60 s: $(tail -n 5 "$DIR/log")"
        sleep 0.2
    done
    alive "$server"
}

start_server() {
    for _ in 1 2 3; do
        port=$(free_port)
        started_on "$port" && return
    done
    fail "moto ended: $(tail -n 5 "$DIR/log")"
}

stop_server() {
    server=$(cat "$DIR/server" 2>/dev/null) || return 0
    kill -TERM "$server" 2>/dev/null || return 0
    tries=0
    while alive "$server"; do
        tries=$((tries + 1))
        [ "$tries" -ne 25 ] || kill -KILL "$server" 2>/dev/null || true
        [ "$tries" -lt 75 ] || fail "moto (process $server) does not end; see $DIR/log"
        sleep 0.2
    done
}

[ $# -eq 2 ] || usage
VENV="$(cd "$(dirname "$0")/../.." && pwd)/target/peers/venv"
mkdir -p "$(dirname "$2")"
DIR="$(cd "$(dirname "$2")" && pwd)/$(basename "$2")"

case $1 in
start)
    [ -z "$(ls -A "$DIR" 2>/dev/null)" ] || fail "$DIR is not empty; run '$0 stop $DIR' first"
    mkdir -p "$DIR"
    trap '[ $? -eq 0 ] || { stop_server; rm -rf "$DIR"; } >/dev/null 2>&1' EXIT
    install_moto
    start_server
    echo "OCCOPUS_TEST_MOTO=http://127.0.0.1:$port"
    ;;
stop)
    stop_server
    rm -rf "$DIR"
    ;;
*)
    usage
    ;;
esac
