"""The configuration that Occopus 1.10 was shipped with: data in a Redis, old and new side by side."""

from __future__ import annotations

import io
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from crashes import crash_everywhere
from descriptions import DEFINITIONS, PAIR, infrastructure
from occopus_cli import Cli, absent, processes_of, running, stop, wait_until
from redis_server import DEFINITIONS as DEFINITION_KEYS
from redis_server import INFRASTRUCTURES, RECORDS, RedisCli
from ruamel.yaml import YAML

#: As 1.10 stores a node definition: sorted keys, innermost collections in flow style.
ORIGINAL_DEFINITION = """\
- contextualisation:
    command: [sleep, '1000']
    type: process
  health_check: {ping: false, type: basic}
  resource: {type: process}
"""


@pytest.fixture()
def redis_cli(tmp_path: Path) -> Iterator[RedisCli]:
    """The commands with the shipped configuration."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    cli = RedisCli(folder)
    yield cli
    cli.clean_up()


def test_the_legacy_commands_work_with_the_shipped_configuration(redis_cli: RedisCli) -> None:
    cli = redis_cli
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", PAIR)
    imported = cli.legacy("import", "nodes.yaml")
    assert "Successfully imported nodes: server, client, quiet, broken" in imported.out
    infra = cli.legacy("build", "infra.yaml").last
    assert len(processes_of(infra)) == 3
    assert infra in cli.legacy("maintain", "-l").out
    cli.legacy("maintain", "-i", infra)
    assert cli.status(infra)["health"] == "ready"
    assert str(cli.port) in cli.status(infra)["store"]
    cli.legacy("destroy", "-i", infra)
    assert processes_of(infra) == {} and cli.infras() == []
    assert not cli.store.exists(), "all data are in the Redis"


def test_what_is_imported_is_read_by_the_loader_of_the_original(redis_cli: RedisCli) -> None:
    cli = redis_cli
    odd = "'node_def:odd':\n  - resource: {type: process}\n    contextualisation:\n      type: process\n" + (
        "      command: [echo, \"árvíz \\u2028 \\x07 🐙 - #: {{x}}\", 'yes', '010', \"\\ttab\"]\n"
    )
    cli.write("nodes.yaml", DEFINITIONS + odd)
    cli.legacy("import", "nodes.yaml")
    written = YAML(typ="safe", pure=True).load((cli.folder / "nodes.yaml").read_text())
    for key, expected in written.items():
        text = cli.ask(DEFINITION_KEYS, "GET", f"{cli.user}@{key.removeprefix('node_def:')}")
        stored = YAML(typ="safe", pure=True).load(io.StringIO(text))
        for implementation in expected:
            if check := implementation.get("health_check"):
                check.setdefault("type", "basic")
        assert stored == expected, key


def test_what_the_original_imported_is_used(redis_cli: RedisCli) -> None:
    cli = redis_cli
    cli.ask(DEFINITION_KEYS, "SET", f"{cli.user}@sleeper", ORIGINAL_DEFINITION)
    cli.ask(DEFINITION_KEYS, "SET", f"{cli.user}@strange", "- resource: {type: unheard_of}\n")
    cli.write("infra.yaml", infrastructure("old", {"a": "sleeper"}))
    infra = cli.legacy("build", "infra.yaml").last
    assert len(processes_of(infra)) == 1
    cli.write("strange.yaml", infrastructure("strange", {"a": "strange"}))
    refused = cli.run("build", "strange.yaml", code=2)
    assert "'strange'" in refused.err and "unheard_of" in refused.err and "import it again" in refused.err


def test_infrastructures_of_the_original_are_named_and_left_alone(redis_cli: RedisCli) -> None:
    cli = redis_cli
    theirs = "11111111-2222-4333-8444-555555555555"
    description = (
        f"!!python/object:occo.compiler.StaticDescription\ninfra_id: {theirs}\nname: shop\nnodes: []\n"
    )
    cli.ask(INFRASTRUCTURES, "SET", f"{cli.user}@{theirs}:description", description)
    cli.ask(INFRASTRUCTURES, "HSET", f"{cli.user}@{theirs}:state:web", "node", "{}")
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", PAIR)
    words = "built by Occopus 1.10"
    listed = cli.run("list")
    assert theirs in listed.err and "shop" in listed.err and words in listed.err and listed.out == ""
    for arguments in (
        ["status", theirs],
        ["status", "shop"],
        ["destroy", theirs, "--yes"],
        ["maintain", theirs[:8]],
        ["build", "infra.yaml", "-i", theirs, "--nodes", "nodes.yaml"],
    ):
        assert words in cli.run(*arguments, code=2).err, arguments
    cli.legacy("import", "nodes.yaml")
    for name, arguments in (
        ("build", ["infra.yaml", "-i", theirs]),
        ("maintain", ["-i", theirs]),
        ("destroy", ["-i", theirs]),
        ("scale", ["-i", theirs, "-n", "web", "-c", "1"]),
    ):
        refused = cli.legacy(name, *arguments, code=1)
        assert words in refused.out + refused.err, refused
    assert cli.ask(INFRASTRUCTURES, "GET", f"{cli.user}@{theirs}:description") == description
    assert cli.ask(INFRASTRUCTURES, "HLEN", f"{cli.user}@{theirs}:state:web") == 1
    assert cli.infras() == []


def test_a_killed_build_is_finished_by_a_pass(tmp_path: Path) -> None:
    description = infrastructure(
        "crashing", {"first": "quiet", "second": "server", "third": "quiet"}, first=2
    )
    crash_everywhere(tmp_path, DEFINITIONS, description, processes_of, make=RedisCli)


def test_two_commands_do_not_change_one_infrastructure_at_once(redis_cli: RedisCli) -> None:
    cli = redis_cli
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", PAIR)
    infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
    with running(cli.start("watch", infra)) as watch:
        wait_until(lambda: "controller" in cli.status(infra), "the watch holds the lease")
        cli.run("destroy", infra, "--yes")
        ended = watch.wait(timeout=60) if watch.poll() is not None else stop(watch).code
    assert ended in (0, 130)
    assert processes_of(infra) == {} and cli.infras() == []


def test_the_store_can_be_named_by_its_address(cli: Cli, redis_cli: RedisCli) -> None:
    address = f"redis://127.0.0.1:{redis_cli.port}/0"
    cli.environment["LOGNAME"] = redis_cli.user
    cli.write("nodes.yaml", DEFINITIONS)
    cli.run("define", "nodes.yaml", "--store", address)
    assert redis_cli.ask(DEFINITION_KEYS, "EXISTS", f"{redis_cli.user}@quiet") == 1
    cli.write("infra.yaml", infrastructure("named", {"a": "quiet"}))
    infra = cli.run("build", "infra.yaml", env={"OCCOPUS_STORE": address}).last
    assert infra in redis_cli.run("list").out
    cli.run("destroy", infra, "--yes", "--store", address)
    assert processes_of(infra) == {} and redis_cli.infras() == []
    refused = cli.run("list", "--store", "redis://:s3cret@127.0.0.1", code=2)
    assert "OCCOPUS_REDIS_PASSWORD" in refused.err and "s3cret" not in refused.err


def test_a_redis_that_does_not_answer_is_told(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    failed = cli.run("list", "--store", f"redis://127.0.0.1:{port}", code=1)
    assert f"127.0.0.1:{port}" in failed.err and "check that it runs" in failed.err


class OwnRedis:
    """A Redis of a test's own, with its settings."""

    def __init__(self, folder: Path, *settings: str) -> None:
        folder.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        command = ["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        try:
            self.process = subprocess.Popen(
                [str(word) for word in [*command, *settings]],
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        except FileNotFoundError:
            absent("there is no program redis-server")
        wait_until(self.answers, "the Redis answers")

    def answers(self) -> bool:
        """Whether it accepts connections."""
        assert self.process.poll() is None
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def __enter__(self) -> OwnRedis:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def test_a_redis_that_loses_data_must_be_allowed(cli: Cli) -> None:
    with OwnRedis(cli.folder / "redis", "--appendonly", "no") as redis:
        address = f"redis://127.0.0.1:{redis.port}"
        refused = cli.run("list", "--store", address, code=1)
        for words in ("appendonly yes", "appendfsync always", "--allow-volatile-store"):
            assert words in refused.err, refused
        allowed = cli.run("list", "--store", address, "--allow-volatile-store")
        assert "can lose records" in allowed.err
        cli.run("list", "--store", address, env={"OCCOPUS_ALLOW_VOLATILE_STORE": "1"})
        uds = f"{{protocol: redis, host: 127.0.0.1, port: '{redis.port}', allow_volatile_store: true}}"
        cli.write("volatile.yaml", f"components: {{uds: !UDS {uds}}}\n")
        cli.run("list", "--config", "volatile.yaml")


def test_a_password_is_taken_from_configuration_or_environment(cli: Cli) -> None:
    settings = ("--appendonly", "yes", "--appendfsync", "always", "--requirepass", "s3cret")
    with OwnRedis(cli.folder / "redis", *settings) as redis:
        address = f"redis://127.0.0.1:{redis.port}"
        for environment in ({}, {"OCCOPUS_REDIS_PASSWORD": "wr0ng"}):
            refused = cli.run("list", "--store", address, "-vv", code=1, env=environment)
            assert "OCCOPUS_REDIS_PASSWORD" in refused.err and "wr0ng" not in refused.err
        accepted = cli.run("list", "--store", address, "-vv", env={"OCCOPUS_REDIS_PASSWORD": "s3cret"})
        assert "s3cret" not in accepted.err
        uds = f"{{protocol: redis, host: 127.0.0.1, port: {redis.port}, password: s3cret}}"
        cli.write("login.yaml", f"components: {{uds: !UDS {uds}}}\n")
        assert "s3cret" not in cli.run("list", "--config", "login.yaml", "-vv").err
        cli.write("password", "s3cret\n").chmod(0o600)
        cli.write(
            "kept.yaml", f"components: {{uds: !UDS {uds}}}\n".replace("s3cret", "!secret file:password")
        )
        assert "s3cret" not in cli.run("list", "--config", "kept.yaml", "-vv").err


def test_a_dry_run_has_records_of_its_own(redis_cli: RedisCli) -> None:
    cli = redis_cli
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", PAIR)
    path = cli.home / ".occopus" / "occopus_config.yaml"
    shipped = path.read_text(encoding="utf-8")
    path.write_text(shipped.replace("dry_run: False", "dry_run: True"), encoding="utf-8")
    cli.run("define", "nodes.yaml")
    path.write_text(shipped, encoding="utf-8")
    assert cli.ask(DEFINITION_KEYS, "EXISTS", f"{cli.user}@quiet") == 0
    assert cli.ask(RECORDS, "KEYS", f"occopus:2:dry-run of {cli.user}@*") != []
