"""Commands whose configuration is the one that Occopus 1.10 was shipped with, and the Redis it names."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path
from typing import Any

from occopus_cli import ROOT, Cli, absent

SHIPPED = ROOT / "core" / "descriptor" / "tests" / "data" / "occopus_config.yaml"
#: The databases of the shipped configuration.
RECORDS, DEFINITIONS, INFRASTRUCTURES = 0, 1, 10


def redis_port() -> int:
    """The port of the Redis for tests."""
    if not (named := os.environ.get("OCCOPUS_TEST_REDIS")):
        absent("OCCOPUS_TEST_REDIS is not set; start one with tests/peers/redis.sh")
    return int(named.rpartition(":")[2])


def ask(port: int, database: int, *command: object) -> Any:
    """The answer of the Redis to a command, spoken without any of our own code."""
    with (
        socket.create_connection(("127.0.0.1", port), 10) as connection,
        connection.makefile("rb") as answers,
    ):
        for words in (["SELECT", database], command):
            encoded = [str(word).encode() for word in words]
            parts = [b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded]
            connection.sendall(b"*%d\r\n%s" % (len(parts), b"".join(parts)))
            answer = read_answer(answers)
    return answer


def read_answer(answers: Any) -> Any:
    """One answer in the protocol of Redis, version 2."""
    line = answers.readline().rstrip(b"\r\n")
    kind, rest = line[:1], line[1:]
    assert kind != b"-", rest
    if kind == b"*":
        return [read_answer(answers) for _ in range(int(rest))]
    if kind == b"$":
        return None if rest == b"-1" else answers.read(int(rest) + 2)[:-2].decode()
    return int(rest) if kind == b":" else rest.decode()


class RedisCli(Cli):
    """The commands with the shipped configuration, whose Redis is the one for tests.

    Each has a user name of its own, so that they do not see each other's data.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = redis_port()
        self.user = f"tester-{uuid.uuid4()}"
        self.environment["LOGNAME"] = self.user
        shipped = SHIPPED.read_text(encoding="utf-8")
        assert shipped.count("6379") == 1
        self.write("home/.occopus/occopus_config.yaml", shipped.replace("6379", str(self.port)))

    def ask(self, database: int, *command: object) -> Any:
        """The answer of the Redis to a command."""
        return ask(self.port, database, *command)

    def records(self, table: str) -> int:
        """The number of records in a table, whatever their scope."""
        keys = self.ask(RECORDS, "KEYS", f"occopus:2:{self.user}@records:{table}:*")
        return sum(self.ask(RECORDS, "HLEN", key) for key in keys)

    def clean_up(self) -> None:
        """Destroys whatever is left."""
        for infra in self.infras():
            self.run("destroy", infra["infra_id"], "--yes")
        for database in (RECORDS, DEFINITIONS, INFRASTRUCTURES):
            if keys := self.ask(database, "KEYS", f"*{self.user}@*"):
                self.ask(database, "DEL", *keys)
