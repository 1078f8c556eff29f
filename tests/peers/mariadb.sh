#!/bin/sh
# A real MariaDB for tests, on a free loopback port.
#
#   mariadb.sh start DIR   starts it with the database `shop` and the user `app`, password `s3cret`,
#                          and prints OCCOPUS_TEST_MARIADB=127.0.0.1:PORT
#   mariadb.sh stop DIR    ends it and removes DIR
#
# DIR must not exist yet or be empty, and its path must be short (a socket path has at most 107
# characters). Installs the package mariadb-server where it is missing, which needs root.
set -eu

usage() {
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2
    exit 2
}

fail() {
    echo "mariadb.sh: $*" >&2
    exit 1
}

install_packages() {
    if command -v mariadbd && command -v mariadb-install-db && command -v mariadb; then
        return
    fi >/dev/null 2>&1
    [ "$(id -u)" -eq 0 ] || fail "mariadb-server is not installed; run 'apt-get install mariadb-server' as root"
    {
        apt-get -o DPkg::Lock::Timeout=300 update -qq
        DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -qq -y --no-install-recommends mariadb-server
    } >&2
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Without DNS, without the system's configuration and without the safety of a real database: the data
# live for one test run.
initialise() {
    cat >"$DIR/my.cnf" <<END
[mariadbd]
user=$(id -un)
datadir=$DIR/data
socket=$DIR/socket
pid-file=$DIR/pid
log-error=$DIR/log
bind-address=127.0.0.1
skip-name-resolve=ON
innodb-flush-log-at-trx-commit=0
END
    mariadb-install-db --defaults-file="$DIR/my.cnf" --auth-root-authentication-method=normal \
        --skip-test-db >"$DIR/install.log" 2>&1 || fail "cannot initialise: $(tail -n 5 "$DIR/install.log")"
}

client() {
    mariadb --no-defaults --socket="$DIR/socket" --user=root "$@"
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
    setsid mariadbd --defaults-file="$DIR/my.cnf" --port="$1" >"$DIR/output" 2>&1 </dev/null &
    server=$!
    echo "$server" >"$DIR/server"
    tries=0
    until client -e 'SELECT 1' >/dev/null 2>&1; do
        tries=$((tries + 1))
        alive "$server" || return 1
        [ "$tries" -lt 300 ] || fail "mariadbd does not answer after 60 s: $(tail -n 5 "$DIR/log")"
        sleep 0.2
    done
}

start_server() {
    for _ in 1 2 3; do
        port=$(free_port)
        started_on "$port" && return
    done
    fail "mariadbd ended: $(tail -n 5 "$DIR/log")"
}

stop_server() {
    server=$(cat "$DIR/server" 2>/dev/null) || return 0
    kill -TERM "$server" 2>/dev/null || return 0
    tries=0
    while alive "$server"; do
        tries=$((tries + 1))
        [ "$tries" -ne 100 ] || kill -KILL "$server" 2>/dev/null || true
        [ "$tries" -lt 150 ] || fail "mariadbd (process $server) does not end; see $DIR/log"
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
    initialise
    start_server
    client -e "CREATE DATABASE shop;
        CREATE USER app@'127.0.0.1' IDENTIFIED BY 's3cret'; GRANT ALL ON shop.* TO app@'127.0.0.1';"
    echo "OCCOPUS_TEST_MARIADB=127.0.0.1:$port"
    ;;
stop)
    stop_server
    rm -rf "$DIR"
    ;;
*)
    usage
    ;;
esac
