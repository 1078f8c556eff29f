#!/usr/bin/env bash
# Runs the Rust and the Python tests against whatever back-ends the environment names (OCCOPUS_TEST_*).
#
#   suites.sh TALLY
#
# Appends a line `PASSED FAILED` to the file TALLY for each suite. A suite that breaks off (because the
# code does not compile, for example) counts as one failure.
set -uo pipefail

[ $# -eq 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2; }
tally=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
export CARGO_TARGET_DIR="$root/target"
venv="$root/target/venv"
. tests/python.sh
all_ok=0

# Records the suite that ended with status $1 and counted $2 passed and $3 failed.
record() {
    local status=$1 passed=${2:-0} failed=${3:-0}
    [ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
    echo "$passed $failed" >>"$tally"
    [ "$failed" -eq 0 ] || all_ok=1
}

# Prints `PASSED FAILED` of the JUnit report $1; skipped tests are neither.
count_junit() {
    [ -f "$1" ] && python3 - "$1" <<'END'
import sys
import xml.etree.ElementTree as tree

cases = list(tree.parse(sys.argv[1]).iter("testcase"))
failed = sum(any(case.find(kind) is not None for kind in ("failure", "error")) for case in cases)
skipped = sum(case.find("skipped") is not None for case in cases)
print(len(cases) - failed - skipped, failed)
END
}

# Prints `PASSED FAILED` of the output $1 of `cargo test`.
count_libtest() {
    awk '/^test result: / { passed += $4; failed += $6 } END { print passed + 0, failed + 0 }' "$1"
}

run_libtest() {
    local output status counts
    output=$(mktemp)
    "$@" 2>&1 | tee "$output"
    status=$?
    counts=$(count_libtest "$output")
    rm -f "$output"
    # Word splitting is wanted: two numbers.
    # shellcheck disable=SC2086
    record "$status" $counts
}

rust_tests() {
    # The end-to-end tests run the real programs.
    cargo build --workspace --bins || { record 1; return; }
    # By itself: with all others, its feature would be built into them, too.
    cargo build -p occopus-cli --features crash-points --bin occopus-with-crash-points ||
        { record 1; return; }
    if cargo nextest --version >/dev/null 2>&1; then
        local report=target/nextest/default/junit.xml
        rm -f "$report"
        cargo nextest run --workspace --no-fail-fast
        # shellcheck disable=SC2046
        record $? $(count_junit "$report")
        run_libtest cargo test --workspace --doc --no-fail-fast
    else
        run_libtest cargo test --workspace --no-fail-fast
    fi
}

# Builds the wheel as a user would, but in the profile whose dependencies the Rust tests have compiled.
install_package() {
    python_environment "$venv" &&
        "$venv/bin/pip" --disable-pip-version-check install --quiet \
            --config-settings=build-args=--profile=dev .
}

python_tests() {
    if [ ! -f pyproject.toml ] && [ "${CI:-}" != true ]; then
        echo "suites.sh: there is no pyproject.toml yet; the Python tests are skipped" >&2
        return
    fi
    install_package || { record 1; return; }
    local report=target/pytest.xml
    rm -f "$report"
    PATH="$venv/bin:$PATH" "$venv/bin/python" -m pytest tests --junitxml="$report"
    # shellcheck disable=SC2046
    record $? $(count_junit "$report")
}

rust_tests
python_tests
exit "$all_ok"
