"""Small infrastructures of processes."""

from __future__ import annotations

import sys

#: The program of a small web server on the address it is given.
SERVER = f'{sys.executable} -m http.server --bind "$OCCOPUS_ADDRESS" 8080'

#: A web server on port 8080 of the instance's own address, and something that knows where it is.
DEFINITIONS = f"""
'node_def:server':
  - resource: {{type: process}}
    contextualisation:
      type: process
      command:
        - sh
        - -c
        - 'echo "serving on $OCCOPUS_ADDRESS"; exec {SERVER}'
    health_check: {{ping: false, ports: [8080], timeout: 60}}
'node_def:client':
  - resource: {{type: process}}
    contextualisation:
      type: process
      env: ["PEER={{{{getip('server')}}}}"]
      command: [sh, -c, 'echo "my peer is $PEER"; exec sleep 1000']
    health_check: {{ping: false}}
'node_def:quiet':
  - resource: {{type: process}}
    contextualisation: {{type: process, command: [sleep, '1000']}}
    health_check: {{ping: false}}
'node_def:broken':
  - resource: {{type: process}}
    contextualisation: {{type: process, command: [sh, -c, 'echo out of luck; exit 3']}}
    health_check: {{ping: false, ports: [8080], timeout: 60}}
"""

PAIR = """
user_id: tester
infra_name: pair
nodes:
  - &S {name: server, type: server, scaling: {min: 1, max: 2}}
  - &C {name: client, type: client, scaling: {min: 2, max: 4}}
dependencies:
  - [*C, *S]
"""


def infrastructure(name: str, nodes: dict[str, str], **numbers: int) -> str:
    """A description of `nodes` (name to type), each depending on the one before it."""
    lines = ["user_id: tester", f"infra_name: {name}", "nodes:"]
    for position, (node, kind) in enumerate(nodes.items()):
        count = numbers.get(node, 1)
        scaling = f"{{min: {count}, max: {count}}}"
        lines.append(f"  - &N{position} {{name: {node}, type: {kind}, scaling: {scaling}}}")
    lines.append("dependencies:")
    lines += [f"  - [*N{position}, *N{position - 1}]" for position in range(1, len(nodes))]
    return "\n".join(lines).removesuffix("dependencies:") + "\n"
