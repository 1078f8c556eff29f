"""The descriptions that an infrastructure had, and the way back to one of them."""

from __future__ import annotations

from occopus_cli import Cli, processes_of

DEFINITIONS = """
'node_def:one':
  - resource: {type: process}
    contextualisation: {type: process, env: ['COLOUR={{variables.colour}}'], command: [sleep, '1000']}
    health_check: {ping: false}
'node_def:broken':
  - resource: {type: process}
    contextualisation: {type: process, command: [sh, -c, 'exit 3']}
    health_check: {ping: false, timeout: 5}
"""


def description(*nodes: str, colour: str = "red") -> str:
    entries = "".join(f"  - {{name: {node}, type: {kind}}}\n" for node, kind in (n.split(":") for n in nodes))
    return (
        f"user_id: t\ninfra_name: shop\nvariables: {{colour: {colour}}}\nnodes:\n{entries}dependencies: []\n"
    )


def build(cli: Cli, text: str, *options: str, code: int = 0) -> str:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", text)
    result = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml", *options, code=code)
    return result.last if result.out else ""


def generations(cli: Cli, infra: str) -> list[dict]:
    return cli.run("history", infra, "--format", "json").json["generations"]


def colour_of(cli: Cli, infra: str, slot: str) -> str:
    (pid,) = processes_of(infra)[cli.slots(infra)[slot]["node_id"]]
    with open(f"/proc/{pid}/environ", encoding="utf-8") as file:
        return dict(line.split("=", 1) for line in file.read().split("\0") if "=" in line)["COLOUR"]


def test_history_tells_when_who_and_what_changed(cli: Cli) -> None:
    infra = build(cli, description("db:one"))
    change = ("-i", infra, "--confirm", "shop")
    build(cli, description("db:one", "web:one", colour="blue"), *change)
    build(cli, description("db:one", "web:broken", colour="blue"), *change, code=1)
    build(cli, description("web:one", colour="blue"), *change)
    first, second, third, fourth = generations(cli, infra)
    assert [entry["number"] for entry in (first, second, third, fourth)] == [1, 2, 3, 4]
    assert [entry["in_force"] for entry in (first, second, third, fourth)] == [False, False, False, True]
    assert first["changes"] == [{"change": "added", "node": "db"}]
    assert second["changes"] == [
        {"change": "changed", "node": "db", "differs": ["variables.colour: red, now blue"]},
        {"change": "added", "node": "web"},
    ]
    assert "undone_at" in third and third["changes"][0]["node"] == "web"
    assert fourth["changes"] == [{"change": "removed", "node": "db"}], "compared with what was in force"
    assert all("occopus build" in entry["author"] for entry in (first, second, third, fourth))
    text = cli.run("history", infra).out
    assert "(in force)\n     - db" in text and "(failed, undone " in text
    assert "     ~ db: variables.colour: red, now blue\n     + web" in text


def test_a_rollback_is_a_change_back(cli: Cli) -> None:
    infra = build(cli, description("db:one", "web:one"))
    build(cli, description("db:one", "cache:one", colour="blue"), "-i", infra, "--confirm", "shop")
    cache = cli.slots(infra)["cache/1"]["node_id"]
    asked = cli.run("rollback", infra, "1", code=2).err
    assert "destroys or replaces 2 instances of 2" in asked and "--confirm shop" in asked
    assert cli.slots(infra)["cache/1"]["node_id"] == cache, "nothing was changed"
    cli.run("rollback", infra, "1", "--confirm", "shop")
    assert sorted(cli.slots(infra)) == ["db/1", "web/1"]
    assert colour_of(cli, infra, "db/1") == "red"
    assert cli.run("maintain", infra).out == f"{infra}: nothing to do\n"
    last = generations(cli, infra)[-1]
    assert (last["number"], last["in_force"]) == (3, True) and "occopus rollback" in last["author"]
    differs = {change["node"]: change["change"] for change in last["changes"]}
    assert differs == {"db": "changed", "web": "added", "cache": "removed"}


def test_a_rollback_takes_the_options_of_a_change(cli: Cli) -> None:
    infra = build(cli, description("db:one", "web:one"))
    build(cli, description("db:one", "web:one", colour="blue"), "-i", infra, "--confirm", "shop")
    before = {name: slot["node_id"] for name, slot in cli.slots(infra).items()}
    cli.run("rollback", infra, "1", "--no-replace")
    assert {name: slot["node_id"] for name, slot in cli.slots(infra).items()} == before
    cli.run("rollback", infra, "1", "--only", "web", "--confirm", "shop")
    after = cli.slots(infra)
    assert after["db/1"]["node_id"] == before["db/1"] and after["web/1"]["node_id"] != before["web/1"]
    assert (colour_of(cli, infra, "db/1"), colour_of(cli, infra, "web/1")) == ("blue", "red")


def test_what_there_is_not_is_refused_with_what_there_is(cli: Cli) -> None:
    infra = build(cli, description("db:one"))
    assert "no description 7; it has: 1" in cli.run("rollback", infra, "7", code=2).err
    cli.run("history", "nothing", code=2)


def test_secrets_are_told_by_their_references(cli: Cli) -> None:
    cli.environment["WORD"] = "s3cret-word"
    infra = build(cli, description("db:one"))
    build(cli, description("db:one", colour="!secret env:WORD"), "-i", infra, "--confirm", "shop")
    text = cli.run("history", infra).out
    assert "env:WORD" in text and "s3cret" not in text
