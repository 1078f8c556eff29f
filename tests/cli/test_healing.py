"""What becomes of instances that fail, and how a description decides about it."""

from __future__ import annotations

import json
import os
import signal
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import docker_engine
import pytest
from descriptions import DEFINITIONS, infrastructure
from ec2_cloud import AUTH, stub
from occopus_cli import Cli, processes_of, wait_until


class Doctor:
    """Answers the health checks of instances: those called ill fail."""

    def __init__(self) -> None:
        self.ill: set[str] = set()
        self.all_ill = False
        doctor = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                ill = doctor.all_ill or self.path.strip("/") in doctor.ill
                self.send_response(503 if ill else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def definition(self, name: str, **keys: int) -> str:
        """A process whose health this doctor knows."""
        more = "".join(f", {key}: {value}" for key, value in keys.items())
        url = f"http://127.0.0.1:{self.server.server_port}/{{{{node_id}}}}"
        return f"""
'node_def:{name}':
  - resource: {{type: process}}
    contextualisation: {{type: process, command: [sleep, '1000']}}
    health_check: {{ping: false, urls: ['{url}']{more}}}
"""


@pytest.fixture()
def doctor() -> Iterator[Doctor]:
    doctor = Doctor()
    yield doctor
    doctor.server.shutdown()
    doctor.server.server_close()


def build(cli: Cli, nodes: str, description: str) -> str:
    cli.write("nodes.yaml", nodes)
    cli.write("infra.yaml", description)
    return cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last


def node(name: str, kind: str, count: int, care: str = "") -> str:
    """A description of one node."""
    text = infrastructure("care", {name: kind}, **{name: count})
    return text.replace(f"max: {count}}}", "max: 9}" + care)


def look(cli: Cli, infra: str) -> None:
    """One pass, whether it leaves something for later or not."""
    assert cli.start("maintain", infra).wait(timeout=120) in (0, 1)


def events(cli: Cli, infra: str, kind: str) -> list[Any]:
    lines = cli.run("events", infra, "--format", "json").out.splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == kind]


def ids(cli: Cli, infra: str) -> dict[str, str]:
    """Node ids by slot."""
    return {name: slot["node_id"] for name, slot in cli.slots(infra).items()}


def kill(infra: str, node_id: str) -> None:
    for pid in processes_of(infra)[node_id]:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: node_id not in processes_of(infra), "the process is gone")


def test_a_slot_that_never_becomes_ready_is_told_in_one_line_with_what_to_type(cli: Cli) -> None:
    mute = DEFINITIONS.replace("'node_def:quiet'", "'node_def:mute'").replace(
        "[sleep, '1000']}\n    health_check: {ping: false}",
        "[sleep, '1000']}\n    health_check: {ping: false, ports: [8080], timeout: 0}",
    )
    cli.write("nodes.yaml", mute)
    cli.write("infra.yaml", infrastructure("demo", {"worker": "mute"}))
    infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml", code=1).last
    # Each time a user asks for a build it is tried at once.
    for _ in range(5):
        cli.run("build", "infra.yaml", "-i", infra, "--yes", code=1)
    cli.run("maintain", infra, code=1)
    assert len(events(cli, infra, "nodecreating")) == 6
    lines = cli.run("status", infra).out.splitlines()
    (line,) = [line for line in lines if "created 6 times within an hour and never became ready" in line]
    assert "worker/1 has to wait: port 8080 closed" in line and "next try after 20" in line
    assert line.endswith(f"look at it with: occopus logs {infra} worker/1")
    assert lines[-1] == f"next: occopus logs {infra} worker/1"
    cli.run("logs", infra, "worker/1")


def test_what_a_slot_failed_of_is_told_when_nothing_of_it_is_left(cli: Cli) -> None:
    docker = "{type: docker, endpoint: 'unix:///nowhere.sock', origin: local, image: none, tag: latest}"
    away = f"""
'node_def:away':
  - resource: {docker}
    contextualisation: {{type: docker, env: [], command: 'sleep 1'}}
    health_check: {{ping: false}}
"""
    cli.write("nodes.yaml", DEFINITIONS + away)
    cli.write("infra.yaml", infrastructure("demo", {"calm": "quiet", "worker": "away"}))
    infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml", code=1).last
    shown = cli.run("status", infra).out
    assert "it failed once (" in shown and "nowhere.sock" in shown, shown
    assert shown.splitlines()[-1] == f"next: occopus events {infra}"


def test_a_deleted_process_is_replaced_and_the_others_are_left_alone(cli: Cli) -> None:
    infra = build(cli, DEFINITIONS, node("a", "quiet", 3))
    before = ids(cli, infra)
    kill(infra, before["a/2"])
    cli.run("maintain", infra)
    after = ids(cli, infra)
    assert [slot for slot in before if before[slot] != after[slot]] == ["a/2"]
    assert sorted(processes_of(infra)) == sorted(after.values())


@pytest.mark.parametrize("how", [["kill"], ["rm", "-f"]], ids=["exited", "deleted"])
def test_a_lost_container_is_dropped_and_replaced(cli: Cli, how: list[str]) -> None:
    docker = docker_engine.engine()
    infra = build(cli, docker_engine.definitions(docker.endpoint, quiet="sleep 1000"), node("a", "quiet", 1))
    (first,) = docker.containers(infra).values()
    docker.call(*how, first[0])
    cli.run("maintain", infra)
    (second,) = docker.containers(infra).values()
    assert len(second) == 1 and second != first, "of the old one nothing is left"
    docker.call("kill", second[0])
    cli.run("destroy", infra, "--yes")
    assert docker.containers(infra) == {}


