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

prepare() {
    command -v redis-server >/dev/null 2>&1 || install_package redis-server
}

launch() {
    setsid redis-server --port "$1" --bind 127.0.0.1 --dir "$DIR" --save '' --appendonly yes --appendfsync always \
        >"$DIR/log" 2>&1 </dev/null &
}

answers() {
    python3 -c 'import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5) as s:
    s.sendall(b"PING\r\n")
    sys.exit(s.recv(5) != b"+PONG")' "$1"
}

announce() {
    echo "OCCOPUS_TEST_REDIS=127.0.0.1:$1"
}

NAME=redis-server
# shellcheck source=tests/peers/server.sh
. "$(dirname "$0")/server.sh"
main "$@"
