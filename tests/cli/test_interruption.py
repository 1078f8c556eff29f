"""Ctrl-C, kills and failed changes: nothing is lost, nothing is there twice, nothing healthy is harmed."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from crashes import crash_everywhere
from descriptions import DEFINITIONS, PAIR, SERVER, infrastructure
from occopus_cli import Cli, processes_of, read_until, running, stop, wait_until

#: Becomes ready when a file appears, and does not end when it is asked to.
GATED = """
'node_def:gated':
  - resource: {type: process, stop_timeout: 3}
    contextualisation:
      type: process
      command: [sh, -c, 'trap "" TERM; until [ -e %s ]; do sleep 0.1; done; %s']
    health_check: {ping: false, ports: [8080], timeout: 600}
"""


def prepare(cli: Cli) -> Path:
    """A description whose second node waits for the returned file."""
    gate = cli.folder / "gate"
    cli.write("nodes.yaml", DEFINITIONS + GATED % (gate, SERVER))
    cli.write("infra.yaml", infrastructure("gated", {"first": "quiet", "second": "gated"}))
    return gate


def infra_of(cli: Cli) -> str:
    (infra,) = cli.infras()
    return infra["infra_id"]


def test_quirk_34_ctrl_c_is_no_success_and_keeps_what_is_ready(cli: Cli) -> None:
    gate = prepare(cli)
    with running(cli.start("build", "infra.yaml", "--nodes", "nodes.yaml")) as build:
        read_until(build, "second/1 starting")
        ended = stop(build)
    assert ended.code == 130, ended
    infra = infra_of(cli)
    assert f"to resume: occopus maintain {infra}" in ended.err
    assert f"to remove: occopus destroy {infra}" in ended.err
    slots = cli.slots(infra)
    assert slots["first/1"]["state"] == "ready"
    gate.touch()
    cli.run("maintain", infra)
    assert cli.status(infra)["health"] == "ready"
    assert cli.slots(infra)["first/1"]["node_id"] == slots["first/1"]["node_id"]


def test_quirk_10_a_second_ctrl_c_stops_at_once_and_the_next_pass_finishes(cli: Cli) -> None:
    prepare(cli)
    with running(cli.start("build", "infra.yaml", "--nodes", "nodes.yaml", "--rollback")) as build:
        read_until(build, "second/1 starting")
        build.send_signal(signal.SIGINT)
        # The rollback has begun and waits for a process that does not want to end.
        read_until(build, "second/1 destroying")
        ended = stop(build)
    assert ended.code == 130, ended
    infra = infra_of(cli)
    assert processes_of(infra) != {}
    cli.run("destroy", infra, "--yes")
    assert processes_of(infra) == {} and cli.infras() == []


def test_ctrl_c_with_rollback_leaves_nothing(cli: Cli) -> None:
    prepare(cli)
    with running(cli.start("build", "infra.yaml", "--nodes", "nodes.yaml", "--rollback")) as build:
        read_until(build, "second/1 starting")
        ended = stop(build)
    assert ended.code == 130 and "rolled back" in ended.err, ended
    assert ended.out == "" and cli.infras() == []


def test_ctrl_c_makes_the_legacy_build_roll_back(cli: Cli) -> None:
    prepare(cli)
    cli.legacy("import", "nodes.yaml")
    with running(cli.start("infra.yaml", command="occopus-build")) as build:
        started = read_until(build, "Waiting for node 'second'", stream="stdout")
        ended = stop(build)
    infra = re.search(r"Submitted infrastructure: '(.*)'", started)[1]
    assert ended.code == 130, ended
    assert "Ctrl+C - Destroying infrastructure and exiting." in ended.out
    assert "Cancelled starting infrastructure (Ctrl+C)" in ended.out
    assert infra not in ended.out.splitlines()[-1].split()
    assert processes_of(infra) == {} and cli.infras() == []


def test_a_second_ctrl_c_stops_the_legacy_build_at_once(cli: Cli) -> None:
    prepare(cli)
    cli.legacy("import", "nodes.yaml")
    with running(cli.start("infra.yaml", command="occopus-build")) as build:
        read_until(build, "Waiting for node 'second'", stream="stdout")
        build.send_signal(signal.SIGINT)
        read_until(build, "Dropping node 'second'", stream="stdout")
        ended = stop(build)
    assert ended.code == 130, ended
    infra = infra_of(cli)
    cli.legacy("destroy", "-i", infra)
    assert processes_of(infra) == {} and cli.infras() == []


def test_a_failed_first_build_is_kept_and_can_be_resumed_or_removed(cli: Cli) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", infrastructure("half", {"a": "quiet", "b": "broken"}))
    failed = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml", code=1)
    infra = failed.last
    assert "b/1" in failed.err and "out of luck" in failed.err
    assert f"occopus maintain {infra}" in failed.err and f"occopus destroy {infra}" in failed.err
    assert cli.slots(infra)["a/1"]["state"] == "ready"


def test_a_failed_first_build_with_rollback_leaves_nothing(cli: Cli) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", infrastructure("half", {"a": "quiet", "b": "broken"}))
    failed = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml", "--rollback", code=1)
    assert failed.out == "" and "rolled back" in failed.err
    assert cli.infras() == []


def test_a_second_command_waits_and_says_for_whom(cli: Cli) -> None:
    gate = prepare(cli)
    with running(cli.start("build", "infra.yaml", "--nodes", "nodes.yaml")) as build:
        read_until(build, "second/1 starting")
        infra = infra_of(cli)
        assert "occopus build" in cli.status(infra)["controller"]
        with running(cli.start("destroy", infra, "--yes")) as impatient:
            read_until(impatient, "waiting for .*occopus build")
            assert stop(impatient).code == 130
        with running(cli.start("-i", infra, command="occopus-destroy")) as impatient:
            read_until(impatient, "waiting for .*occopus build", stream="stdout")
            assert stop(impatient).code == 130
        with running(cli.start("destroy", infra, "--yes")) as destroy:
            read_until(destroy, "waiting for .*occopus build")
            gate.touch()
            assert build.wait() == 0
            out, _ = destroy.communicate()
        assert destroy.returncode == 0 and "nothing is left" in out


def test_a_maintainer_lets_a_waiting_command_through(cli: Cli) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", infrastructure("shared", {"a": "quiet"}))
    infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
    with running(cli.start("watch", infra, "--interval", "0.2")) as watch:
        wait_until(lambda: "controller" in cli.status(infra), "the maintainer runs")
        cli.run("destroy", infra, "--yes")
        assert processes_of(infra) == {}
        assert stop(watch).code == 0


@pytest.mark.parametrize("legacy", [False, True], ids=["new", "legacy"])
def test_a_failed_change_harms_nothing_that_was_healthy(cli: Cli, legacy: bool) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", PAIR)
    infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
    before = processes_of(infra)
    bad = "  - {name: bad, type: broken, scaling: {min: 1, max: 1}}\n"
    changed = PAIR.replace("dependencies:", f"{bad}dependencies:")
    cli.write("changed.yaml", changed)
    if legacy:
        failed = cli.legacy("build", "changed.yaml", "-i", infra, code=1)
        text = failed.out
        assert f"occopus-maintain -i {infra}" in text
    else:
        failed = cli.run("build", "changed.yaml", "-i", infra, code=1)
        text = failed.err
        assert f"occopus status {infra}" in text
    assert "out of luck" in text and "in force again" in text
    assert processes_of(infra) == before
    assert cli.status(infra)["health"] == "ready"
    assert [node["name"] for node in cli.status(infra)["nodes"]] == ["server", "client"]


def test_a_killed_build_is_finished_by_a_pass(tmp_path: Path) -> None:
    nodes = {"a": "quiet", "b": "quiet", "c": "quiet"}
    crash_everywhere(tmp_path, DEFINITIONS, infrastructure("crash", nodes, a=2, c=2), processes_of)
