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

# Without DNS, without the system's configuration and without the safety of a real database: the data
# live for one test run.
prepare() {
    for program in mariadbd mariadb-install-db mariadb; do
        command -v "$program" >/dev/null 2>&1 || install_package mariadb-server
    done
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

launch() {
    setsid mariadbd --defaults-file="$DIR/my.cnf" --port="$1" >"$DIR/output" 2>&1 </dev/null &
}

client() {
    mariadb --no-defaults --socket="$DIR/socket" --user=root "$@"
}

answers() {
    client -e 'SELECT 1'
}

announce() {
    client -e "CREATE DATABASE shop;
        CREATE USER app@'127.0.0.1' IDENTIFIED BY 's3cret'; GRANT ALL ON shop.* TO app@'127.0.0.1';"
    echo "OCCOPUS_TEST_MARIADB=127.0.0.1:$1"
}

NAME=mariadbd
# shellcheck source=tests/peers/server.sh
. "$(dirname "$0")/server.sh"
main "$@"
