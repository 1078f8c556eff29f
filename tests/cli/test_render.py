"""`occopus render` shows what every node would be created with, offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from corpus import CORPUS
from occopus_cli import Cli, Result, absent

#: The surroundings in which the original rendered the real descriptors.
INFRA_ID = "deadbeef-1111-2222-3333-444444444444"
NODE_ID = "abcd1234-0000"

INFRA = """
user_id: tester
infra_name: shop
variables: {size: 3}
nodes:
  - &D {name: db, type: db, scaling: {min: 2, max: 5}}
  - &W {name: web, type: web}
dependencies:
  - [*W, *D]
"""

NODES = """
'node_def:db':
  - resource: {type: docker, endpoint: 'unix://var/run/docker.sock', origin: o, image: i, tag: t}
    contextualisation: {type: docker, env: ['SIZE={{variables.size}}'], command: run}
'node_def:web':
  - resource:
      type: ec2
      endpoint: https://ec2.example
      regionname: r
      image_id: ami
      instance_type: t2
      name: '{{infra_name}}-{{cut(node_id,0,4)}}'
    contextualisation:
      type: cloudinit
      context_template:
        write_files:
          - path: /etc/db
            content: |
              first={{getip('db')}}
              all={{getipall('db')}}
              private={{getprivip('db')}}
"""


def instances(names: list[str]) -> dict[str, Any]:
    """Two instances of every node, as they were in the original's run."""
    return {
        name: [
            {
                "node_id": f"id-{name}-{number}",
                "addresses": [f"10.0.0.{number}", f"192.168.0.{number}"],
                "private_address": "192.168.0.9",
            }
            for number in (1, 2)
        ]
        for name in names
    }


def test_every_real_descriptor_renders_as_in_the_original(cli: Cli) -> None:
    if not CORPUS.is_dir():
        absent(f"there is no {CORPUS}")
    folders = sorted(CORPUS.glob("*/expected.json"))
    assert len(folders) >= 18
    for path in folders:
        expected = json.loads(path.read_text())
        names = [name for level in expected["levels"] for name in level]
        found = cli.write("instances.json", json.dumps(instances(names)))
        result = cli.run(
            "render",
            path.parent / expected["infra_file"],
            *("--nodes", path.parent / expected["node_definitions_file"]),
            *("--instances", found, "--infra-id", INFRA_ID, "--node-id", NODE_ID),
            *("--format", "json"),
        ).json
        assert set(result) == {"schema", "levels", "nodes"}, path
        assert result["levels"] == expected["levels"], path
        assert result["nodes"] == expected["nodes"], path
    assert not cli.store.exists(), "rendering needs no store and makes none"


@pytest.fixture()
def shop(cli: Cli) -> Cli:
    cli.write("infra.yaml", INFRA)
    cli.write("nodes.yaml", NODES)
    return cli


def render(cli: Cli, *arguments: object, code: int = 0) -> Result:
    return cli.run("render", "infra.yaml", "--nodes", "nodes.yaml", *arguments, code=code)


def test_addresses_are_placeholders_that_say_whose_they_are(shop: Cli) -> None:
    result = render(shop, "--format", "json").json
    web = result["nodes"]["web"]
    assert web["context_is_cloud_config"]
    assert web["context"]["write_files"][0]["content"] == (
        "first=<address of db/1>\n"
        "all=['<address of db/1>', '<address of db/2>']\n"
        "private=<private address of db/1>\n"
    )
    assert web["resource"]["name"] == "shop-0000"
    assert "context" not in result["nodes"]["db"]


def test_people_read_the_user_data_line_by_line(shop: Cli) -> None:
    result = render(shop)
    assert "placeholders" in result.err
    assert "\n        first=<address of db/1>\n        all=" in result.out
    assert result.out.index("db: docker (definition 'db')") < result.out.index("web: ec2 (definition 'web')")
    assert "SIZE=3" in result.out
    web = render(shop, "--node", "web").out
    assert "db: docker" not in web and "#cloud-config" in web


def test_given_instances_are_found(shop: Cli) -> None:
    shop.write("instances.json", json.dumps(instances(["db"])))
    arguments = ("--instances", "instances.json", "--node", "web", "--node-id", "abcdef", "--infra-id", "x")
    result = render(shop, *arguments, "--format", "json")
    assert "first=10.0.0.1\nall=['10.0.0.1', '10.0.0.2']\nprivate=192.168.0.9\n" in str(
        result.json["nodes"]["web"]["context"]["write_files"][0]["content"]
    )
    assert result.json["nodes"]["web"]["resource"]["name"] == "shop-abcd"
    assert list(result.json["nodes"]) == ["web"]
    assert "multiple nodes with the same node name (db)" in result.err


