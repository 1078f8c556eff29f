"""What somebody changed by hand is told in plan and status, and healing leaves it alone."""

from __future__ import annotations

import json

import pytest
from descriptions import infrastructure
from docker_engine import BUSYBOX, Engine, definitions, engine
from ec2_cloud import AUTH, Cloud, moto, stub
from occopus_cli import Cli, Result


@pytest.fixture()
def docker() -> Engine:
    return engine()


def undisturbed(cli: Cli, infra: str, before: dict[str, str]) -> Result:
    """Looks after the infrastructure, and finds every instance as it was."""
    result = cli.run("maintain", infra)
    assert {name: slot["node_id"] for name, slot in cli.slots(infra).items()} == before
    return result


def test_another_network_of_a_container_is_drift(cli: Cli, docker: Engine) -> None:
    cli.write("nodes.yaml", definitions(docker.endpoint, worker="sleep 1000"))
    cli.write("infra.yaml", infrastructure("drifting", {"worker": "worker"}))
    infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
    before = {name: slot["node_id"] for name, slot in cli.slots(infra).items()}
    assert "drift" not in cli.run("plan", "-i", infra).out
    cli.run("plan", "infra.yaml", "-i", infra, "--save", "plan.json")
    (container,) = docker.containers(infra)[before["worker/1"]]
    network = docker.call("network", "create", f"drift-{infra[:8]}")
    try:
        docker.call("network", "connect", network, container)
        told = f"drift: worker/1: networks is bridge drift-{infra[:8]}, was made as bridge"
        assert told in cli.run("plan", "-i", infra).out
        assert told in cli.run("plan", "infra.yaml", "-i", infra).out
        assert f"note: {told}" in cli.run("status", infra).out
        undisturbed(cli, infra, before)
        refused = cli.run("build", "--plan", "plan.json", code=2).err
        assert f"worker/1: networks was bridge, now it is bridge drift-{infra[:8]}" in refused
    finally:
        docker.call("network", "disconnect", network, container)
        docker.call("network", "rm", network)
    assert "drift" not in cli.run("plan", "-i", infra).out


def test_other_limits_and_another_name_of_a_container_are_drift_until_it_is_replaced(
    cli: Cli, docker: Engine
) -> None:
    cli.write("nodes.yaml", definitions(docker.endpoint, worker="sleep 1000"))
    cli.write("infra.yaml", infrastructure("limited", {"worker": "worker"}))
    infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
    before = {name: slot["node_id"] for name, slot in cli.slots(infra).items()}
    (container,) = docker.containers(infra)[before["worker/1"]]
    name = docker.inspect(container)["Name"].removeprefix("/")
    docker.call("update", "--cpus", "0.5", "--restart", "on-failure:2", container)
    docker.call("rename", container, f"{name}-renamed")
    told = (
        f"drift: worker/1: cpus is 0.5, was made as no limit; name is {name}-renamed, was made as {name}; "
        f"restart is on-failure:2, was made as no; to have it made anew: occopus replace {infra} worker/1"
    )
    assert told in cli.run("plan", "-i", infra, "--exit-code").out, "drift alone is nothing to do"
    assert told in cli.run("plan", "infra.yaml", "-i", infra, "--exit-code").out
    undisturbed(cli, infra, before)
    cli.run("replace", infra, "worker/1", "--yes")
    cli.run("maintain", infra)
    assert cli.slots(infra)["worker/1"]["node_id"] != before["worker/1"]
    assert "drift" not in cli.run("plan", "-i", infra).out


def test_a_container_that_was_made_anew_by_hand_is_another_one(cli: Cli, docker: Engine) -> None:
    cli.write("nodes.yaml", definitions(docker.endpoint, worker="sleep 1000"))
    cli.write("infra.yaml", infrastructure("recreated", {"worker": "worker"}))
    infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
    (container,) = docker.containers(infra)[cli.slots(infra)["worker/1"]["node_id"]]
    found = docker.inspect(container)
    docker.call("rm", "-f", container)
    labels = [text for pair in found["Config"]["Labels"].items() for text in ("--label", "=".join(pair))]
    name = found["Name"].removeprefix("/")
    extra = docker.call("run", "-d", "--name", name, *labels, BUSYBOX, "sleep", "1000")
    try:
        told = cli.run("plan", "-i", infra).out
        assert "worker/1" in told and "to create" in told, "what Occopus made is gone"
        assert f"extra: {extra} has the tags of worker/1" in told
        cli.run("maintain", infra)
        ((kept,),) = docker.containers(infra).values()
        assert kept != container and not extra.startswith(kept), "one that Occopus made, and nothing else"
        assert "nothing to do" in cli.run("plan", "-i", infra).out
    finally:
        docker.call("rm", "-f", extra)


