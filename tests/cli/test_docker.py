"""Containers on a real Docker Engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus import replace, tutorial
from crashes import crash_everywhere
from descriptions import infrastructure
from docker_engine import Engine, definitions, engine
from occopus_cli import Cli


@pytest.fixture()
def docker() -> Engine:
    return engine()


def test_the_tutorial_of_the_original_with_the_original_commands(cli: Cli, docker: Engine) -> None:
    files = tutorial("docker-ping", cli.folder)
    docker.image_with_start_script(cli.folder, "occopus-test/ping:latest")
    nodes = files / "nodes" / "node_definitions.yaml"
    replace(nodes, endpoint=docker.endpoint, origin="local", image="occopus-test/ping")
    cli.legacy("import", nodes)
    infra = cli.legacy("build", files / "infra-docker-ping.yaml").last
    assert len(infra) == 36 and infra == infra.strip()

    slots = cli.slots(infra)
    containers = docker.containers(infra)
    assert sorted(containers) == sorted(slot["node_id"] for slot in slots.values())
    (receiver,) = containers[slots["ping-receiver/1"]["node_id"]]
    (sender,) = containers[slots["ping-sender/1"]["node_id"]]
    networks = docker.inspect(receiver)["NetworkSettings"]["Networks"]
    address = next(iter(networks.values()))["IPAddress"]
    assert address == slots["ping-receiver/1"]["addresses"][0]
    assert f"target_ip={address}" in docker.inspect(sender)["Config"]["Env"]
    assert f"target_ip={address}" in cli.run("logs", infra, "ping-sender").out
    assert "message=Hello World! I am the receiver node." in docker.inspect(receiver)["Config"]["Env"]

    report = cli.legacy("maintain", "-i", infra, "-r").out
    for name, slot in slots.items():
        assert f"{name.partition('/')[0]}:" in report and slot["node_id"] in report

    docker.call("rm", "-f", sender)
    cli.legacy("maintain", "-i", infra)
    after = docker.containers(infra)
    assert len(after) == 2
    assert after[slots["ping-receiver/1"]["node_id"]] == [receiver]
    assert slots["ping-sender/1"]["node_id"] not in after

    cli.legacy("destroy", "-i", infra)
    assert docker.containers(infra) == {}


def test_scaling_with_the_original_commands(cli: Cli, docker: Engine) -> None:
    cli.write("nodes.yaml", definitions(docker.endpoint, worker="sleep 1000"))
    cli.write("infra.yaml", infrastructure("scaled", {"worker": "worker"}).replace("max: 1", "max: 3"))
    cli.legacy("import", "nodes.yaml")
    infra = cli.legacy("build", "infra.yaml").last
    cli.legacy("scale", "-i", infra, "-n", "worker", "-s", "3")
    assert len(docker.containers(infra)) == 1
    cli.legacy("maintain", "-i", infra, "--parallelize")
    assert len(docker.containers(infra)) == 3
    cli.legacy("scale", "-i", infra, "-n", "worker", "-c", "-2")
    cli.legacy("maintain", "-i", infra)
    assert len(docker.containers(infra)) == 1


def test_killed_builds_are_finished_by_a_pass(tmp_path: Path, docker: Engine) -> None:
    nodes = definitions(docker.endpoint, quiet="sleep 1000")
    description = infrastructure("crash", {"a": "quiet", "b": "quiet"}, b=2)
    crash_everywhere(tmp_path, nodes, description, docker.containers)


def test_two_stores_on_one_engine_leave_each_other_alone(
    cli: Cli, docker: Engine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Cli(tmp_path_factory.mktemp("other"))
    built = {}
    for one in (cli, other):
        one.write("nodes.yaml", definitions(docker.endpoint, quiet="sleep 1000"))
        one.write("infra.yaml", infrastructure("twin", {"a": "quiet"}))
        built[one] = one.run("build", "infra.yaml", "--nodes", "nodes.yaml", "-i", "twin", "--create").last
    # The same id in both stores: only the store tells whose a container is.
    assert built[cli] == built[other] == "twin"
    mine, theirs = (one.slots("twin")["a/1"]["node_id"] for one in (cli, other))
    assert sorted(docker.containers("twin")) == sorted([mine, theirs])
    cli.run("destroy", "twin", "--yes")
    assert list(docker.containers("twin")) == [theirs]
    assert other.run("maintain", "twin").out == "twin: nothing to do\n"
    other.clean_up()
    assert docker.containers("twin") == {}


def test_an_unreachable_engine_loses_nothing(cli: Cli, docker: Engine) -> None:
    link = cli.folder / "d.sock"
    link.symlink_to(docker.endpoint.removeprefix("unix://"))
    cli.write("nodes.yaml", definitions(f"unix://{link}", quiet="sleep 1000"))
    cli.write("infra.yaml", infrastructure("away", {"a": "quiet"}))
    infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
    link.unlink()
    assert cli.slots(infra)["a/1"]["state"] == "unknown"
    failed = cli.run("destroy", infra, "--yes", code=1)
    assert "nothing is forgotten" in failed.err and f"occopus destroy {infra}" in failed.err
    assert len(docker.containers(infra)) == 1
    link.symlink_to(docker.endpoint.removeprefix("unix://"))
    cli.run("destroy", infra, "--yes")
    assert docker.containers(infra) == {}