def test_a_node_without_given_instances_is_missed_by_its_templates(shop: Cli) -> None:
    shop.write("instances.json", "{}")
    result = render(shop, "--instances", "instances.json", code=1)
    assert "contextualisation.context_template.write_files[0].content, line 1" in result.err
    assert "No node exists with the given name 'db'" in result.err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", "instances.json:1:1: invalid type: sequence, expected an object of nodes"),
        ('{"db": [],\n "db": []}', "instances.json:2:10: node 'db' stands there twice"),
        ('{"db": [{"node_id": "a"}]}', "missing field `addresses`"),
        ('{\n"db": [{"node_id": "a", "addresses": [], "ip": "b"}]}', "instances.json:2:"),
        ('{"db": [{"node_id": "a", "addresses": [1]}]}', "expected a string"),
        ('{"bd": []}', "'bd' is no node of 'shop', whose nodes are: db, web"),
        ("{", "instances.json:1:"),
    ],
)
def test_a_wrong_file_of_instances_is_refused_with_its_place(shop: Cli, text: str, expected: str) -> None:
    shop.write("instances.json", text)
    result = render(shop, "--instances", "instances.json", code=2)
    assert expected in result.err, result


def test_what_cannot_be_rendered_is_named(shop: Cli) -> None:
    assert "its nodes are: db, web" in render(shop, "--node", "wbe", code=2).err
    missing = shop.run("render", "infra.yaml", "--nodes", "none.yaml", code=2)
    assert "none.yaml" in missing.err
    shop.write("nodes.yaml", NODES.replace("node_def:web", "node_def:other"))
    result = render(shop, code=2)
    assert "'web' (type of node 'web')" in result.err and "They define: db, other" in result.err


def test_all_templates_that_fail_are_reported_at_once(shop: Cli) -> None:
    broken = NODES.replace("{{variables.size}}", "{{variables.a.b}}").replace("getip('db')", "x.y.z")
    shop.write("nodes.yaml", broken)
    result = render(shop, code=1)
    assert "node 'db' (docker), contextualisation.env[0]" in result.err
    assert "node 'web' (ec2), contextualisation.context_template.write_files[0].content" in result.err


def test_the_first_implementation_that_passes_the_filter_is_shown(shop: Cli) -> None:
    second = NODES.replace("'node_def:web':", "  - resource: {type: process}\n'node_def:web':")
    shop.write("nodes.yaml", second)
    assert render(shop, "--format", "json").json["nodes"]["db"]["resource"]["type"] == "docker"
    shop.write("infra.yaml", INFRA.replace("type: db,", "type: db, filter: {type: process},"))
    assert render(shop, "--format", "json").json["nodes"]["db"]["resource"] == {"type": "process"}
    shop.write("infra.yaml", INFRA.replace("type: db,", "type: db, filter: {type: nova},"))
    assert "passes the filter of node 'db'" in render(shop, code=2).err


def test_secrets_are_shown_by_their_reference_and_never_read(shop: Cli) -> None:
    shop.write("infra.yaml", INFRA.replace("{size: 3}", "{size: !secret 'env:SHOP_SIZE'}"))
    shop.environment["SHOP_SIZE"] = "s3cret-size"
    for arguments in ((), ("--format", "json")):
        result = render(shop, *arguments)
        assert "<secret env:SHOP_SIZE>" in result.out
        assert "s3cret-size" not in result.out + result.err


def test_rendering_reads_no_configuration_and_leaves_nothing_behind(shop: Cli) -> None:
    shop.write("home/.occopus/occopus_config.yaml", "components: 5")
    shop.write("home/.occopus/auth_data.yaml", "broken: [")
    before = sorted(Path(shop.folder).rglob("*"))
    render(shop)
    assert sorted(Path(shop.folder).rglob("*")) == before


def test_a_template_that_can_never_work_is_refused_where_it_stands(shop: Cli) -> None:
    shop.log_in("resource:\n  - type: ec2\n    auth_data: {accesskey: a, secretkey: b}\n")
    for broken, mark, reason in [
        ("{{getip('db'}}", "}}", "syntax error"),
        ("{{getip('db')|uper}}", "uper", "filter uper is unknown"),
        ("{{getpi('db')}}", "getpi", "getpi is unknown"),
    ]:
        text = NODES.replace("{{getip('db')}}", broken)
        shop.write("nodes.yaml", text)
        before = text[: text.index(mark, text.index(broken))]
        place = f"nodes.yaml:{before.count(chr(10)) + 1}:{len(before.rpartition(chr(10))[2]) + 1}"
        for command in ("plan", "build", "render"):
            result = shop.run(command, "infra.yaml", "--nodes", "nodes.yaml", code=2)
            assert place in result.err and reason in result.err and "OCC0510" in result.err, result
    assert shop.infras() == []
