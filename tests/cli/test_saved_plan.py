"""Saved plans, and that a build does exactly what its plan printed."""

from __future__ import annotations

import json
import os
import random
import signal
import stat

import pytest
from occopus_cli import Cli, Result, processes_of, wait_until

DEFINITIONS = """
'node_def:one':
  - resource: {type: process}
    contextualisation: {type: process, env: ['COLOUR={{variables.colour}}'], command: [sleep, '1000']}
    health_check: {ping: false}
"""


def description(nodes: dict[str, tuple[int, str]], edges: list[tuple[str, str]] = ()) -> str:
    """Nodes by name with their number and colour; edges from the one that waits to the other."""
    lines = ["user_id: tester", "infra_name: shop", "nodes:"]
    for name, (count, colour) in nodes.items():
        scaling = f"{{min: {count}, max: {count}}}"
        lines.append(
            f"  - &{name} {{name: {name}, type: one, scaling: {scaling}, variables: {{colour: {colour}}}}}"
        )
    lines.append("dependencies:" + "".join(f"\n  - [*{one}, *{other}]" for one, other in edges))
    return "\n".join(lines) + ("\n" if edges else " []\n")


@pytest.fixture()
def shop(cli: Cli) -> Cli:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.run("define", "nodes.yaml")
    return cli


def save(cli: Cli, *options: str) -> Result:
    return cli.run("plan", "infra.yaml", *options, "--save", "plan.json")


def test_a_saved_first_build_is_carried_out_once(shop: Cli) -> None:
    shop.write("infra.yaml", description({"db": (1, "red"), "web": (2, "red")}, [("web", "db")]))
    printed = save(shop)
    assert "occopus build --plan plan.json" in printed.err
    assert stat.S_IMODE(os.stat(shop.folder / "plan.json").st_mode) == 0o600
    assert json.loads((shop.folder / "plan.json").read_text())["schema"] == 1
    # The files are not looked at any more.
    (shop.folder / "infra.yaml").unlink()
    built = shop.run("build", "--plan", "plan.json")
    assert printed.out.strip() in built.err
    assert sorted(shop.slots(built.last)) == ["db/1", "web/1", "web/2"]
    again = shop.run("build", "--plan", "plan.json", code=2)
    assert "there was nothing of 'shop'; now it is built with description 1" in again.err
    shop.run("destroy", built.last, "--yes")
    assert "now it is destroyed" in shop.run("build", "--plan", "plan.json", code=2).err


def test_a_plan_is_refused_when_the_world_has_moved_on_and_says_what_changed(shop: Cli) -> None:
    shop.write("infra.yaml", description({"db": (1, "red"), "web": (3, "red")}))
    infra = shop.run("build", "infra.yaml").last
    shop.write("infra.yaml", description({"db": (1, "red"), "web": (3, "blue")}))
    save(shop, "-i", infra)
    slots = shop.slots(infra)
    (victim,) = processes_of(infra)[slots["web/2"]["node_id"]]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: slots["web/2"]["node_id"] not in processes_of(infra), "the end of web/2")
    refused = shop.run("build", "--plan", "plan.json", "--confirm", "shop", code=2)
    assert "the world has moved on" in refused.err and "nothing was changed" in refused.err
    assert "web/2 was ready, now it is" in refused.err and "web/1" not in refused.err
    shop.run("maintain", infra)
    refused = shop.run("build", "--plan", "plan.json", "--confirm", "shop", code=2)
    assert "web/2 is filled by another instance" in refused.err
    assert shop.slots(infra)["web/1"]["node_id"] == slots["web/1"]["node_id"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("scale", "shop", "db=2"), "waiting scaling requests: none, now db: exactly 2"),
        (("pause", "shop", "--reason", "x"), "held since then: it is paused"),
        (("build", "-i", "shop", "infra.yaml", "--confirm", "shop"), "description in force: 1, now 2"),
    ],
    ids=["scaled", "paused", "changed"],
)
def test_what_others_decided_meanwhile_is_told(shop: Cli, command: tuple[str, ...], told: str) -> None:
    text = description({"db": (1, "red")}).replace("max: 1", "max: 2")
    shop.write("infra.yaml", text)
    infra = shop.run("build", "infra.yaml").last
    shop.write("infra.yaml", text.replace("red", "blue"))
    save(shop, "-i", infra)
    shop.run(*command)
    assert told in shop.run("build", "--plan", "plan.json", "--confirm", "shop", code=2).err
    if command[0] == "pause":
        shop.run("resume", infra)


