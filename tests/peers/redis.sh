#!/bin/sh
# A real Redis for tests, on a free loopback port.
#
#   redis.sh start DIR   starts it with an append-only file that is flushed at every write, and prints
#                        OCCOPUS_TEST_REDIS=127.0.0.1:PORT
#   redis.sh stop DIR    ends it and removes DIR
#
# DIR must not exist yet or be empty. Installs the package redis-server where it is missing, which needs
# root.
set -eu

usage() {
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2
    exit 2
}

fail() {
    echo "redis.sh: $*" >&2
    exit 1
}

install_packages() {
    ! command -v redis-server >/dev/null 2>&1 || return 0
    [ "$(id -u)" -eq 0 ] || fail "redis-server is not installed; run 'apt-get install redis-server' as root"
    {
        apt-get -o DPkg::Lock::Timeout=300 update -qq
        DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -qq -y --no-install-recommends redis-server
    } >&2
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

answers_on() {
    python3 -c 'import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5) as s:
    s.sendall(b"PING\r\n")
    sys.exit(s.recv(5) != b"+PONG")' "$1" >/dev/null 2>&1
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
    setsid redis-server --port "$1" --bind 127.0.0.1 --dir "$DIR" --save '' --appendonly yes --appendfsync always \
        >"$DIR/log" 2>&1 </dev/null &
    server=$!
    echo "$server" >"$DIR/server"
    tries=0
    until answers_on "$1"; do
        tries=$((tries + 1))
        alive "$server" || return 1
        [ "$tries" -lt 300 ] || fail "redis-server does not answer after 60 s: $(tail -n 5 "$DIR/log")"
        sleep 0.2
    done
    alive "$server"
}

start_server() {
    for _ in 1 2 3; do
        port=$(free_port)
        started_on "$port" && return
    done
    fail "redis-server ended: $(tail -n 5 "$DIR/log")"
}

stop_server() {
    server=$(cat "$DIR/server" 2>/dev/null) || return 0
    kill -TERM "$server" 2>/dev/null || return 0
    tries=0
    while alive "$server"; do
        tries=$((tries + 1))
        [ "$tries" -ne 25 ] || kill -KILL "$server" 2>/dev/null || true
        [ "$tries" -lt 75 ] || fail "redis-server (process $server) does not end; see $DIR/log"
        sleep 0.2
    done
}

[ $# -eq 2 ] || usage
mkdir -p "$(dirname "$2")"
DIR="$(cd "$(dirname "$2")" && pwd)/$(basename "$2")"

case $1 in
start)
    [ -z "$(ls -A "$DIR" 2>/dev/null)" ] || fail "$DIR is not empty; run '$0 stop $DIR' first"
    mkdir -p "$DIR"
    chmod 700 "$DIR"
    trap '[ $? -eq 0 ] || { stop_server; rm -rf "$DIR"; } >/dev/null 2>&1' EXIT
    install_packages
    start_server
    echo "OCCOPUS_TEST_REDIS=127.0.0.1:$port"
    ;;
stop)
    stop_server
    rm -rf "$DIR"
    ;;
*)
    usage
    ;;
esac
