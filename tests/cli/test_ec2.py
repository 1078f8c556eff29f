"""Virtual machines on EC2: on moto, and on a stub as strict as the service."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from corpus import replace, tutorial
from crashes import crash_everywhere
from descriptions import infrastructure
from ec2_cloud import AUTH, REGION, counting, moto, stub
from occopus_cli import Cli, absent, wait_until


def test_the_tutorial_of_the_original(cli: Cli) -> None:
    cloud = moto()
    files = tutorial("ec2-ping", cli.folder)
    nodes = files / "nodes" / "node_definitions.yaml"
    replace(
        nodes,
        endpoint=cloud.endpoint,
        regionname=REGION,
        image_id=cloud.image,
        instance_type="t2.micro",
        key_name=cloud.key,
        subnet_id=cloud.subnet,
    )
    text = nodes.read_text()
    for number in (1, 2):
        text = text.replace(f"replace_with_security_group_id{number}_on_your_target_cloud", cloud.groups[0])
    text = text.replace("    contextualisation:", "    health_check: {ping: false}\n    contextualisation:")
    nodes.write_text(text)
    cli.log_in(AUTH)
    built = cli.run("build", files / "infra-ec2-ping.yaml", "--nodes", nodes)
    infra = built.last
    assert built.err.index("ping-receiver/1 ready") < built.err.index("ping-sender/1 creating")

    slots = cli.slots(infra)
    instances = cloud.instances(infra)
    (receiver,) = instances[slots["ping-receiver/1"]["node_id"]]
    (sender,) = instances[slots["ping-sender/1"]["node_id"]]
    user_data = cloud.user_data(sender["id"])
    address = slots["ping-receiver/1"]["addresses"][0]
    assert address in receiver["addresses"]
    assert f"ping {address} -c 5" in user_data
    for name, instance in (("ping-receiver/1", receiver), ("ping-sender/1", sender)):
        tags = instance["tags"]
        assert tags["occopus.infra"] == infra and tags["occopus.slot"] == name
        assert tags["occopus.store"] and tags["occopus.attempt"] and tags["occopus.schema"] == "1"
        check_cloud_config(cli, cloud.user_data(instance["id"]))
    cli.run("destroy", infra, "--yes")
    assert cloud.instances(infra) == {}


def check_cloud_config(cli: Cli, user_data: str) -> None:
    """Asks cloud-init itself whether it understands the user data."""
    assert user_data.startswith("#cloud-config\n")
    if shutil.which("cloud-init") is None:
        absent("there is no cloud-init to check user data with")
    file = cli.write("user-data", user_data)
    checked = subprocess.run(
        ["cloud-init", "schema", "--config-file", file], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def named_each(cli: Cli, instances: dict[str, list[dict]], infra: str, infra_name: str) -> None:
    """Each instance has the tags and the name that it would have had alone."""
    slots = cli.slots(infra)
    assert sorted(instances) == sorted(slot["node_id"] for slot in slots.values())
    for slot, known in slots.items():
        (instance,) = instances[known["node_id"]]
        tags = instance["tags"]
        assert tags["occopus.slot"] == slot and instance["id"] == known["provider_id"]
        node = slot.rpartition("/")[0]
        assert tags["Name"] == f"occopus-{infra_name[:18]}-{infra[:8]}-{node[:18]}-{known['node_id'][:8]}"


def test_a_hundred_instances_are_made_by_one_call_and_observed_with_two(cli: Cli) -> None:
    cli.log_in(AUTH)
    with counting(moto()) as (cloud, calls):
        cli.write("nodes.yaml", cloud.definition("vm"))
        cli.write("infra.yaml", infrastructure("hundred", {"vm": "vm"}, vm=100))
        infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml", patience=400).last
        assert len(cloud.instances(infra)) == 100
        assert calls["RunInstances"] == 1, calls
        named_each(cli, cloud.instances(infra), infra, "hundred")
        calls.clear()
        assert cli.run("maintain", infra).out == f"{infra}: nothing to do\n"
        assert 1 <= calls["DescribeInstances"] <= 2, calls
        cli.run("destroy", infra, "--yes", patience=400)
        assert cloud.instances(infra) == {}


def test_what_a_template_makes_different_is_made_alone(cli: Cli) -> None:
    cli.log_in(AUTH)
    with stub() as cloud, counting(cloud) as (counted, calls):
        cli.write("nodes.yaml", counted.definition("vm", "#cloud-config\\nhostname: 'h-{{node_id}}'\\n"))
        cli.write("infra.yaml", infrastructure("apart", {"vm": "vm"}, vm=3))
        infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
        assert calls["RunInstances"] == 3 and calls["CreateTags"] == 0, calls
        for node_id, (instance,) in cloud.instances(infra).items():
            assert f"h-{node_id}" in cloud.user_data(instance["id"])
        cli.run("destroy", infra, "--yes")


def test_where_not_all_have_room_as_many_are_made_as_have(cli: Cli) -> None:
    cli.log_in(AUTH)
    with stub("--capacity", "2") as cloud:
        cli.write("nodes.yaml", cloud.definition("vm"))
        cli.write("infra.yaml", infrastructure("full", {"vm": "vm"}, vm=3))
        failed = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml", code=1)
        assert "InstanceLimitExceeded" in failed.err
        (infra,) = (record["infra_id"] for record in cli.infras())
        assert len(cloud.instances(infra)) == 2
        cli.run("destroy", infra, "--yes")
        assert cloud.instances(infra) == {}


def test_a_cloud_that_does_not_number_instances_makes_one_at_a_time(cli: Cli) -> None:
    cli.log_in(AUTH)
    with stub("--unnumbered") as cloud:
        cli.write("nodes.yaml", cloud.definition("vm"))
        cli.write("infra.yaml", infrastructure("plain", {"vm": "vm"}, vm=3))
        infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
        named_each(cli, cloud.instances(infra), infra, "plain")
        cli.run("destroy", infra, "--yes")


def test_killed_builds_are_finished_by_a_pass(tmp_path: Path) -> None:
    with stub("--hidden-calls", "1") as cloud:
        description = infrastructure("crash", {"a": "vm", "b": "vm"}, b=2)
        crash_everywhere(tmp_path, cloud.definition("vm"), description, cloud.instances, AUTH)


def test_quirk_22_wrong_credentials_are_told_and_shown_nowhere(cli: Cli) -> None:
    auth = cli.write("auth.yaml", AUTH.replace("AKIDSTUB", "AKIDWRONG").replace("secret}", "hush-hush}"))
    cli.write("infra.yaml", infrastructure("locked", {"a": "vm"}))
    with stub() as cloud:
        cli.write("nodes.yaml", cloud.definition("vm"))
        failed = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml", "--auth", auth, "-vv", code=1)
        assert "credentials" in failed.err
        assert "hush-hush" not in failed.out + failed.err
        for file in cli.store.parent.glob("occopus.db*"):
            assert b"hush-hush" not in file.read_bytes()
        assert "nothing was changed" in failed.err and cli.infras() == []


def finish(cli: Cli, infra: str) -> None:
    """Passes until one says that everything is done; what failed a moment ago waits for a while."""

    def complete() -> bool:
        return cli.start("maintain", infra, "--quiet", stdout=None).wait(timeout=180) == 0

    wait_until(complete, "a complete pass")


def test_a_dead_instance_is_replaced_and_scaling_down_terminates(cli: Cli) -> None:
    cli.log_in(AUTH)
    with stub() as cloud:
        cli.write("nodes.yaml", cloud.definition("vm"))
        description = infrastructure("pool", {"vm": "vm"}, vm=1).replace("max: 1", "max: 3")
        cli.write("infra.yaml", description)
        infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
        (first,) = cloud.instances(infra)
        cloud.call("TerminateInstances", **{"InstanceId.1": cloud.instances(infra)[first][0]["id"]})
        finish(cli, infra)
        (second,) = cloud.instances(infra)
        assert second != first
        cli.run("scale", infra, "vm=3")
        cli.run("maintain", infra)
        assert len(cloud.instances(infra)) == 3
        cli.run("scale", infra, "vm-2")
        cli.run("maintain", infra)
        assert list(cloud.instances(infra)) == [second]
        cli.run("destroy", infra, "--yes")
        assert cloud.instances(infra) == {}
