#!/usr/bin/env bash
# Runs all tests: sets up what they need, starts real back-ends beside them, stops those again.
#
# Ends by printing `N passed, M failed` and fails unless M is 0. With CI=true something missing is a
# failure; otherwise the tests that need it say so and are skipped.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1

# What the peers and single tests use. Packages are installed by root only, and only missing ones.
packages=(docker.io busybox-static iptables iproute2 iputils-ping mariadb-server redis-server cloud-init python3-venv
    gcc g++ make pkg-config valgrind)

install_packages() {
    command -v dpkg-query >/dev/null || return 0
    local missing=() package
    for package in "${packages[@]}"; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "run.sh: not installed, and only root can: ${missing[*]}" >&2
        return 0
    fi
    local apt=(apt-get -o DPkg::Lock::Timeout=300 -qq)
    echo "run.sh: installing ${missing[*]}" >&2
    { "${apt[@]}" update &&
        DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } >&2 ||
        echo "run.sh: cannot install ${missing[*]}" >&2
}

install_packages
tally=$(mktemp) || exit 1
trap 'rm -f "$tally"' EXIT
tests/peers/with-peers.sh tests/suites.sh "$tally"
status=$?

passed=$(awk '{ sum += $1 } END { print sum + 0 }' "$tally")
failed=$(awk '{ sum += $2 } END { print sum + 0 }' "$tally")
# A run that broke off before it could count is not a success.
[ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
