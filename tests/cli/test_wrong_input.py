"""Wrong input gets one clear message and a non-zero exit, and changes nothing."""

from __future__ import annotations

import os
import subprocess

import pytest
from descriptions import DEFINITIONS, PAIR, infrastructure
from occopus_cli import Cli, Result, absent

CYCLE = """
user_id: tester
infra_name: circle
nodes:
  - &A {name: a, type: quiet}
  - &B {name: b, type: quiet}
dependencies:
  - [*A, *B]
  - [*B, *A]
"""

UNREACHABLE = """
'node_def:quiet':
  - resource: {type: docker, endpoint: 'tcp://127.0.0.1:1', origin: local, image: a, tag: b}
    contextualisation: {type: docker, env: [], command: sleep}
    health_check: {ping: false}
"""


MACHINE = """
'node_def:vm':
  - resource: {type: ec2, endpoint: 'http://127.0.0.1:1', regionname: r, image_id: i, instance_type: t}
    contextualisation: {type: cloudinit, context_template: ''}
"""


def check(cli: Cli, result: Result, *expected: str) -> None:
    """One message that names the matter, and nothing built."""
    text = result.out + result.err
    assert "Traceback" not in text and "panicked" not in text
    for words in expected:
        assert words in text, result
    assert cli.infras() == []


def test_a_missing_file(cli: Cli) -> None:
    check(cli, cli.run("build", "nowhere.yaml", code=2), "nowhere.yaml")
    check(cli, cli.legacy("build", "nowhere.yaml", code=1), "nowhere.yaml")
    check(cli, cli.legacy("import", "nowhere.yaml", code=1), "nowhere.yaml")


def test_a_yaml_error_is_shown_where_it_is(cli: Cli) -> None:
    cli.write("infra.yaml", "infra_name: demo\nnodes: [\n")
    check(cli, cli.run("build", "infra.yaml", code=2), "infra.yaml:2:")
    check(cli, cli.legacy("build", "infra.yaml", code=1), "infra.yaml:2:")


def test_an_unknown_node_type(cli: Cli) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", infrastructure("demo", {"a": "sever"}))
    check(cli, cli.run("build", "infra.yaml", "--nodes", "nodes.yaml", code=2), "'sever'", "server")


def test_an_unknown_resource_type(cli: Cli) -> None:
    cli.write("nodes.yaml", DEFINITIONS.replace("type: process}", "type: proces}", 1))
    check(cli, cli.run("define", "nodes.yaml", code=2), "proces", "process")
    assert cli.records("definition") == 0


def test_a_config_manager_that_is_not_there_yet_is_not_passed_over(cli: Cli) -> None:
    chef = (
        "  - config_management: {type: chef, endpoint: 'https://chef.example', run_list: [a]}\n    resource:"
    )
    cli.write("nodes.yaml", DEFINITIONS.replace("  - resource:", chef))
    cli.write("infra.yaml", PAIR)
    check(cli, cli.run("build", "infra.yaml", "--nodes", "nodes.yaml", code=2), "'chef'", "config_management")


def test_several_files_are_imported_together_or_not_at_all(cli: Cli) -> None:
    cli.write("good.yaml", DEFINITIONS)
    cli.write("bad.yaml", "'node_def:x': 7\n")
    check(cli, cli.run("define", "good.yaml", "bad.yaml", code=2), "bad.yaml:1:")
    assert cli.records("definition") == 0


def test_a_cycle_is_named(cli: Cli) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", CYCLE)
    check(cli, cli.run("build", "infra.yaml", "--nodes", "nodes.yaml", code=2), "infra.yaml", "ycle")
    legacy = cli.legacy("build", "infra.yaml", code=1)
    check(cli, legacy, "[SchemaCheck] ERROR: Cycle detected.")


def test_an_unreachable_docker_endpoint(cli: Cli) -> None:
    cli.write("nodes.yaml", UNREACHABLE)
    cli.write("infra.yaml", infrastructure("demo", {"a": "quiet"}))
    failed = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml", code=1)
    check(cli, failed, "127.0.0.1:1", "a/1", "nothing was created and nothing was changed")
    assert failed.out == ""


def test_missing_credentials_are_asked_for(cli: Cli) -> None:
    cli.write("nodes.yaml", MACHINE)
    cli.write("infra.yaml", infrastructure("demo", {"a": "vm"}))
    check(cli, cli.run("build", "infra.yaml", "--nodes", "nodes.yaml", code=2), "credentials", "--auth")


def test_an_unknown_infrastructure(cli: Cli) -> None:
    for arguments in (
        ("status", "nope"),
        ("maintain", "nope"),
        ("watch", "nope"),
        ("scale", "nope", "a=1"),
        ("destroy", "nope", "--yes"),
        ("events", "nope"),
        ("graph", "nope"),
        ("logs", "nope"),
        ("plan", "-i", "nope"),
    ):
        check(cli, cli.run(*arguments, code=2), "unknown infrastructure 'nope'", "occopus list")
    for name, arguments in (
        ("destroy", ("-i", "nope")),
        ("maintain", ("-i", "nope")),
        ("maintain", ("-i", "nope", "-r")),
        ("scale", ("-i", "nope", "-n", "a", "-c", "1")),
    ):
        check(cli, cli.legacy(name, *arguments, code=1), 'Unknown infrastructure: "nope"')


def test_a_wrong_option(cli: Cli) -> None:
    assert "--frobnicate" in cli.run("build", "infra.yaml", "--frobnicate", code=2).err
    assert "--frobnicate" in cli.legacy("build", "infra.yaml", "--frobnicate", code=2).err


def test_a_damaged_store_is_left_alone(cli: Cli) -> None:
    cli.run("list")
    cli.store.write_bytes(b"this is no database" * 100)
    for suffix in ("-wal", "-shm"):
        cli.store.with_name(cli.store.name + suffix).unlink(missing_ok=True)
    refused = cli.run("list", code=1)
    assert str(cli.store) in refused.err
    assert cli.store.read_bytes() == b"this is no database" * 100
    # Nothing to be cleaned up.
    cli.store.unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system that gets full")
def test_a_full_disk_is_told_and_changes_nothing(cli: Cli) -> None:
    disk = cli.folder / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk], check=False).returncode:
        absent("no file system can be mounted here")
    try:
        store = disk / "occopus.db"
        cli.write("nodes.yaml", DEFINITIONS)
        cli.write("infra.yaml", PAIR)
        cli.run("define", "nodes.yaml", "--store", store)
        with (disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError):
            while True:
                filler.write(b"x" * 4096)
        failed = cli.run("build", "infra.yaml", "--store", store, code=1)
        assert "full" in failed.err or "space" in failed.err, failed
        (disk / "filler").unlink()
        assert cli.run("list", "--store", store).out == ""
    finally:
        subprocess.run(["umount", disk], check=True)
