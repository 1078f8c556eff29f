"""One infrastructure on a container engine, a cloud and this machine."""

from __future__ import annotations

import docker_engine
from ec2_cloud import AUTH, moto
from occopus_cli import Cli, processes_of

PROCESS = """
'node_def:agent':
  - resource: {type: process}
    contextualisation:
      type: process
      env: ["CACHE={{getip('cache')}}", "MACHINES={{getipall('machine')|join(',')}}"]
      command: [sh, -c, 'echo "cache $CACHE machines $MACHINES"; exec sleep 1000']
    health_check: {ping: false}
"""

INFRASTRUCTURE = """
user_id: tester
infra_name: hybrid
nodes:
  - &C {name: cache, type: cache}
  - &M {name: machine, type: machine, scaling: {min: 1, max: 3}}
  - &A {name: agent, type: agent, scaling: {min: 1, max: 3}}
dependencies:
  - [*A, *C]
  - [*A, *M]
"""


def test_a_hybrid_is_built_scaled_changed_and_destroyed(cli: Cli) -> None:
    docker, cloud = docker_engine.engine(), moto()
    cli.log_in(AUTH)
    cache = docker_engine.definitions(docker.endpoint, cache="sleep 1000", spare="sleep 1000")
    cli.write("nodes.yaml", cache + cloud.definition("machine") + PROCESS)
    cli.write("infra.yaml", INFRASTRUCTURE)
    infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last

    def there() -> tuple[int, int, int]:
        """Containers, machines and processes."""
        return len(docker.containers(infra)), len(cloud.instances(infra)), len(processes_of(infra))

    slots = cli.slots(infra)
    address = {name: slot["addresses"][0] for name, slot in slots.items()}
    assert (
        f"cache {address['cache/1']} machines {address['machine/1']}" in cli.run("logs", infra, "agent").out
    )
    assert there() == (1, 1, 1)

    cli.run("scale", infra, "machine+1")
    cli.run("scale", infra, "agent=2")
    cli.run("maintain", infra)
    assert there() == (1, 2, 2)

    # One node goes, one comes; nothing else is touched.
    changed = INFRASTRUCTURE.replace("dependencies:", "  - {name: spare, type: spare}\ndependencies:")
    changed = changed.replace("  - [*A, *M]\n", "").replace(
        "  - &M {name: machine, type: machine, scaling: {min: 1, max: 3}}\n", ""
    )
    agent = PROCESS.replace("""{{getipall('machine')|join(',')}}""", "none")
    cli.write("nodes.yaml", cache + cloud.definition("machine") + agent)
    cli.write("changed.yaml", changed)
    cli.run("build", "changed.yaml", "--nodes", "nodes.yaml", "-i", infra, "--confirm", "hybrid")
    slots = cli.slots(infra)
    assert sorted(slots) == ["agent/1", "agent/2", "cache/1", "spare/1"]
    assert there() == (2, 0, 2)

    cli.run("destroy", infra, "--yes")
    assert there() == (0, 0, 0)


CLOUD_INIT = """
write_files:
  - {path: /etc/motd, content: "Hello"}
runcmd:
  - echo one
  - echo %s
"""


def test_a_changed_file_of_cloud_init_replaces_its_machines_one_by_one_and_nothing_else(cli: Cli) -> None:
    docker, cloud = docker_engine.engine(), moto()
    cli.log_in(AUTH)
    machine = cloud.definition("machine").replace(
        '"#cloud-config\\n"', "!yaml_import {url: file://init.yaml}"
    )
    cache = docker_engine.definitions(docker.endpoint, cache="sleep 1000")
    cli.write("nodes.yaml", cache + machine + PROCESS)
    cli.write("init.yaml", CLOUD_INIT % "two")
    cli.write("infra.yaml", INFRASTRUCTURE.replace("{min: 1, max: 3}", "{min: 2, max: 3}"))
    infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
    before = cli.slots(infra)

    cli.write("init.yaml", CLOUD_INIT % "three")
    cli.run("define", "nodes.yaml")
    assert not any(slot["outdated"] for slot in cli.slots(infra).values()), "its definitions are pinned"
    told = cli.run("build", "-i", infra, "infra.yaml", "--confirm", "hybrid").err
    assert (
        "machine/1 is outdated (contextualisation.context_template.runcmd[1]: echo two, now echo three)"
        in told
    )
    assert told.index("machine/1 ready") < told.index("machine/2 destroying")
    after = cli.slots(infra)
    changed = {name for name in before if before[name]["node_id"] != after[name]["node_id"]}
    assert changed == {"machine/1", "machine/2"}
    assert after["agent/1"]["stale"] == "machine"
    machines = [instance for (instance,) in cloud.instances(infra).values()]
    assert len(machines) == 2 and all("echo three" in cloud.user_data(one["id"]) for one in machines)
