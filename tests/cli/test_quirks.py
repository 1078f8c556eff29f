"""What Occopus 1.10 did wrong and these commands must not; the numbers are those of docs/reference/quirks.md.

Further quirks have their tests where their matters are tested.
"""

from __future__ import annotations

import json
import re
import urllib.request

import docker_engine
from descriptions import DEFINITIONS, infrastructure
from ec2_cloud import AUTH, Cloud, stub
from occopus_cli import Cli, processes_of


def order_fault(cloud: Cloud, **fault: object) -> None:
    """Lets the next calls of an operation go wrong."""
    body = json.dumps({"when": "before", "kind": "error", **fault}).encode()
    with urllib.request.urlopen(f"{cloud.endpoint}/_stub/faults", body):
        pass


def clear_faults(cloud: Cloud) -> None:
    request = urllib.request.Request(f"{cloud.endpoint}/_stub/faults", method="DELETE")
    with urllib.request.urlopen(request):
        pass


def test_quirk_08_an_infrastructure_whose_id_begins_alike_is_left_alone(cli: Cli) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", infrastructure("alike", {"a": "quiet"}))
    for infra in ("shop", "shop-2", "shop2"):
        cli.run("build", "infra.yaml", "--nodes", "nodes.yaml", "-i", infra, "--create")
    before = {infra: cli.slots(infra) for infra in ("shop-2", "shop2")}
    cli.run("destroy", "shop", "--yes")
    assert sorted(record["infra_id"] for record in cli.infras()) == ["shop-2", "shop2"]
    for infra, slots in before.items():
        assert cli.slots(infra)["a/1"]["node_id"] == slots["a/1"]["node_id"]
        assert len(processes_of(infra)) == 1
        assert cli.run("maintain", infra).out == f"{infra}: nothing to do\n"


def test_quirk_09_a_removal_that_fails_is_no_success_and_nothing_is_forgotten(cli: Cli) -> None:
    cli.log_in(AUTH)
    with stub() as cloud:
        cli.write("nodes.yaml", cloud.definition("vm"))
        cli.write("infra.yaml", infrastructure("kept", {"vm": "vm"}))
        infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
        order_fault(cloud, operation="TerminateInstances", code="UnauthorizedOperation", status=403, count=99)
        failed = cli.run("destroy", infra, "--yes", code=1)
        assert "vm/1 still exists" in failed.err and "nothing is forgotten" in failed.err
        assert cli.slots(infra)["vm/1"]["state"] == "destroying"
        assert len(cloud.instances(infra)) == 1
        clear_faults(cloud)
        cli.run("destroy", infra, "--yes")
        assert cloud.instances(infra) == {} and cli.infras() == []


def check_tags(cli: Cli, infra: str, tags: dict[str, str]) -> None:
    slot = cli.slots(infra)["vm/1"]
    assert tags["occopus.infra"] == infra and tags["occopus.slot"] == "vm/1"
    assert tags["occopus.node-id"] == slot["node_id"]
    assert tags["occopus.store"] and tags["occopus.attempt"]


def test_quirk_39_every_machine_says_whose_it_is(cli: Cli) -> None:
    cli.log_in(AUTH)
    with stub() as cloud:
        cli.write("nodes.yaml", cloud.definition("vm"))
        cli.write("infra.yaml", infrastructure("tagged", {"vm": "vm"}))
        infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
        ((machine,),) = cloud.instances(infra).values()
        check_tags(cli, infra, machine["tags"])
        cli.run("destroy", infra, "--yes")


def test_quirk_39_every_container_says_whose_it_is(cli: Cli) -> None:
    docker = docker_engine.engine()
    cli.write("nodes.yaml", docker_engine.definitions(docker.endpoint, vm="sleep 1000"))
    cli.write("infra.yaml", infrastructure("tagged", {"vm": "vm"}))
    infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
    ((container,),) = docker.containers(infra).values()
    check_tags(cli, infra, docker.inspect(container)["Config"]["Labels"])
    docker.call("kill", container)


def test_quirk_44_nodes_are_shown_with_the_limits_in_force_even_without_instances(cli: Cli) -> None:
    nowhere = docker_engine.definitions("unix:///nowhere/docker.sock", away="sleep 1000")
    cli.write("nodes.yaml", DEFINITIONS + nowhere)
    text = infrastructure("shown", {"a": "quiet", "b": "quiet"})
    cli.write("infra.yaml", text)
    infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
    before = cli.slots(infra)
    # The instances are those made under the old limits.
    cli.write("infra.yaml", text.replace("max: 1", "max: 7"))
    cli.run("build", "infra.yaml", "-i", infra, "--yes")
    nodes = {node["name"]: node for node in cli.status(infra)["nodes"]}
    assert {(node["min"], node["max"]) for node in nodes.values()} == {(1, 7)}
    assert {name: slot["node_id"] for name, slot in cli.slots(infra).items()} == {
        name: slot["node_id"] for name, slot in before.items()
    }

    cli.write("infra.yaml", infrastructure("empty", {"a": "quiet", "b": "away"}).replace("max: 1", "max: 7"))
    infra = cli.run("build", "infra.yaml", code=1).last
    empty = cli.status(infra)["nodes"][1]
    assert (empty["name"], empty["min"], empty["max"], empty["slots"]) == ("b", 1, 7, [])
    assert re.search(r"^b +0 of 1 \(1 to 7\)", cli.run("status", infra).out, re.MULTILINE)
