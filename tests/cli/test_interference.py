"""Clouds that cannot be reached, and answers that never come: nothing is lost, and nothing is there twice."""

from __future__ import annotations

import os
import signal

import docker_engine
import pytest
from descriptions import DEFINITIONS, infrastructure
from ec2_cloud import AUTH, Cloud, stub
from interference import Fate, Way, first, way_to
from occopus_cli import Cli, processes_of, running, stop, wait_until


def through(way: Way, cloud: Cloud) -> Cloud:
    """The cloud at the end of the way."""
    return Cloud(f"http://{way.address}", cloud.image, cloud.subnet, cloud.groups, cloud.key)


def is_launch(_line: str, body: bytes) -> bool:
    return b"Action=RunInstances" in body


def changes(cli: Cli, infra: str) -> list[str]:
    """What was done to instances, as the events tell it."""
    told = cli.run("events", infra).out.splitlines()
    return [line for line in told if any(word in line for word in ("creating", "destroying", "failed"))]


def finish(cli: Cli, infra: str) -> None:
    """Passes until one says that everything is done."""
    wait_until(lambda: cli.start("maintain", infra).wait(timeout=180) == 0, "a complete pass")


@pytest.mark.parametrize("fate", [Fate.LOSE_ANSWER, Fate.LATE], ids=["lost", "late"])
def test_a_launch_whose_answer_nobody_hears_makes_one_machine_for_its_slot(cli: Cli, fate: Fate) -> None:
    cli.log_in(AUTH)
    with stub() as cloud:
        with way_to(cloud.endpoint) as way:
            way.decide = first(2, is_launch, fate)
            cli.write("nodes.yaml", through(way, cloud).definition("vm"))
            cli.write("infra.yaml", infrastructure("unheard", {"vm": "vm"}, vm=3))
            cli.start("build", "infra.yaml", "--nodes", "nodes.yaml").wait(timeout=180)
            # Once at least: what a listing shows before the call is made again is not asked for again.
            assert fate in way.fates
            (infra,) = (record["infra_id"] for record in cli.infras())
            finish(cli, infra)
            for thread in way.late:
                thread.join()
            finish(cli, infra)
            there = cloud.instances(infra)
            assert sorted(there) == sorted(slot["node_id"] for slot in cli.slots(infra).values())
            assert len(there) == 3 and all(len(same) == 1 for same in there.values()), there
            cli.run("destroy", infra, "--yes")
        assert cloud.instances(infra) == {}


@pytest.mark.parametrize("call", ["create", "start"])
def test_a_container_call_whose_answer_is_lost_makes_one_container(cli: Cli, call: str) -> None:
    docker = docker_engine.engine()

    def is_call(line: str, _body: bytes) -> bool:
        return line.startswith("POST") and line.split("?")[0].split()[1].endswith(f"/{call}")

    with way_to(docker.endpoint) as way:
        way.decide = first(2, is_call, Fate.LOSE_ANSWER)
        nodes = docker_engine.definitions(f"tcp://{way.address}", quiet="sleep 1000")
        # Ends at once when it is asked to.
        cli.write(
            "nodes.yaml", nodes.replace("'sleep 1000'", "[sh, -c, 'trap exit TERM; sleep 1000 & wait']")
        )
        cli.write("infra.yaml", infrastructure("unheard", {"a": "quiet"}, a=3))
        cli.start("build", "infra.yaml", "--nodes", "nodes.yaml").wait(timeout=180)
        assert way.fates.count(Fate.LOSE_ANSWER) == 2
        (infra,) = (record["infra_id"] for record in cli.infras())
        finish(cli, infra)
        there = docker.containers(infra)
        assert sorted(there) == sorted(slot["node_id"] for slot in cli.slots(infra).values())
        assert len(there) == 3 and all(len(same) == 1 for same in there.values()), there
        cli.run("destroy", infra, "--yes")
        assert docker.containers(infra) == {}


def test_quirk_33_a_maintainer_outlives_an_unreachable_cloud_and_the_next_pass_is_quiet(cli: Cli) -> None:
    cli.log_in(AUTH)
    with stub() as cloud, way_to(cloud.endpoint) as way:
        cli.write("nodes.yaml", through(way, cloud).definition("vm"))
        cli.write("infra.yaml", infrastructure("away", {"vm": "vm"}, vm=2))
        infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
        before, done = cloud.instances(infra), changes(cli, infra)
        with running(cli.start("watch", infra, "--interval", "0.2")) as watch:
            way.decide = lambda _line, _body: Fate.CUT
            wait_until(lambda: way.fates.count(Fate.CUT) >= 12, "a few passes that see nothing")
            assert {slot["state"] for slot in cli.slots(infra).values()} == {"unknown"}
            way.decide = lambda _line, _body: Fate.PASS
            wait_until(lambda: cli.status(infra)["health"] == "ready", "the cloud is seen again")
            ended = stop(watch, signal.SIGTERM)
        assert ended.code == 0, ended
        assert cli.run("maintain", infra).out == f"{infra}: nothing to do\n"
        assert (cloud.instances(infra), changes(cli, infra)) == (before, done)
        cli.run("destroy", infra, "--yes")


def test_quirk_02_a_cloud_out_of_reach_does_not_stop_the_care_for_what_runs_elsewhere(cli: Cli) -> None:
    cli.log_in(AUTH)
    with stub() as cloud, way_to(cloud.endpoint) as way:
        cli.write("nodes.yaml", through(way, cloud).definition("vm") + DEFINITIONS)
        cli.write("infra.yaml", infrastructure("both", {"vm": "vm"}) + "  - {name: here, type: quiet}\n")
        infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
        before = cli.slots(infra)
        (pid,) = processes_of(infra)[before["here/1"]["node_id"]]
        way.decide = lambda _line, _body: Fate.CUT
        os.kill(pid, signal.SIGKILL)
        told = cli.run("maintain", infra, code=1)
        assert "vm/1 has to wait: its state is unknown" in told.err
        after = cli.slots(infra)
        assert after["here/1"]["state"] == "ready"
        assert after["here/1"]["node_id"] != before["here/1"]["node_id"]
        assert after["vm/1"]["node_id"] == before["vm/1"]["node_id"]
        way.decide = lambda _line, _body: Fate.PASS
        assert cli.run("maintain", infra).out == f"{infra}: nothing to do\n"
        cli.run("destroy", infra, "--yes")
