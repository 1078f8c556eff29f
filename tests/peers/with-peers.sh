#!/usr/bin/env bash
# Runs a command beside real back-ends that live only as long as it does.
#
#   with-peers.sh COMMAND...
#
# The command finds them in OCCOPUS_TEST_DOCKER (the URL of a Docker Engine), OCCOPUS_TEST_MOTO (the
# URL of an EC2 simulation), OCCOPUS_TEST_MARIADB and OCCOPUS_TEST_REDIS (HOST:PORT). A variable that is
# set already is left as it is. A peer that cannot be started is left out with its reason; with CI=true it is an error.
# The exit status is the command's.
set -uo pipefail

if [ $# -eq 0 ]; then
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi

peers=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# Short, because Unix sockets below it have at most 107 characters.
work=$(mktemp -d /tmp/occo.XXXXXX) || exit 1
child=

stop_peers() {
    trap '' INT TERM
    local directory
    for directory in "$work"/*; do
        [ -d "$directory" ] && "$peers/$(basename "$directory").sh" stop "$directory"
    done
    rm -rf "$work"
}
trap stop_peers EXIT
trap 'if [ -n "$child" ]; then kill -TERM -- "-$child" 2>/dev/null; else exit 130; fi' INT TERM

# Starts the peer $1 and exports what it prints (NAME=VALUE) as the variable $2.
start() {
    local peer=$1 variable=$2 line
    [ -z "${!variable:-}" ] || return 0
    if line=$("$peers/$peer.sh" start "$work/$peer"); then
        export "$variable=${line#*=}"
    elif [ "${CI:-}" = true ]; then
        echo "with-peers.sh: no $peer, and CI=true needs it" >&2
        exit 1
    else
        echo "with-peers.sh: no $peer; tests that need it are skipped" >&2
    fi
}

start docker OCCOPUS_TEST_DOCKER
start moto OCCOPUS_TEST_MOTO
start mariadb OCCOPUS_TEST_MARIADB
start redis OCCOPUS_TEST_REDIS

# In the background, so that a signal to this script is passed on at once; under job control, because
# without it the command and all its children would ignore Ctrl-C, which some tests send.
set -m
"$@" <&0 &
child=$!
set +m
wait "$child"
status=$?
# A signal ends `wait` before the command ends.
while kill -0 "$child" 2>/dev/null; do
    wait "$child"
    status=$?
done
exit "$status"
