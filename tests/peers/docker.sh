#!/bin/sh
# A real Docker Engine for tests, apart from any other on this machine.
#
#   docker.sh start DIR   starts it, imports the image occopus-test/busybox:latest and prints
#                         DOCKER_ENDPOINT=unix://DIR/docker.sock
#   docker.sh env DIR     prints the same line if the engine answers, else fails
#   docker.sh stop DIR    ends it with all containers and removes what it made; DIR itself goes too
#
# Needs root. DIR must not exist yet or be empty, and its path must be short (a socket path has at
# most 107 characters). The engine has a bridge, an address range and a containerd namespace of its
# own, so that several can run side by side; it never touches the iptables rules of another.
set -eu

usage() {
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

fail() {
    echo "docker.sh: $*" >&2
    exit 1
}

client() {
    docker -H "unix://$DIR/docker.sock" "$@"
}

install_packages() {
    if command -v dockerd && command -v docker && command -v ip && command -v iptables &&
        dpkg -s busybox-static; then
        return
    fi >/dev/null 2>&1
    {
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
            docker.io busybox-static iptables iproute2
    } >&2
}

# Claims a free bridge by making it: the name is taken atomically, also among concurrent starts.
make_bridge() {
    number=77
    while [ "$number" -lt 250 ]; do
        bridge="occo-test$number"
        if ! ip -4 addr show | grep -q "inet 172\.29\.$number\." &&
            ip link add "$bridge" type bridge 2>/dev/null; then
            echo "$bridge" >"$DIR/bridge"
            ip addr add "172.29.$number.1/24" dev "$bridge"
            ip link set "$bridge" up
            # Another engine on this machine may have set the policy of FORWARD to DROP.
            iptables -I FORWARD -i "$bridge" -o "$bridge" -j ACCEPT 2>/dev/null || true
            return
        fi
        number=$((number + 1))
    done
    fail "no free address range in 172.29.77.0 to 172.29.249.0; are engines of earlier tests still running?"
}

start_engine() {
    bridge=$(cat "$DIR/bridge")
    # The engine leads a session of its own: Ctrl-C in a test run must reach the tests only.
    setsid dockerd -H "unix://$DIR/docker.sock" --data-root "$DIR/data" --exec-root "$DIR/exec" \
        --pidfile "$DIR/pid" --bridge "$bridge" --iptables=false --ip6tables=false --ip-masq=false \
        --containerd-namespace "$bridge" --containerd-plugins-namespace "$bridge-plugins" \
        --cgroup-parent "/$bridge" \
        >"$DIR/log" 2>&1 </dev/null &
    starter=$!
    tries=0
    until client version >/dev/null 2>&1; do
        tries=$((tries + 1))
        kill -0 "$starter" 2>/dev/null || fail "dockerd ended: $(tail -n 5 "$DIR/log")"
        [ "$tries" -lt 300 ] || fail "dockerd does not answer after 60 s: $(tail -n 5 "$DIR/log")"
        sleep 0.2
    done
}

import_image() {
    rootfs="$DIR/rootfs"
    mkdir -p "$rootfs/bin" "$rootfs/tmp" "$rootfs/etc"
    cp /bin/busybox "$rootfs/bin/busybox"
    for applet in $(/bin/busybox --list); do
        [ "$applet" = busybox ] || ln -s busybox "$rootfs/bin/$applet"
    done
    tar -C "$rootfs" -c . | client import -c 'CMD ["/bin/sh"]' - occopus-test/busybox:latest >/dev/null
    rm -rf "$rootfs"
}

running() {
    [ -f "$DIR/$1" ] && kill -0 "$(cat "$DIR/$1")" 2>/dev/null
}

stop_engine() {
    if running pid; then
        containers=$(client ps -aq 2>/dev/null || true)
        # Word splitting is wanted: one argument for each container.
        # shellcheck disable=SC2086
        [ -z "$containers" ] || client rm -fv $containers >/dev/null 2>&1 || true
        engine=$(cat "$DIR/pid")
        kill -TERM "$engine" 2>/dev/null || true
        tries=0
        while kill -0 "$engine" 2>/dev/null; do
            tries=$((tries + 1))
            [ "$tries" -ne 150 ] || kill -KILL "$engine" 2>/dev/null || true
            [ "$tries" -lt 200 ] || fail "dockerd (process $engine) does not end; see $DIR/log"
            sleep 0.2
        done
    fi
    if running exec/containerd/containerd.pid; then
        kill -KILL "$(cat "$DIR/exec/containerd/containerd.pid")" 2>/dev/null || true
    fi
}

remove_traces() {
    # Deepest mount points first.
    awk -v dir="$DIR/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
        while read -r mount; do umount -l "$mount" || true; done
    if [ -f "$DIR/bridge" ]; then
        bridge=$(cat "$DIR/bridge")
        iptables -D FORWARD -i "$bridge" -o "$bridge" -j ACCEPT 2>/dev/null || true
        ip link del "$bridge" 2>/dev/null || true
        find /sys/fs/cgroup -depth -type d -path "*/$bridge*" -exec rmdir {} \; 2>/dev/null || true
    fi
    rm -rf "$DIR"
}

[ $# -eq 2 ] || usage
mkdir -p "$(dirname "$2")"
DIR="$(cd "$(dirname "$2")" && pwd)/$(basename "$2")"

case $1 in
start)
    [ "$(id -u)" -eq 0 ] || fail "must run as root"
    [ -z "$(ls -A "$DIR" 2>/dev/null)" ] || fail "$DIR is not empty; run '$0 stop $DIR' first"
    mkdir -p "$DIR"
    chmod 700 "$DIR"
    install_packages
    trap '[ $? -eq 0 ] || { stop_engine; remove_traces; } >/dev/null 2>&1' EXIT
    make_bridge
    start_engine
    import_image
    echo "DOCKER_ENDPOINT=unix://$DIR/docker.sock"
    ;;
env)
    client version >/dev/null 2>&1 || fail "no engine answers at $DIR/docker.sock"
    echo "DOCKER_ENDPOINT=unix://$DIR/docker.sock"
    ;;
stop)
    stop_engine
    remove_traces
    ;;
*)
    usage
    ;;
esac