def test_a_plan_that_was_edited_is_refused(shop: Cli) -> None:
    shop.write("infra.yaml", description({"db": (1, "red")}))
    save(shop)
    plan = shop.folder / "plan.json"
    plan.write_text(plan.read_text().replace("red", "blue"))
    assert "it was changed after it had been saved" in shop.run("build", "--plan", plan, code=2).err
    assert shop.infras() == []


def test_a_saved_plan_needs_the_same_confirmation(shop: Cli) -> None:
    shop.write("infra.yaml", description({"db": (1, "red")}))
    infra = shop.run("build", "infra.yaml").last
    before = shop.slots(infra)["db/1"]["node_id"]
    shop.write("infra.yaml", description({"db": (1, "blue")}))
    save(shop, "-i", infra)
    assert "--confirm shop" in shop.run("build", "--plan", "plan.json", code=2).err
    assert shop.slots(infra)["db/1"]["node_id"] == before
    shop.run("build", "--plan", "plan.json", "--confirm", "shop")
    assert shop.slots(infra)["db/1"]["node_id"] != before


def test_secrets_are_in_a_saved_plan_by_their_references_only(shop: Cli) -> None:
    shop.environment["WORD"] = "s3cret-word"
    shop.write("infra.yaml", description({"db": (1, "!secret env:WORD")}))
    save(shop)
    text = (shop.folder / "plan.json").read_text()
    assert "env:WORD" in text and "s3cret" not in text
    infra = shop.run("build", "--plan", "plan.json").last
    del shop.environment["WORD"]
    assert list(shop.slots(infra)) == ["db/1"]
    shop.write("infra.yaml", description({"db": (1, "!secret env:WORD"), "web": (1, "red")}))
    save(shop, "-i", infra)
    assert "WORD" in shop.run("build", "--plan", "plan.json", code=2).err


def test_what_is_in_a_plan_cannot_be_given_beside_it(shop: Cli) -> None:
    shop.write("infra.yaml", description({"db": (1, "red")}))
    save(shop)
    for options in (("infra.yaml",), ("--var", "a=1"), ("--nodes", "nodes.yaml"), ("--sequential",)):
        assert "cannot be used with" in shop.run("build", "--plan", "plan.json", *options, code=2).err
    shop.write("plan.json", "{}")
    assert "holds no saved plan" in shop.run("build", "--plan", "plan.json", code=2).err


def test_the_exit_code_tells_whether_there_is_anything_to_do(shop: Cli) -> None:
    shop.write("infra.yaml", description({"db": (1, "red")}))
    plan = ("plan", "infra.yaml", "--exit-code")
    shop.run(*plan, code=3)
    infra = shop.run("build", "infra.yaml").last
    shop.run(*plan, "-i", infra)
    shop.run("plan", "-i", infra, "--exit-code")
    shop.write("infra.yaml", description({"db": (1, "red")}).replace("max: 1", "max: 9"))
    changed = shop.run(*plan, "-i", infra, code=3)
    assert "nothing to do" in changed.out and "~ db: scaling.max: 1, now 9" in changed.err
    shop.run("plan", "infra.yaml", "-i", infra)
    shop.write("infra.yaml", "nodes: 1")
    shop.run(*plan, "-i", infra, code=2)


