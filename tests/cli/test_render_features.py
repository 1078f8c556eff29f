"""What the tutorials of the original rely on, each with a small description of its own."""

from __future__ import annotations

import json
from typing import Any

from occopus_cli import Cli

VM = "{type: nova, endpoint: 'http://nova', project_id: p, image_id: i, flavor_name: 3, key_name: }"


def nodes(cli: Cli, infra: str, definitions: str, **found: list[str]) -> Any:
    """The rendered nodes; `found` are addresses of the instances of nodes."""
    cli.write("infra.yaml", infra)
    cli.write("nodes.yaml", definitions)
    views = {
        name: [{"node_id": f"{name}-{at}", "addresses": [address]} for at, address in enumerate(addresses)]
        for name, addresses in found.items()
    }
    cli.write("instances.json", json.dumps(views))
    files = ("infra.yaml", "--nodes", "nodes.yaml", "--instances", "instances.json")
    ids = ("--infra-id", "deadbeef-1", "--node-id", "abcd-1")
    return cli.run("render", *files, *ids, "--format", "json").json["nodes"]


def test_a_key_with_blank_lines_is_restored_and_optional_keys_may_be_null(cli: Cli) -> None:
    infra = """
user_id: u
infra_name: kube
variables:
  key: |
    -----BEGIN

    abc

    -----END
nodes:
  - {name: master, type: master, scaling: {min: 1, max: 1}}
"""
    cli.write(
        "init.yaml",
        "#cloud-configc\nwrite_files:\n"
        "  - {path: /key, permissions: '0600', content: '{{variables.key}}'}\n"
        '  - path: /prompt\n    content: "\\e[0m{{name}}"\npackage_update: yes\n',
    )
    definitions = f"""
'node_def:master':
  - resource: {VM}
    contextualisation:
      type: cloudinit
      context_template: !yaml_import {{url: file://init.yaml}}
"""
    master = nodes(cli, infra, definitions)["master"]
    assert master["resource"]["key_name"] is None and master["resource"]["flavor_name"] == 3
    assert master["scaling"] == {"min": 1, "max": 1}
    key, prompt = master["context"]["write_files"]
    assert key == {"path": "/key", "permissions": "0600", "content": "-----BEGIN\nabc\n-----END "}
    assert prompt["content"] == "\x1b[0mmaster"
    assert master["context"]["package_update"] == "yes"


def test_braces_of_other_programs_pass_through(cli: Cli) -> None:
    infra = """
user_id: u
infra_name: scale
variables: {consul_host: prometheus}
nodes:
  - &P {name: prometheus, type: t}
  - &L {name: lb, type: t}
dependencies:
  - connection: [*L, *P]
"""
    definitions = f"""
'node_def:t':
  - resource: {VM}
    contextualisation:
      type: cloudinit
      context_template:
        write_files:
          - path: /alert
            content: |
              expr: "x" {{{{'{{{{'}}}} $labels.instance {{{{'}}}}'}}}} in {{{{infra_id}}}}
              {{% raw %}}{{{{range service "hadoop"}}}}{{{{.Address}}}} ${{#x}}{{{{end}}}}{{% endraw %}}
          - path: /consul
            content: join={{{{ getip(variables.consul_host) }}}}
        runcmd:
          - echo $(hostname) {{{{  getprivip( 'prometheus' )  }}}} && ls
"""
    lb = nodes(cli, infra, definitions, prometheus=["10.0.0.7"])["lb"]["context"]
    alert, consul = lb["write_files"]
    assert alert["content"] == (
        'expr: "x" {{ $labels.instance }} in deadbeef-1\n'
        '{{range service "hadoop"}}{{.Address}} ${#x}{{end}}\n'
    )
    assert consul["content"] == "join=10.0.0.7"
    assert lb["runcmd"] == ["echo $(hostname) 10.0.0.7 && ls"]


def test_attributes_and_connections_for_chef(cli: Cli) -> None:
    infra = """
user_id: u
infra_name: wp
variables: {db: {name: wpdb, port: 3306}, on: true}
nodes:
  - &DB {name: mysql, type: db}
  - &WP {name: wordpress, type: wp, variables: {db: {port: 3307}}}
dependencies:
  - connection: [*WP, *DB]
    mappings:
      - [fqdn, wordpress.db.host]
      - {attributes: [port, wordpress.db.port], synch: true, note: 1}
"""
    vm = f"  - resource: {VM}\n    contextualisation:\n      type: cloudinit\n      context_template:"
    definitions = f"""
'node_def:db':
{vm} ''
'node_def:wp':
{vm} "#!/bin/sh\\n"
      attributes:
        wordpress: {{db: {{name: '{{{{variables.db.name}}}}', port: '{{{{variables.db.port}}}}', n: 5}}}}
        flags: ['{{{{variables.on}}}}', '{{{{variables.db}}}}', true]
"""
    rendered = nodes(cli, infra, definitions)
    wordpress = rendered["wordpress"]
    role = "deadbeef-1_mysql"
    assert wordpress["attributes"] == {
        "wordpress": {"db": {"name": "wpdb", "port": "3307", "n": 5}},
        "flags": ["True", "{'name': 'wpdb', 'port': 3307}", True],
        "connections": [
            {"source_role": role, "source_attribute": "fqdn", "destination_attribute": "wordpress.db.host"},
            {"source_role": role, "source_attribute": "port", "destination_attribute": "wordpress.db.port"},
        ],
    }
    edge = [
        {"attributes": ["fqdn", "wordpress.db.host"], "synch": False},
        {"attributes": ["port", "wordpress.db.port"], "synch": True, "note": 1},
    ]
    assert wordpress["mappings"] == {"inbound": {"mysql": edge}, "outbound": {}}
    assert rendered["mysql"]["mappings"] == {"inbound": {}, "outbound": {"wordpress": edge}}
    assert (rendered["mysql"]["context"], rendered["mysql"]["context_is_cloud_config"]) == ("", False)
    assert wordpress["context"].startswith("#!/bin/sh")


