"""The JSON Schemas for editors accept what Occopus accepts, and refuse what it reports."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from corpus import CORPUS
from dialect import load, read
from jsonschema import Draft202012Validator
from occopus_cli import ROOT, Cli, absent

FILES = ("infrastructure", "node-definitions", "auth-data", "config")
EXAMPLES = ROOT / "examples"
PAGES = ROOT / "docs" / "reference" / "codes"

HEAD = "user_id: u\ninfra_name: i\n"
NODES = HEAD + "nodes: [&A {name: a, type: t}, &B {name: b, type: t}]\n"


def node(fields: str) -> str:
    return f"{HEAD}nodes: [{{name: a, type: t, {fields}}}]"


INFRASTRUCTURES_ACCEPTED = [
    HEAD + "nodes: [{name: a, type: t}]",
    HEAD + "nodes: []",
    "infra_name: i\nnodes: []",
    f"user_id: u\ninfra_name: {'x' * 63}\nnodes: []",
    "user_id: 1\ninfra_name: '-'\nnodes: []",
    node("scaling: {}"),
    node("scaling: {min: 0, max: 3}"),
    node("scaling: "),
    node("variables: "),
    node("filter: {type: ec2}, variables: {a: [1, {b: c}]}"),
    HEAD + "nodes: [{name: a, type: t}]\nmoved: [{from: b, to: a}]",
    HEAD + "nodes: [{name: a, type: t}]\nmoved: ",
    NODES + "dependencies: {}",
    NODES + "dependencies: []",
    NODES + "dependencies: ",
    NODES + "dependencies: [[*B, *A], [b, a]]",
    NODES + "dependencies: [{connection: [*B, *A], extra: 1}]",
    NODES
    + "dependencies: [{connection: [*B, *A], mappings: [[x, y], {attributes: [p, q], synch: true, z: 1}]}]",
]

INFRASTRUCTURES_REFUSED = [
    "",
    "[]",
    "text",
    "user_id: u\nnodes: []",
    "user_id: u\ninfra_name: i",
    *(f"user_id: u\ninfra_name: {name}\nnodes: []" for name in ("x" * 64, "a.b", "a_b", "''", "5")),
    HEAD + "nodes: [{name: a, type: t}]\nmoved: {b: a}",
    HEAD + "nodes: [{name: a, type: t}]\nmoved: [{from: b}]",
    HEAD + "nodes: ",
    HEAD + "nodes: {}",
    HEAD + "nodes: [a]",
    HEAD + "nodes: [{name: a}]",
    HEAD + "nodes: [{type: t}]",
    HEAD + "nodes: [{name: a_b, type: t}]",
    HEAD + "nodes: [{name: a, type: [t]}]",
    node("attributes: {}"),
    node("create_timeout: 5"),
    *(node(f"scaling: {value}") for value in ("{min: 1, foo: 2}", "5", "[min, max]", "text")),
    *(node(f"scaling: {{min: {value}}}") for value in ("", "-1", "1.5", "many", "[]")),
    *(node(f"filter: {value}") for value in ("foo", "", "[]")),
    *(node(f"variables: {value}") for value in ("foo", "[]", "5")),
    NODES + "dependencies: text",
    NODES + "dependencies: {a: b}",
    *(
        NODES + f"dependencies: [{edge}]"
        for edge in ("[*B]", "[*B, *A, *A]", "text", "{mappings: []}", "{connection: [*B]}")
    ),
    *(
        NODES + f"dependencies: [{{connection: [*B, *A], mappings: {mappings}}}]"
        for mappings in ("text", "[[x]]", "[{synch: true}]", "[{attributes: [x]}]", "[text]")
    ),
    NODES + "init_suspended: true",
    NODES + "variables: [a]",
]

EC2 = "type: ec2, endpoint: 'https://e', regionname: r, image_id: i, instance_type: t"
NOVA = "type: nova, endpoint: 'https://e', image_id: i, flavor_name: 3, project_id: p"
AZURE = (
    "type: azure_vm, endpoint: 'https://e', resource_group: g, location: l, vm_size: s, publisher: p, "
    "offer: o, sku: s, version: 1.10, username: u, password: p"
)
ACI = (
    "type: azure_aci, endpoint: 'https://e', resource_group: g, location: l, cpu_cores: 1, memory: 1.5, "
    "image: i, os_type: linux, network_type: Public"
)
DOCKER = "type: docker, endpoint: 'unix:///s', origin: local, image: i, tag: 1"
SIGMA = "type: cloudsigma, endpoint: 'https://e', libdrive_id: l, description: "
BROKER = "type: cloudbroker, endpoint: 'https://e', description: "


def resource(fields: str) -> str:
    return f"'node_def:n': [{{resource: {{{fields}}}}}]"


def section(name: str, content: str) -> str:
    return f"'node_def:n': [{{resource: {{{EC2}}}, {name}: {content}}}]"


DEFINITIONS_ACCEPTED = [
    *map(resource, (EC2, NOVA, AZURE, ACI, DOCKER, "type: process")),
    resource(SIGMA + "{cpu: 1, mem: 2, vnc_password: x, nics: []}"),
    resource(SIGMA + "{cpu: '{{ variables.cpu }}', mem: 2, vnc_password: x}"),
    resource(BROKER + "{deployment_id: d, instance_type_id: 5, opened_port: '22,80'}"),
    resource(EC2 + ", key_name: , security_group_ids: [a], tags: {a: b}"),
    resource(EC2.replace("'https://e'", "'{{ variables.endpoint }}'")),
    resource(DOCKER.replace("'unix:///s'", "replace_with_endpoint")),
    resource(NOVA + ", floating_ip: no, security_groups: "),
    *(
        resource(f"{NOVA}, volume_size: {value}")
        for value in ("5", "0", "'7'", "1.5", "true", "", "'{{ x }}'")
    ),
    *(resource(f"{NOVA}, volume_persist: {value}") for value in ("true", "yes", "No", "'{{ x }}'")),
    resource(ACI + ", ports: [80, 53/udp]"),
    resource("type: process, stop_timeout: 2.5"),
    resource(AZURE.replace("password: p", "password: {'!secret': 'env:NAME'}")),
    section("contextualisation", "{type: cloudinit, context_template: }"),
    section("contextualisation", "{type: docker, env: [A=b, '{{ e }}'], command: [a, b]}"),
    section("contextualisation", ""),
    section("config_management", "{type: chef, endpoint: 'https://c', run_list: ['recipe[a]']}"),
    section("config_management", "{type: puppet_solo, manifests: [m], attributes: [{a: b}]}"),
    section("config_management", "{type: dummy}"),
    section("health_check", "{}"),
    section("health_check", "{type: basic, ping: false, ports: [80], timeout: 60}"),
    section("health_check", "{urls: ['http://{{ip}}:80', '{{ url }}']}"),
    section("health_check", "{mysqldbs: [{name: a, user: b, pass: 1}]}"),
    f"'node_def:a b:c': [{{resource: {{{EC2}}}}}, {{resource: {{{NOVA}}}}}]",
]

DEFINITIONS_REFUSED = [
    "",
    "[]",
    "nodedef:n: []",
    f"n: [{{resource: {{{EC2}}}}}]",
    f"'node_def:n': {{resource: {{{EC2}}}}}",
    "'node_def:n': []",
    "'node_def:n': [text]",
    "'node_def:n': ",
    "'node_def:n': [{health_check: {}}]",
    "'node_def:n': [{resource: }]",
    section("implementation_type", "x"),
    *map(
        resource,
        (
            "type: ec2",
            "endpoint: 'https://e'",
            "type: ec3",
            "type: 5",
            EC2 + ", foo: 1",
            EC2 + ", security_group: x",
            EC2 + ", security_group_ids: x",
            EC2 + ", tags: [a]",
            NOVA.replace(", project_id: p", ""),
            *(f"{NOVA}, volume_size: {value}" for value in ("-1", "[]")),
            AZURE.replace(", password: p", ""),
            AZURE + ", nic_name: x",
            AZURE + ", name: x",
            AZURE + ", public_ip_needed: perhaps",
            ACI + ", name: x",
            ACI + ", ports: 80",
            ACI.replace("linux", "plan9"),
            SIGMA + "{cpu: 1}",
            SIGMA + "text",
            BROKER + "{}",
            DOCKER + ", network_mode: x",
            "type: docker, endpoint: 'unix:///s', image: i",
            DOCKER.replace("unix:///s", "ftp://s"),
            "type: azure_aci",
            "type: process, image: x",
            "type: process, stop_timeout: soon",
            "type: process, stop_timeout: -1",
            "type: process, endpoint: remote",
            "type: process, name: {'!secret': 'env:NAME'}",
        ),
    ),
    *(
        section("contextualisation", content)
        for content in (
            "{}",
            "text",
            "{type: cooked}",
            "{type: basic}",
            "{type: docker, command: x}",
            "{type: docker, env: [], attributes: {}}",
            "{type: docker, env: [WRONG]}",
            "{type: cloudinit}",
            "{type: cloudinit, context_template: [a]}",
        )
    ),
    *(
        section("config_management", content)
        for content in (
            "{type: chef}",
            "{type: chef, endpoint: 'https://c', run_list: [], name: x}",
            "{type: puppet_solo, manifests: [], name: x}",
        )
    ),
    *(
        section("health_check", content)
        for content in (
            "{protocol: basic}",
            "{type: other}",
            *(f"{{{key}: {value}}}" for key in ("mysqldbs", "urls", "ports") for value in ("x", "")),
            *(f"{{ports: [{port}]}}" for port in ("x", "0", "65536", "-1", "'{{ port }}'")),
            *(f"{{ping: {value}}}" for value in ("yes", "1", "'True'", "")),
            "{timeout: soon}",
            "{mysqldbs: [{name: a}]}",
            "{mysqldbs: [{name: a, user: b, pass: c, foo: d}]}",
        )
    ),
]

AUTH_ACCEPTED = [
    "resource: ",
    "resource: [{type: ec2, auth_data: {accesskey: a, secretkey: !secret env:KEY}}]",
    "resource: [{type: ec2, auth_data: {accesskey: a, secretkey: {'!secret': 'file:key'}}}]",
    "resource: [{type: nova, endpoint: e, auth_data: {username: u, password: p}}]",
    "resource: [{type: nova, auth_data: {type: application_credential, id: i, secret: s}}]",
    "resource: [{auth_data: {anything: at all}}]",
]

AUTH_REFUSED = [
    "text",
    "resource: {}",
    "resource: [{type: ec2}]",
    "resource: [{type: ec2, auth_data: text}]",
    "resource: [{type: ec2, auth_data: {accesskey: a}}]",
    "resource: [{type: nova, auth_data: {type: voms, proxy: p}}]",
    "resource: [{type: nova, auth_data: {type: voms, username: u, password: p}}]",
    "config_management: [{type: chef, auth_data: {client_name: n}}]",
]

CONFIG_ACCEPTED = [
    "plugins: !python_import [occo.infobroker]\ncomponents:\n  uds: &u !UDS {protocol: redis, port: '6379'}\n"
    "  infobroker: !InfoRouter {sub_providers: [*u]}\n  dry_run: False\n  rest: {host: 0.0.0.0, port: 5000}",
    "store: data/o.db",
    "logging: {version: 1, root: {level: debug, handlers: [console]}, "
    "handlers: {console: {class: logging.StreamHandler, stream: 'ext://sys.stdout', formatter: f}}}",
]

CONFIG_REFUSED = [
    "text",
    "components: 5",
    "components: {dry_run: yes}",
    "components: {rest: {port: 70000}}",
    "store: [x]",
    "plugins: [[]]",
    "logging: {root: {level: loud}}",
]

#: What an editor sees of imports: it does not know the tags.
IMPORTS = {
    "infrastructure": [
        "url: 'file://all-of-it.yaml'",
        HEAD + "nodes: {url: 'file://nodes.yaml'}",
        HEAD + "nodes: [{url: 'file://node.yaml'}]",
        NODES + "variables: {url: 'file://variables.yaml'}",
    ],
    "node-definitions": [
        "'node_def:n': {url: 'file://n.yaml'}",
        "'node_def:n': [{url: 'file://implementation.yaml'}]",
        section("contextualisation", "{url: 'file://context.yaml'}"),
        section("contextualisation", "{type: cloudinit, context_template: {url: 'file://x'}}"),
        section("health_check", "{ports: {url: 'file://ports.yaml'}}"),
    ],
    "auth-data": [
        "config_management: [{type: chef, auth_data: {client_name: n, client_key: {url: 'file://k.pem'}}}]",
        "resource: [{type: ec2, auth_data: {url: 'file://keys.yaml'}}]",
    ],
    "config": ["components: {url: 'file://components.yaml'}"],
}

#: Warnings about what is absent, and about references; no schema knows them.
UNRELATED = {"OCC0101", "OCC0106", "OCC0109", "OCC0114"}

VECTORS = {
    "infrastructure": (INFRASTRUCTURES_ACCEPTED, INFRASTRUCTURES_REFUSED),
    "node-definitions": (DEFINITIONS_ACCEPTED, DEFINITIONS_REFUSED),
    "auth-data": (AUTH_ACCEPTED, AUTH_REFUSED),
    "config": (CONFIG_ACCEPTED, CONFIG_REFUSED),
}


@pytest.fixture()
def schemas(cli: Cli) -> dict[str, Any]:
    return {name: cli.run("schema", name).json for name in FILES}


def problems(schema: Any, value: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(schema).iter_errors(value)]


def kind(path: Path) -> str:
    """The schema for a file of the corpus or of the examples."""
    if path.name == "auth_data.yaml":
        return "auth-data"
    return "node-definitions" if "node_def" in path.read_text(encoding="utf-8") else "infrastructure"


def test_the_schemas_are_schemas(schemas: dict[str, Any]) -> None:
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", FILES)
def test_what_occopus_takes_is_accepted(schemas: dict[str, Any], name: str) -> None:
    for text in VECTORS[name][0]:
        assert problems(schemas[name], read(text)) == [], text


@pytest.mark.parametrize("name", FILES)
def test_an_import_is_accepted_for_any_value(schemas: dict[str, Any], name: str) -> None:
    for text in IMPORTS[name]:
        assert problems(schemas[name], read(text)) == [], text


@pytest.mark.parametrize("name", FILES)
def test_what_occopus_reports_is_refused(schemas: dict[str, Any], name: str) -> None:
    for text in VECTORS[name][1]:
        assert problems(schemas[name], read(text)), text


def reported(cli: Cli, text: str, severities: set[str]) -> set[str]:
    """The codes of what the checker has to say about a file."""
    cli.write("file.yaml", text).chmod(0o600)
    process = cli.start("validate", "file.yaml", "--format", "json", "--verbose")
    found = json.loads(process.communicate(timeout=60)[0])["problems"]
    return {problem["code"] for problem in found if problem["severity"] in severities}


@pytest.mark.parametrize("name", FILES)
def test_the_checker_agrees_with_the_schema(cli: Cli, name: str) -> None:
    accepted, refused = VECTORS[name]
    for text in accepted:
        assert not reported(cli, text, {"error"}), text
    for text in refused:
        assert reported(cli, text, {"error", "warning"}) - UNRELATED, text


def test_real_files_are_accepted(schemas: dict[str, Any]) -> None:
    if not CORPUS.is_dir():
        absent(f"there is no {CORPUS}")
    files = [*CORPUS.glob("*/*.yaml"), *CORPUS.glob("*/nodes/*node_def*.yaml")]
    assert {kind(path) for path in files} == {"infrastructure", "node-definitions"}
    for path in files:
        assert problems(schemas[kind(path)], load(path)) == [], path


def test_the_examples_are_accepted(schemas: dict[str, Any]) -> None:
    files = [*EXAMPLES.glob("*/*.yaml"), *EXAMPLES.glob("*/nodes/node_definitions.yaml")]
    assert len(files) > 4
    for path in files:
        assert problems(schemas[kind(path)], load(path)) == [], path


def test_every_key_shows_what_it_is_for(schemas: dict[str, Any]) -> None:
    for name in ("infrastructure", "auth-data", "config"):
        properties = schemas[name]["anyOf"][0]["properties"]
        assert properties
        assert all(re.match(r"\w.+\.$", key["description"]) for key in properties.values()), name


def test_a_schema_is_the_same_in_every_format(cli: Cli) -> None:
    plain = cli.run("schema", "infrastructure").out
    assert json.loads(plain) == cli.run("schema", "infrastructure", "--format", "json").json
    assert "infrastructure" in cli.run("schema", "infra", code=2).err
