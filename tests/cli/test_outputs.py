"""The outputs of a description, and the inventories of its instances."""

from __future__ import annotations

import os
import signal

import pytest
from occopus_cli import Cli, processes_of, wait_until

DEFINITIONS = """
'node_def:one':
  - resource: {type: process}
    contextualisation: {type: process, command: [sleep, '1000']}
    health_check: {ping: false}
"""

DESCRIPTION = """
user_id: tester
infra_name: shop
variables: {port: 8080, key: !secret env:KEY}
nodes:
  - {name: web-front, type: one, scaling: {min: 2, max: 2}}
  - {name: db, type: one}
dependencies: []
outputs:
  url: http://{{getip('db')}}:{{variables.port}}/{{infra_name}}
  all: "{{getipall('web-front') | join(' ')}}"
  number: 5
  key: "{{variables.key}}"
"""


@pytest.fixture()
def shop(cli: Cli) -> tuple[Cli, str]:
    cli.environment["KEY"] = "s3cret-key"
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", DESCRIPTION)
    return cli, cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last


def address(cli: Cli, infra: str, slot: str) -> str:
    return cli.slots(infra)[slot]["addresses"][0]


def test_outputs_are_rendered_with_the_addresses_of_now(shop: tuple[Cli, str]) -> None:
    cli, infra = shop
    db = address(cli, infra, "db/1")
    fronts = {address(cli, infra, "web-front/1"), address(cli, infra, "web-front/2")}
    assert cli.run("output", infra, "url", "--raw").out == f"http://{db}:8080/shop\n"
    shown = cli.run("output", infra, "--format", "json", code=1).json
    assert set(shown["outputs"].pop("all").split()) == fronts
    assert shown["outputs"] == {"url": f"http://{db}:8080/shop", "number": "5"}
    text = cli.run("output", infra, code=1)
    assert f"url     http://{db}:8080/shop" in text.out


def test_a_secret_is_never_shown(shop: tuple[Cli, str]) -> None:
    cli, infra = shop
    for options in ((), ("--raw",)):
        refused = cli.run("output", infra, "key", *options, code=1)
        assert "would show the secret env:KEY" in refused.err and refused.out == ""
        assert "s3cret" not in refused.err
    assert "s3cret" not in cli.run("output", infra, "--format", "json", code=1).out


def test_a_node_without_a_living_instance_is_named(shop: tuple[Cli, str]) -> None:
    cli, infra = shop
    db = cli.slots(infra)["db/1"]["node_id"]
    os.kill(processes_of(infra)[db][0], signal.SIGKILL)
    wait_until(lambda: db not in processes_of(infra), "the end of db/1")
    refused = cli.run("output", infra, "url", code=1)
    assert "node 'db' has no living instance now" in refused.err and refused.out == ""
    assert "db-1" not in cli.run("inventory", infra, "--hosts").out


def test_what_there_is_not_is_refused_with_what_there_is(shop: tuple[Cli, str]) -> None:
    cli, infra = shop
    assert "it has: all, key, number, url" in cli.run("output", infra, "port", code=2).err
    cli.run("output", infra, "--raw", code=2)
    cli.write("infra.yaml", DESCRIPTION.split("outputs:")[0])
    cli.run("build", "-i", infra, "infra.yaml", "--nodes", "nodes.yaml")
    assert "has no outputs" in cli.run("output", infra, "url", code=2).err
    assert "there are no outputs" in cli.run("output", infra).err


def test_a_change_of_outputs_touches_no_instance(shop: tuple[Cli, str]) -> None:
    cli, infra = shop
    before = {name: slot["node_id"] for name, slot in cli.slots(infra).items()}
    cli.write("infra.yaml", DESCRIPTION.replace("number: 5", "number: 6"))
    cli.run("build", "-i", infra, "infra.yaml", "--nodes", "nodes.yaml")
    assert cli.run("output", infra, "number", "--raw").out == "6\n"
    assert {name: slot["node_id"] for name, slot in cli.slots(infra).items()} == before
    assert "outputs.number: 5, now 6" in cli.run("history", infra).out


def test_a_wrong_output_is_found_before_anything_is_built(cli: Cli) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", DESCRIPTION.replace("number: 5", "number: [5]"))
    wrong = cli.run("validate", "infra.yaml", "nodes.yaml", code=2)
    assert "output 'number' must be a text" in wrong.out + wrong.err


@pytest.mark.parametrize(
    ("written", "told", "code"),
    [
        ("{{getip('db'}}", "output 'number' can never be rendered", 2),
        ("{{5 | nofilter}}", "unknown filter: filter nofilter is unknown", 2),
        ("{{getip('bd')}}", "getip asks for 'bd', but there is no such node, in output 'number'", 0),
    ],
    ids=["syntax", "filter", "node"],
)
def test_a_template_that_cannot_be_right_is_found_before_anything_is_built(
    cli: Cli, written: str, told: str, code: int
) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", DESCRIPTION.replace("number: 5", f'number: "{written}"'))
    validated = cli.run("validate", "infra.yaml", "nodes.yaml", code=code)
    assert told in validated.out + validated.err
    assert "variable 'port' is used by no template" not in validated.out + validated.err
    planned = cli.run("plan", "infra.yaml", "--nodes", "nodes.yaml", code=code)
    assert told in planned.err


def test_inventories_name_every_instance(shop: tuple[Cli, str]) -> None:
    cli, infra = shop
    db, one = address(cli, infra, "db/1"), address(cli, infra, "web-front/1")
    assert f"{db}\tdb-1.shop\n{one}\tweb-front-1.shop\n" in cli.run("inventory", infra, "--hosts").out
    ssh = cli.run("inventory", infra, "--ssh-config").out
    assert f"Host web-front-1.shop\n    HostName {one}\n" in ssh and ssh.count("Host ") == 3
    ansible = cli.run("inventory", infra, "--ansible").out
    assert '"web_front":' in ansible and f'"ansible_host":"{db}"' in ansible
    hosts = cli.run("inventory", infra, "--format", "json").json["hosts"]
    assert [host["name"] for host in hosts] == ["db-1.shop", "web-front-1.shop", "web-front-2.shop"]
    assert "db-1.shop" in cli.run("inventory", infra).out
    cli.run("inventory", infra, "--hosts", "--ansible", code=2)