def test_containers_without_and_with_contextualisation(cli: Cli) -> None:
    infra = """
user_id: u
infra_name: web
nodes:
  - &S {name: server, type: server}
  - &C {name: client, type: client}
dependencies: [[*C, *S]]
"""
    image = "{type: docker, endpoint: 'unix://x', origin: o, image: '{{name}}', tag: latest}"
    definitions = f"""
'node_def:server':
  - resource: {image}
    health_check: {{ping: False, ports: [80]}}
'node_def:client':
  - resource: {image}
    contextualisation:
      type: docker
      context_variables: {{'{{{{name}}}}_peer': 'http://{{{{getip("server")}}}}'}}
      env: ['PEER={{{{client_peer}}}}', 'ALL={{{{context_variables}}}}']
      command: [sh, -c, "curl {{{{getip('server')}}}}\\n"]
"""
    rendered = nodes(cli, infra, definitions, server=["10.0.0.3"])
    assert rendered["server"]["attributes"] == {"connections": []}
    assert rendered["server"]["resource"]["image"] == "{{name}}", "no part of it is rendered"
    assert rendered["client"]["attributes"] == {
        "env": ["PEER=http://10.0.0.3", "ALL={'client_peer': 'http://10.0.0.3'}"],
        "command": ["sh", "-c", "curl 10.0.0.3"],
        "connections": [],
    }


FLOW = """#cloud-config
write_files:
- path: /flow
  content: |
    in: {{ variables.flow.app.in }}
{%- for item in variables.flow.outputs %}
    - name: {{ item.name }}
      {%- if item.targetnode is defined %}
      targets: {{ getipall(item.targetnode) }}
      {%- else %}
      target: {{ item.targetname }} {{ item.targetip }}
      {%- endif %}
      collector: {{ item.collector }}
{%- endfor %}
    gather: {{ variables.gather }}
    first: {{ variables.gather.split('.')[0] }} {{ variables.flow['app'].get('port', 80) }}
"""


def test_loops_over_deep_variables_in_a_text(cli: Cli) -> None:
    infra = """
user_id: 7
infra_name: vina
variables: {gather: &gatherip 10.1.2.3}
nodes:
  - &V
    name: VINA
    type: flow
    variables:
      flow:
        app: {in: input.zip, exe: *gatherip}
        outputs:
          - {name: a, targetnode: COLLECTOR, collector: true}
          - {name: b, targetname: , collector: false}
  - &C {name: COLLECTOR, type: flow, variables: {flow: {app: {in: x}}}}
dependencies:
  - [*V, *C]
"""
    cli.write("flow.yaml", FLOW)
    definitions = f"""
'node_def:flow':
  - resource: {VM}
    contextualisation:
      type: cloudinit
      context_template: !text_import {{url: file://flow.yaml}}
"""
    rendered = nodes(cli, infra, definitions, COLLECTOR=["10.0.0.1", "10.0.0.2"])
    (flow,) = rendered["VINA"]["context"]["write_files"]
    assert flow["content"] == (
        "in: input.zip\n"
        "- name: a\n"
        "  targets: ['10.0.0.1', '10.0.0.2']\n"
        "  collector: True\n"
        "- name: b\n"
        "  target: None \n"
        "  collector: False\n"
        "gather: 10.1.2.3\n"
        "first: 10 80"
    )
    (flow,) = rendered["COLLECTOR"]["context"]["write_files"]
    assert flow["content"].startswith("in: x\ngather: "), "nothing to iterate over"


def test_names_floats_and_cuts_in_resources(cli: Cli) -> None:
    infra = """
user_id: u
infra_name: jupyter
variables: {SPARK: 3.2, TRAILING: 3.20, DOCKER: '5:20.10.2~3-0~ubuntu-$(lsb_release -cs)', none: null}
nodes: [{name: lab, type: lab}]
"""
    definitions = """
'node_def:lab':
  - resource:
      type: nova
      endpoint: http://nova
      project_id: p
      image_id: i
      flavor_name: f
      server_name: 'lab-{{cut(infra_id,0,4)}}-{{cut(node_id,-2,none)}}'
      floating_ip: add
      security_groups: [a, 'b{{variables.SPARK}}']
    contextualisation:
      type: cloudinit
      context_template:
        runcmd:
          - apt install docker={{variables.DOCKER}} spark-{{variables.SPARK}} {{variables.TRAILING}}
          - [sh, -c, 'x {{variables.none}} {{message}}{{variables}}']
"""
    lab = nodes(cli, infra, definitions)["lab"]
    assert lab["resource"]["server_name"] == "lab-dead--1"
    assert lab["resource"]["security_groups"] == ["a", "b3.2"]
    first, second = lab["context"]["runcmd"]
    assert first == "apt install docker=5:20.10.2~3-0~ubuntu-$(lsb_release -cs) spark-3.2 3.2"
    assert second[2] == (
        "x None {'DOCKER': '5:20.10.2~3-0~ubuntu-$(lsb_release -cs)', 'SPARK': 3.2, 'TRAILING': 3.2, "
        "'none': None}"
    )
