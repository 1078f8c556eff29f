# What peers that are one server on a free loopback port have in common. Their scripts define
#
#   prepare        installs what is needed and makes it ready in $DIR
#   launch PORT    starts the server in the background, in a session of its own: Ctrl-C in a test run must
#                  reach the tests only. Its messages go to $DIR/log.
#   answers PORT   whether it answers
#   announce PORT  prints the variable by which tests find it, once there is in it what they need
#
# and, with the NAME of the server, source this file and call `main` with their own arguments.
# shellcheck shell=sh

usage() {
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# Installs the Debian package $1, as root.
install_package() {
    [ "$(id -u)" -eq 0 ] || fail "$1 is not installed; run 'apt-get install $1' as root"
    {
        apt-get -o DPkg::Lock::Timeout=300 update -qq
        DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -qq -y \
            --no-install-recommends "$1"
    } >&2
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Whether the process $1 lives; one that ended but was not yet collected by its parent does not.
alive() {
    case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) in
    '' | Z*) return 1 ;;
    esac
}

# Whether it came up on the port $1. Somebody else may take the port between its choice and its use.
started_on() {
    launch "$1"
    server=$!
    echo "$server" >"$DIR/server"
    tries=0
    until answers "$1" >/dev/null 2>&1; do
        tries=$((tries + 1))
        alive "$server" || return 1
        [ "$tries" -lt 300 ] || fail "$NAME does not answer after 60 s: $(tail -n 5 "$DIR/log")"
        sleep 0.2
    done
    alive "$server"
}

start_server() {
    for _ in 1 2 3; do
        port=$(free_port)
        started_on "$port" && return
    done
    fail "$NAME ended: $(tail -n 5 "$DIR/log")"
}

stop_server() {
    server=$(cat "$DIR/server" 2>/dev/null) || return 0
    kill -TERM "$server" 2>/dev/null || return 0
    tries=0
    while alive "$server"; do
        tries=$((tries + 1))
        [ "$tries" -ne 100 ] || kill -KILL "$server" 2>/dev/null || true
        [ "$tries" -lt 150 ] || fail "$NAME (process $server) does not end; see $DIR/log"
        sleep 0.2
    done
}

main() {
    [ $# -eq 2 ] || usage
    mkdir -p "$(dirname "$2")"
    DIR="$(cd "$(dirname "$2")" && pwd)/$(basename "$2")"

    case $1 in
    start)
        [ -z "$(ls -A "$DIR" 2>/dev/null)" ] || fail "$DIR is not empty; run '$0 stop $DIR' first"
        mkdir -p "$DIR"
        chmod 700 "$DIR"
        trap '[ $? -eq 0 ] || { stop_server; rm -rf "$DIR"; } >/dev/null 2>&1' EXIT
        prepare
        start_server
        announce "$port"
        ;;
    stop)
        stop_server
        rm -rf "$DIR"
        ;;
    *)
        usage
        ;;
    esac
}
