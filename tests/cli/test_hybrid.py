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