def test_waiting_requests_are_part_of_every_plan(shop: Cli) -> None:
    text = description({"db": (1, "red"), "web": (3, "red")}).replace("min: 3, max: 3", "min: 1, max: 5")
    shop.write("infra.yaml", text)
    infra = shop.run("build", "infra.yaml").last
    shop.run("scale", infra, "web=3")
    shop.run("maintain", infra)
    before = {slot: one["node_id"] for slot, one in shop.slots(infra).items()}
    shop.run("scale", infra, "web=1")
    shop.run("replace", infra, "db/1", "--yes")
    shown = shop.run("plan", "-i", infra, "--exit-code", code=3).out
    for slot in ("web/2", "web/3", "db/1"):
        assert f"- destroy {slot}" in shown, shown
    assert "+ create db/1" in shown and "web/1" not in shown
    # A build loses the same, tells so, and needs a word that fits.
    printed = save(shop, "-i", infra).out
    assert "- destroy web/2" in printed and "- destroy db/1" in printed
    refused = shop.run("build", "-i", infra, "infra.yaml", "--yes", code=2).err
    assert "3 instances of 4" in refused and "--confirm shop" in refused, refused
    shop.run("build", "--plan", "plan.json", "--confirm", "shop")
    after = {slot: one["node_id"] for slot, one in shop.slots(infra).items()}
    assert sorted(after) == ["db/1", "web/1"]
    assert after["web/1"] == before["web/1"] and after["db/1"] != before["db/1"]
    assert "nothing to do" in shop.run("plan", "-i", infra, "--exit-code").out


def test_a_plan_replaces_nothing_but_plans(shop: Cli) -> None:
    shop.write("infra.yaml", description({"db": (1, "red")}))
    (shop.folder / "folder").mkdir()
    os.mkfifo(shop.folder / "pipe")
    (shop.folder / "link").symlink_to("plan.json")
    before = (shop.folder / "infra.yaml").read_text()
    for path in ("infra.yaml", "nodes.yaml", "folder", "pipe", "link", "/dev/null"):
        refused = shop.run("plan", "infra.yaml", "--save", path, code=2).err
        assert "no saved plan" in refused and "another name" in refused, refused
    assert (shop.folder / "infra.yaml").read_text() == before
    assert stat.S_ISFIFO(os.lstat(shop.folder / "pipe").st_mode)
    assert not (shop.folder / "plan.json").exists()
    save(shop)
    save(shop)


COLOURS = ("red", "blue")


def random_description(chance: random.Random) -> str:
    names = [name for name in ("a", "b", "c", "d") if chance.random() < 0.8] or ["a"]
    nodes = {name: (chance.randint(1, 2), chance.choice(COLOURS)) for name in names}
    edges = [
        (one, other)
        for position, one in enumerate(names)
        for other in names[:position]
        if chance.random() < 0.4
    ]
    return description(nodes, edges)


@pytest.mark.parametrize("seed", range(6))
def test_a_build_does_exactly_what_its_plan_printed_in_an_order_that_fits(shop: Cli, seed: int) -> None:
    chance = random.Random(seed)
    infra = None
    for _ in range(3):
        shop.write("infra.yaml", random_description(chance))
        options = ("-i", infra) if infra else ()
        plan = shop.run("plan", "infra.yaml", *options, "--save", "plan.json", "--format", "json").json[
            "plan"
        ]
        known = len(events(shop, infra)) if infra else 0
        infra = shop.run("build", "--plan", "plan.json", "--confirm", "shop").last
        happened = events(shop, infra)[known:]
        done = [(VERBS[event["event"]], event["slot"]) for event in happened if event["event"] in VERBS]
        planned = [(action["action"], action["slot"]) for action in plan["actions"]]
        assert sorted(done) == sorted(planned), "neither more nor less"
        check_order(plan["actions"], happened)
        assert shop.run("plan", "infra.yaml", "-i", infra, "--exit-code").out.endswith("nothing to do\n")


#: The events that tell that an action began, and that it ended.
VERBS = {"nodecreating": "create", "nodedropping": "destroy"}
ENDS = {"create": "nodecreated", "destroy": "nodedropped"}


def events(cli: Cli, infra: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in cli.run("events", infra, "--format", "json").out.splitlines()]


def check_order(actions: list[dict], happened: list[dict]) -> None:
    """Everything that an action needs had ended before it began."""
    told = [(event["event"], event.get("slot")) for event in happened]
    begin = {verb: event for event, verb in VERBS.items()}
    for action in actions:
        began = told.index((begin[action["action"]], action["slot"]))
        for number in action["needs"]:
            before = actions[number]
            assert told.index((ENDS[before["action"]], before["slot"])) < began, (before, action)