def test_a_stopped_machine_is_terminated_and_replaced(cli: Cli) -> None:
    cli.log_in(AUTH)
    with stub() as cloud:
        infra = build(cli, cloud.definition("vm"), node("a", "vm", 1))
        ((first,),) = cloud.instances(infra).values()
        stopped = f"{cloud.endpoint}/_stub/instances/{first['id']}/stopped"
        with urllib.request.urlopen(urllib.request.Request(stopped, method="POST")):
            pass
        cli.run("maintain", infra)
        ((second,),) = cloud.instances(infra).values()
        assert second["id"] != first["id"], "the stopped one costs nothing any more"
        cli.run("destroy", infra, "--yes")
        assert cloud.instances(infra) == {}


def test_an_implementation_that_fails_gives_way_to_the_next_and_the_reason_is_kept(cli: Cli) -> None:
    nodes = """
'node_def:either':
  - resource: {type: process}
    contextualisation: {type: process, command: [sh, -c, 'echo out of luck; exit 3']}
    health_check: {ping: false, ports: [8080]}
  - resource: {type: process}
    contextualisation: {type: process, command: [sleep, '1000']}
    health_check: {ping: false}
"""
    infra = build(cli, nodes, node("a", "either", 2))
    assert cli.status(infra)["health"] == "ready"
    reasons = [event["message"] for event in events(cli, infra, "nodefailed")]
    assert len(reasons) == 2 and all("out of luck" in reason for reason in reasons), reasons


def test_an_instance_is_unhealthy_after_enough_failures_and_well_after_enough_passes(
    cli: Cli, doctor: Doctor
) -> None:
    nodes = doctor.definition("a", failure_threshold=3, success_threshold=2)
    infra = build(cli, nodes, node("a", "a", 1))
    assert events(cli, infra, "nodeunhealthy") == []
    doctor.all_ill = True
    for unhealthy in (0, 0, 1, 1):
        look(cli, infra)
        assert len(events(cli, infra, "nodeunhealthy")) == unhealthy
    doctor.all_ill = False
    for well in (0, 1, 1):
        look(cli, infra)
        assert len(events(cli, infra, "nodehealthy")) == well
    assert cli.status(infra)["health"] == "ready"


def test_an_instance_has_a_time_of_its_own_to_start(cli: Cli, doctor: Doctor) -> None:
    doctor.all_ill = True
    cli.write("nodes.yaml", doctor.definition("a", startup_timeout=0, timeout=600))
    cli.write("infra.yaml", node("a", "a", 1))
    failed = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml", code=1)
    assert "for 0 s of 0 s" in failed.err
    doctor.all_ill = False
    infra = cli.run("build", "infra.yaml", "-i", failed.last, "--yes").last
    before = ids(cli, infra)
    doctor.all_ill = True
    look(cli, infra)
    assert cli.slots(infra)["a/1"]["state"] == "unhealthy" and ids(cli, infra) == before


def test_a_node_whose_losses_are_only_reported_is_replaced_by_hand(cli: Cli) -> None:
    infra = build(cli, DEFINITIONS, node("a", "quiet", 2, ", heal: report"))
    before = ids(cli, infra)
    kill(infra, before["a/1"])
    told = cli.run("maintain", infra, code=1)
    assert "`occopus replace care a/1`" in told.err
    assert ids(cli, infra) == before
    assert cli.run("status", infra).out.splitlines()[-1] == f"next: occopus replace {infra} a/1"
    cli.run("replace", infra, "a/1", "--yes")
    cli.run("maintain", infra)
    after = ids(cli, infra)
    assert after["a/1"] != before["a/1"] and after["a/2"] == before["a/2"]


def test_no_more_instances_are_replaced_at_a_time_than_may_be_unhealthy(cli: Cli, doctor: Doctor) -> None:
    infra = build(cli, doctor.definition("a", timeout=0), node("a", "a", 2, ", max_unhealthy: 1"))
    before = ids(cli, infra)
    doctor.ill = {before["a/1"], before["a/2"]}
    look(cli, infra)
    told = cli.run("maintain", infra, code=1)
    assert "too many fail at once to replace it" in told.err
    assert ids(cli, infra) == before
    doctor.ill = {before["a/1"]}
    look(cli, infra)
    look(cli, infra)
    after = ids(cli, infra)
    assert after["a/1"] != before["a/1"] and after["a/2"] == before["a/2"]


@pytest.mark.parametrize(
    ("first_to_go", "left"), [("youngest", "a/2"), ("oldest", "a/1"), ("highest", "a/1")]
)
def test_a_node_says_which_instances_go_first(cli: Cli, first_to_go: str, left: str) -> None:
    infra = build(cli, DEFINITIONS, node("a", "quiet", 1, f", scale_down: {first_to_go}"))
    cli.run("scale", infra, "a=2")
    cli.run("maintain", infra)
    # Now the first slot has the younger instance.
    cli.run("replace", infra, "a/1", "--yes")
    cli.run("maintain", infra)
    cli.run("scale", infra, "a=1")
    cli.run("maintain", infra)
    assert list(cli.slots(infra)) == [left]