def test_a_container_with_our_labels_that_nobody_knows_is_in_the_plan(cli: Cli, docker: Engine) -> None:
    cli.write("nodes.yaml", definitions(docker.endpoint, worker="sleep 1000"))
    cli.write("infra.yaml", infrastructure("extra", {"worker": "worker"}))
    infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
    before = {name: slot["node_id"] for name, slot in cli.slots(infra).items()}
    (container,) = docker.containers(infra)[before["worker/1"]]
    labels = docker.inspect(container)["Config"]["Labels"] | {"occopus.attempt": "by-hand"}
    options = [text for name, value in labels.items() for text in ("--label", f"{name}={value}")]
    extra = docker.call("run", "-d", *options, BUSYBOX, "sleep", "1000")
    try:
        for command in (("plan", "-i", infra), ("plan", "infra.yaml", "-i", infra)):
            told = cli.run(*command).out
            assert f"extra: {extra} has the tags of worker/1" in told and "occopus orphans" in told
            assert "nothing to do" in told
        undisturbed(cli, infra, before)
        assert docker.inspect(extra)["State"]["Running"]
    finally:
        docker.call("rm", "-f", extra)
    assert "extra:" not in cli.run("plan", "-i", infra).out


def build_on(cli: Cli, cloud: Cloud) -> tuple[str, str, dict[str, str]]:
    """An infrastructure of one instance: its id, the id of the instance, and the node ids."""
    cli.log_in(AUTH)
    tagged = cloud.definition("worker").replace("{type: ec2,", "{type: ec2, tags: {team: research},")
    cli.write("nodes.yaml", tagged)
    cli.write("infra.yaml", infrastructure("drifting", {"worker": "worker"}))
    infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
    before = {name: slot["node_id"] for name, slot in cli.slots(infra).items()}
    ((instance,),) = cloud.instances(infra).values()
    assert "drift" not in cli.run("plan", "-i", infra).out
    return infra, instance["id"], before


def test_a_machine_that_was_changed_by_hand_is_drift(cli: Cli) -> None:
    cloud = moto()
    infra, instance, before = build_on(cli, cloud)
    cloud.call("StopInstances", **{"InstanceId.1": instance})
    cloud.call("ModifyInstanceAttribute", InstanceId=instance, **{"InstanceType.Value": "t3.large"})
    cloud.call("StartInstances", **{"InstanceId.1": instance})
    tag = {"ResourceId.1": instance, "Tag.1.Key": "team", "Tag.1.Value": "sales"}
    cloud.call("CreateTags", **tag, **{"Tag.2.Key": "cost-centre", "Tag.2.Value": "7"})
    told = (
        "drift: worker/1: instance_type is t3.large, was made as t2.micro; tag team is sales, was made as "
        f"research; to have it made anew: occopus replace {infra} worker/1"
    )
    for text in (cli.run("plan", "-i", infra).out, cli.run("status", infra).out):
        assert told in text
        assert "cost-centre" not in text, "tags of others are no drift"
    notes = json.loads(cli.run("plan", "-i", infra, "--format", "json").out)["plan"]["notes"]
    assert [note["text"] for note in notes] == [told]
    undisturbed(cli, infra, before)


def test_a_tag_of_ours_that_was_taken_away_is_drift(cli: Cli) -> None:
    cloud = moto()
    infra, instance, before = build_on(cli, cloud)
    cloud.call("DeleteTags", **{"ResourceId.1": instance, "Tag.1.Key": "occopus.slot"})
    assert "tag occopus.slot is absent, was made as worker/1" in cli.run("plan", "-i", infra).out
    undisturbed(cli, infra, before)


def test_nothing_drifts_on_the_stub_by_itself(cli: Cli) -> None:
    with stub() as cloud:
        infra, _, before = build_on(cli, cloud)
        assert "drift" not in undisturbed(cli, infra, before).out
        cli.run("destroy", infra, "--yes")
