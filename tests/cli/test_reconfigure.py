"""Changing the description of a running infrastructure (spec section 5, with the wanted behaviour)."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import threading
import time
from collections.abc import Callable

import docker_engine
import pytest
from descriptions import infrastructure
from ec2_cloud import AUTH, stub
from occopus_cli import Cli, processes_of, read_until, running, wait_until

DEFINITIONS = """
'node_def:one':
  - resource: {type: process}
    contextualisation: {type: process, env: ['COLOUR={{variables.colour}}'], command: [sleep, '1000']}
    health_check: {ping: false}
'node_def:other':
  - resource: {type: process}
    contextualisation: {type: process, env: ['OTHER=1'], command: [sleep, '1000']}
    health_check: {ping: false}
'node_def:knowing':
  - resource: {type: process}
    contextualisation: {type: process, env: ["DB={{getip('db')}}"], command: [sleep, '1000']}
    health_check: {ping: false}
'node_def:broken':
  - resource: {type: process}
    contextualisation: {type: process, env: ['COLOUR={{variables.colour}}'], command: [sh, -c, 'exit 3']}
    health_check: {ping: false, timeout: 5}
'node_def:waiting':
  - resource: {type: process}
    contextualisation: {type: process, command: [sleep, '1000']}
    health_check: {ping: false, ports: [1], timeout: 1000}
"""

DB = "{name: db, type: one, scaling: {min: 1, max: 1}}"
FRONT = "{name: front, type: knowing, scaling: {min: 1, max: 1}}"


def worker(kind: str = "one", low: int = 3, high: int = 5, more: str = "") -> str:
    return f"{{name: worker, type: {kind}, scaling: {{min: {low}, max: {high}}}{more}}}"


def description(
    *nodes: str, colour: str = "red", name: str = "shop", user: str = "tester", edges: str = "[]"
) -> str:
    return f"""
user_id: {user}
infra_name: {name}
variables: {{colour: {colour}}}
nodes:
{"".join(f"  - {node}{chr(10)}" for node in nodes)}
dependencies: {edges}
"""


class Shop:
    """An infrastructure to be changed."""

    def __init__(self, cli: Cli, *nodes: str) -> None:
        self.cli = cli
        cli.write("nodes.yaml", DEFINITIONS)
        cli.write("infra.yaml", description(*nodes))
        self.id = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last

    def change(self, *nodes: str, options: tuple[str, ...] = (), code: int = 0, **new: str):
        self.cli.write("infra.yaml", description(*nodes, **new))
        confirm = ("--confirm", new.get("name", "shop"))
        command = ("build", "-i", self.id, "infra.yaml", "--nodes", "nodes.yaml")
        return self.cli.run(*command, *confirm, *options, code=code)

    def ids(self) -> dict[str, str]:
        return {name: slot["node_id"] for name, slot in self.cli.slots(self.id).items()}

    def environment(self, slot: str) -> dict[str, str]:
        (pid,) = processes_of(self.id)[self.ids()[slot]]
        with open(f"/proc/{pid}/environ", encoding="utf-8") as file:
            return dict(line.split("=", 1) for line in file.read().split("\0") if "=" in line)

    def settled(self) -> None:
        """Nothing is left to do, and exactly what the status shows lives."""
        assert self.cli.status(self.id)["health"] == "ready"
        there = processes_of(self.id)
        assert sorted(there) == sorted(self.ids().values())
        assert all(len(same) == 1 for same in there.values())
        assert self.cli.run("maintain", self.id).out == f"{self.id}: nothing to do\n"


def same(before: dict[str, str], after: dict[str, str], *slots: str) -> bool:
    return all(before[slot] == after[slot] for slot in slots)


def test_a_removed_node_goes_and_nothing_else_is_touched(cli: Cli) -> None:
    shop = Shop(cli, DB, worker())
    before = shop.ids()
    shop.change(DB)
    assert shop.ids() == {"db/1": before["db/1"]}
    shop.settled()


def test_an_added_node_is_made_and_nothing_else_is_touched(cli: Cli) -> None:
    shop = Shop(cli, DB)
    before = shop.ids()
    shop.change(DB, worker())
    assert shop.ids()["db/1"] == before["db/1"] and len(shop.ids()) == 4
    shop.settled()


def test_a_node_that_returns_under_its_old_name_starts_with_its_minimum(cli: Cli) -> None:
    shop = Shop(cli, DB, worker(low=1))
    cli.run("scale", shop.id, "worker=3")
    cli.run("maintain", shop.id)
    shop.change(DB)
    shop.change(DB, worker(low=1))
    assert sorted(shop.ids()) == ["db/1", "worker/1"]
    shop.settled()


def test_a_renamed_node_is_made_anew_before_the_old_one_goes(cli: Cli) -> None:
    shop = Shop(cli, DB)
    shop.change(DB.replace("name: db", "name: store"))
    assert list(shop.ids()) == ["store/1"]
    shop.settled()


MOVED = "moved:\n  - {from: worker, to: web}\n"


def web(kind: str = "one", more: str = "") -> str:
    return worker(kind, more=more).replace("name: worker", "name: web")


def moved(shop: Shop, *nodes: str, hints: str = MOVED, command: str = "build", code: int = 0, **new: str):
    """Changes to a description with hints, or plans that."""
    shop.cli.write("infra.yaml", description(*nodes, **new) + hints)
    confirm = ("--confirm", "shop") if command == "build" else ("--exit-code",)
    return shop.cli.run(command, "-i", shop.id, "infra.yaml", "--nodes", "nodes.yaml", *confirm, code=code)


def test_instances_of_a_renamed_node_run_on(cli: Cli) -> None:
    shop = Shop(cli, DB, worker())
    cli.run("scale", shop.id, "worker=4")
    cli.run("maintain", shop.id)
    cli.run("protect", shop.id, "worker")
    before, pids = shop.ids(), processes_of(shop.id)
    planned = moved(shop, DB, web(), command="plan", code=3)
    assert "moved: worker → web: 4 instances keep running" in planned.out
    moved(shop, DB, web())
    assert processes_of(shop.id) == pids
    assert shop.ids() == {slot.replace("worker", "web"): node for slot, node in before.items()}
    assert "'web' is protected" in cli.run("status", shop.id).out
    cli.run("unprotect", shop.id, "web")
    shop.settled()
    # The hint may stay, and the way back needs none.
    moved(shop, DB, web())
    assert "worker → web" in cli.run("history", shop.id).out
    cli.run("rollback", shop.id, "1", "--yes")
    assert processes_of(shop.id) == pids and shop.ids() == before
    shop.settled()


def test_a_rename_without_its_hint_is_suspected(cli: Cli) -> None:
    shop = Shop(cli, DB, worker())
    planned = moved(shop, DB, web(), hints="", command="plan", code=3)
    assert "moved: [{from: worker, to: web}]" in planned.out


def test_a_failing_change_with_a_rename_gives_the_old_name_back(cli: Cli) -> None:
    shop = Shop(cli, DB, worker())
    before, pids = shop.ids(), processes_of(shop.id)
    moved(shop, DB, web(), "{name: bad, type: broken, scaling: {min: 1, max: 1}}", code=1)
    assert shop.ids() == before and processes_of(shop.id) == pids
    shop.settled()


@pytest.mark.parametrize(("low", "high", "count"), [(4, 5, 4), (1, 2, 2), (1, 9, 3)])
def test_changed_limits_are_kept_and_what_fits_stays(cli: Cli, low: int, high: int, count: int) -> None:
    shop = Shop(cli, DB, worker())
    cli.run("scale", shop.id, "worker=3")
    cli.run("maintain", shop.id)
    before = shop.ids()
    shop.change(DB, worker(low=low, high=high))
    after = shop.ids()
    assert len([slot for slot in after if slot.startswith("worker")]) == count
    assert all(after[slot] == node for slot, node in before.items() if slot in after)
    shop.settled()


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (lambda shop: shop.change(DB, worker(), colour="blue"), "blue"),
        (lambda shop: shop.change(DB, worker(more=", variables: {colour: blue}")), "blue"),
    ],
    ids=["variable of the infrastructure", "variable of the node"],
)
def test_changed_variables_reach_all_instances(
    cli: Cli, change: Callable[[Shop], object], shown: str
) -> None:
    shop = Shop(cli, DB, worker())
    before = shop.ids()
    change(shop)
    after = shop.ids()
    assert not any(same(before, after, slot) for slot in ("worker/1", "worker/2", "worker/3"))
    assert all(shop.environment(f"worker/{number}")["COLOUR"] == shown for number in (1, 2, 3))
    shop.settled()


def test_another_type_replaces_the_instances_of_its_node_only(cli: Cli) -> None:
    shop = Shop(cli, DB, worker())
    before = shop.ids()
    shop.change(DB, worker("other"))
    after = shop.ids()
    assert same(before, after, "db/1") and "OTHER" in shop.environment("worker/2")
    shop.settled()


def test_a_changed_definition_replaces_its_instances(cli: Cli) -> None:
    shop = Shop(cli, DB, worker("other"))
    before = shop.ids()
    cli.write("nodes.yaml", DEFINITIONS.replace("OTHER=1", "OTHER=2"))
    cli.run("define", "nodes.yaml")
    cli.run("maintain", shop.id)
    assert shop.ids() == before, "an import changes no running infrastructure"
    shop.change(DB, worker("other"))
    assert same(before, shop.ids(), "db/1") and shop.environment("worker/1")["OTHER"] == "2"
    shop.settled()


@pytest.mark.parametrize(
    "edges",
    ["[[worker, db]]", "[{connection: [worker, db], mappings: [[node_id, peer]]}]"],
    ids=["order", "mappings"],
)
def test_a_new_name_user_and_dependency_replace_nothing(cli: Cli, edges: str) -> None:
    shop = Shop(cli, DB, worker())
    before = shop.ids()
    shop.change(DB, worker(), name="store", user="somebody", edges=edges)
    status = cli.status(shop.id)
    assert shop.ids() == before and status["name"] == "store"
    assert [node["waits_for"] for node in status["nodes"]] == [[], ["db"]]
    shop.settled()
    shop.change(DB, worker(), name="store")
    assert shop.ids() == before and not cli.status(shop.id)["nodes"][1]["waits_for"]


def test_new_credentials_replace_nothing(cli: Cli) -> None:
    # Processes need none; the file is read anew by each command.
    cli.log_in(AUTH)
    with stub() as cloud:
        cli.write("nodes.yaml", cloud.definition("vm"))
        cli.write("infra.yaml", infrastructure("shop", {"vm": "vm"}, vm=2))
        infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
        before = cloud.instances(infra)
        cli.log_in(AUTH.replace("secretkey: secret", "secretkey: another"))
        again = cli.run("build", "-i", infra, "infra.yaml", "--nodes", "nodes.yaml")
        assert cloud.instances(infra) == before and "outdated" not in again.err
        cli.run("destroy", infra, "--yes")


def test_too_many_under_new_limits_go_youngest_first(cli: Cli) -> None:
    shop = Shop(cli, DB, worker(low=1))
    cli.run("scale", shop.id, "worker=3")
    cli.run("maintain", shop.id)
    cli.run("replace", shop.id, "worker/1", "--yes")
    cli.run("maintain", shop.id)
    before = shop.ids()
    shop.change(DB, worker(low=1, high=2))
    assert shop.ids() == {slot: before[slot] for slot in ("db/1", "worker/2", "worker/3")}
    shop.settled()


VARIANT = """
  - resource: {type: process, name: %s}
    contextualisation:
      type: process
      env: ['VARIANT=%s', 'COLOUR={{variables.colour}}']
      command: [sleep, '1000']
    health_check: {ping: false}
"""


def variants(*names: str) -> str:
    return DEFINITIONS + "'node_def:many':" + "".join(VARIANT % (name, name) for name in names)


def test_only_those_that_a_filter_leaves_out_are_replaced(cli: Cli) -> None:
    shop = Shop(cli, DB)
    cli.write("nodes.yaml", variants("a", "b"))
    shop.change(DB, worker("many"))
    before = shop.ids()
    assert all(shop.environment(slot)["VARIANT"] == "a" for slot in before if slot != "db/1")
    shop.change(DB, worker("many", more=", filter: {name: a}"))
    assert shop.ids() == before
    shop.change(DB, worker("many", more=", filter: {name: b}"))
    after = shop.ids()
    assert same(before, after, "db/1") and not set(before.values()) & {
        after[f"worker/{n}"] for n in (1, 2, 3)
    }
    assert all(shop.environment(f"worker/{number}")["VARIANT"] == "b" for number in (1, 2, 3))
    shop.settled()


def test_random_choices_and_the_order_of_what_can_be_chosen_replace_nothing(cli: Cli) -> None:
    cli.write("nodes.yaml", variants("a", "b", "c", "d"))
    cli.write("infra.yaml", description(worker("many", low=5)))
    cli.run("define", "nodes.yaml")
    # Occopus 1.10 chooses at random.
    infra = cli.legacy("build", "infra.yaml").last
    before = cli.slots(infra)
    again = ("build", "-i", infra, "infra.yaml", "--nodes", "nodes.yaml")
    for names in (("a", "b", "c", "d"), ("d", "c", "b", "a"), ("z", "a", "b", "c", "d")):
        cli.write("nodes.yaml", variants(*names))
        told = cli.run(*again).err
        assert "outdated" not in told and cli.slots(infra).keys() == before.keys()
        assert all(cli.slots(infra)[slot]["node_id"] == before[slot]["node_id"] for slot in before)
    cli.legacy("build", "-i", infra, "infra.yaml")
    assert all(cli.slots(infra)[slot]["node_id"] == before[slot]["node_id"] for slot in before)


def test_without_replacing_outdated_instances_are_shown_with_what_differs(cli: Cli) -> None:
    shop = Shop(cli, DB, worker())
    before = shop.ids()
    shop.change(DB, worker(), colour="blue", options=("--no-replace",))
    assert shop.ids() == before
    slots = cli.slots(shop.id)
    assert all(slot["differs"] == ["variables.colour: red, now blue"] for slot in slots.values())
    assert "outdated: variables.colour: red, now blue" in cli.run("status", shop.id).out
    plan = cli.run("plan", "-i", shop.id, "infra.yaml", "--only", "db")
    assert "destroy db/1: db/1 is outdated (variables.colour: red, now blue)" in plan.out
    assert "destroy worker" not in plan.out
    assert "outdated: worker/1: variables.colour: red, now blue" in plan.out
    assert "outdated: db/1" in cli.run("plan", "-i", shop.id).out
    shop.change(DB, worker(), colour="blue", options=("--only", "db"))
    after = shop.ids()
    assert after["db/1"] != before["db/1"] and same(before, after, "worker/1", "worker/2", "worker/3")
    shop.change(DB, worker(), colour="blue", options=("--exclude", "worker"))
    assert shop.ids() == after


def test_who_knows_the_address_of_what_was_replaced_is_stale_and_replaced_only_when_asked(cli: Cli) -> None:
    shop = Shop(cli, DB, FRONT)
    before = shop.ids()
    told = shop.change(DB, FRONT, colour="blue", options=("--only", "db")).err
    assert "stale: front/1: the instance of 'db' whose address it knows is gone then" in told
    after = shop.ids()
    assert after["db/1"] != before["db/1"] and same(before, after, "front/1")
    assert cli.slots(shop.id)["front/1"]["stale"] == "db"
    assert "stale: an instance of 'db' it knows is gone" in cli.run("status", shop.id).out
    shop.change(DB, FRONT, colour="blue", options=("--cascade",))
    assert shop.ids()["front/1"] != after["front/1"] and shop.ids()["db/1"] == after["db/1"]
    address = cli.slots(shop.id)["db/1"]["addresses"][0]
    assert shop.environment("front/1")["DB"] == address
    assert cli.slots(shop.id)["front/1"].get("stale") is None


def test_a_failing_replacement_stops_and_is_undone_and_the_rest_is_never_touched(cli: Cli) -> None:
    shop = Shop(cli, DB, worker())
    before = shop.ids()
    failed = shop.change(DB, worker("broken"), code=1)
    assert "the change was undone" in failed.err
    status = cli.status(shop.id)
    assert status["generation"] == 1
    cli.run("maintain", shop.id)
    after = shop.ids()
    changed = [slot for slot in before if before[slot] != after[slot]]
    assert len(changed) == 1, "only the first was tried"
    assert all(shop.environment(f"worker/{number}")["COLOUR"] == "red" for number in (1, 2, 3))
    shop.settled()


def test_trouble_that_a_change_has_not_made_does_not_undo_it(cli: Cli) -> None:
    mail = "{name: mail, type: other, heal: report, variables: {colour: red}}"
    gone = "{name: gone, type: other, variables: {colour: red}}"
    shop = Shop(cli, DB, mail, gone, worker())
    blue = worker(more=", variables: {colour: blue}")
    before = shop.ids()
    (pid,) = processes_of(shop.id)[before["mail/1"]]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: before["mail/1"] not in processes_of(shop.id), "mail has died")
    # What is not ready is told, and the change is there.
    changed = shop.change(DB, mail, blue, code=1)
    assert "mail/1" in changed.err and "heal: report" in changed.err and "undone" not in changed.err
    after = shop.ids()
    assert same(before, after, "db/1", "mail/1") and "gone/1" not in after
    assert all(shop.environment(f"worker/{number}")["COLOUR"] == "blue" for number in (1, 2, 3))
    assert cli.status(shop.id)["generation"] == 2
    # It is complete: a later one that fails is undone to it.
    assert "the change was undone" in shop.change(DB, mail, worker("broken"), code=1).err
    assert cli.status(shop.id)["generation"] == 2
    cli.run("replace", shop.id, "mail/1", "--yes")
    cli.run("maintain", shop.id)
    shop.settled()


def test_never_more_are_missing_than_allowed(cli: Cli) -> None:
    shop = Shop(cli, DB, worker())
    fewest = [3]
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            ids = {slot for slot in processes_of(shop.id)}
            fewest.append(len(ids) - 1)
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        shop.change(DB, worker(more=", variables: {colour: blue}, max_unavailable: 1"))
    finally:
        done.set()
        watcher.join()
    assert min(fewest) == 2, fewest
    shop.settled()


def test_with_a_surge_none_is_missing(cli: Cli) -> None:
    shop = Shop(cli, DB, worker())
    plan = shop.change(DB, worker(more=", variables: {colour: blue}, max_surge: 1")).err
    assert plan.index("+ create worker/4") < plan.index("- destroy worker/1")
    assert sorted(shop.ids()) == ["db/1", "worker/1", "worker/2", "worker/4"]
    shop.settled()


def test_what_is_lost_is_told_before_and_needs_a_word_that_fits(cli: Cli) -> None:
    shop = Shop(cli, DB, worker())
    before = shop.ids()
    cli.write("infra.yaml", description(DB, worker(), colour="blue"))
    command = ("build", "-i", shop.id, "infra.yaml", "--nodes", "nodes.yaml")
    for options in ((), ("--yes",)):
        refused = cli.run(*command, *options, code=2).err
        assert "destroys or replaces 4 instances of 4" in refused and "local disks is lost" in refused
        assert "worker/2 (process" in refused and "--confirm shop" in refused
    assert "called 'shop'" in cli.run(*command, "--confirm", "shop2", code=2).err
    assert cli.run(*command, "--only", "db", "--yes").code == 0, "one of four needs no more than --yes"
    assert same(before, shop.ids(), "worker/1", "worker/2", "worker/3")
    assert cli.run(*command, "--only", "cache", "--yes", code=2).err.endswith("it has: db, worker\n")


def on_a_terminal(cli: Cli, *arguments: str, answer: str) -> tuple[int, str]:
    """Runs a command on a terminal and answers its question; exit code and what it said."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cli.folder)
        os.execve(cli.bin / "occopus", ["occopus", *arguments], cli.environment)
    said = b""
    while True:
        try:
            said += os.read(terminal, 4096)
        except OSError:
            break
        if re.search(rb"(\[y/N\]|type its name .*:)\r\n$", said):
            os.write(terminal, f"{answer}\n".encode())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.decode()


@pytest.mark.parametrize(
    ("nodes", "question", "right"),
    [((DB, worker()), "type its name (shop)", "shop"), ((DB, worker(low=5)), "Go on? [y/N]", "y")],
    ids=["most", "few"],
)
def test_on_a_terminal_it_is_asked(cli: Cli, nodes: tuple[str, ...], question: str, right: str) -> None:
    shop = Shop(cli, *nodes)
    before = shop.ids()
    cli.write("infra.yaml", description(*nodes, colour="blue"))
    few = ("--only", "db") if right == "y" else ()
    command = ("build", "-i", shop.id, "infra.yaml", *few)
    for wrong in ("n", "", "yes and no"):
        code, said = on_a_terminal(cli, *command, answer=wrong)
        assert code == 2 and question in said and "nothing was changed" in said
        assert shop.ids() == before
    code, _ = on_a_terminal(cli, *command, answer=right)
    assert code == 0 and shop.ids()["db/1"] != before["db/1"]


LATE = """
'node_def:late':
  - resource: {type: process}
    contextualisation:
      type: process
      env: ['COLOUR={{variables.colour}}']
      command:
        - sh
        - -c
        - |
          until [ -e %s ]; do sleep 0.05; done
          exec python3 -m http.server 8080 --bind $OCCOPUS_ADDRESS
    health_check: {ping: false, ports: [8080]}
"""


def test_no_more_is_replaced_than_was_shown_when_others_changed_it_meanwhile(cli: Cli) -> None:
    gate = cli.folder / "gate"
    definitions, nodes = DEFINITIONS + LATE % gate, (DB, worker(low=7, high=7).replace("worker", "rest"))
    gate.touch()
    cli.write("nodes.yaml", definitions)
    cli.write("infra.yaml", description(*nodes, worker("late", more=", variables: {colour: green}")))
    infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
    before = cli.slots(infra)
    gate.unlink()
    cli.write("other.yaml", description(*nodes, worker("late", more=", variables: {colour: blue}")))
    with running(cli.start("build", "-i", infra, "other.yaml", "--yes")) as other:
        read_until(other, "worker/1 starting")
        # Back to green: that is one instance now, and would be three of them.
        mine = cli.start("build", "-i", infra, "infra.yaml", "--yes")
        with running(mine):
            assert "worker/2" not in read_until(mine, "waiting")
            gate.touch()
            other.communicate(timeout=60)
            _, said = mine.communicate(timeout=60)
    assert mine.returncode == 2 and "moved on" in said and "worker/2: worker/2 is outdated" in said
    after = cli.slots(infra)
    assert not any(slot["outdated"] for slot in after.values()), "the other change is in force"
    assert all(after[slot]["node_id"] == before[slot]["node_id"] for slot in after if "worker" not in slot)


def test_what_was_replaced_on_purpose_keeps_no_slot_from_being_healed(cli: Cli) -> None:
    shop = Shop(cli, DB)
    for number in range(7):
        shop.change(DB, colour=f"blue{number}")
    (pid,) = processes_of(shop.id)[shop.ids()["db/1"]]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not processes_of(shop.id), "the end of db/1")
    cli.run("maintain", shop.id)
    assert shop.environment("db/1")["COLOUR"] == "blue6"
    shop.settled()


def test_as_many_failed_changes_as_may_be_are_undone_and_keep_nothing_from_being_healed(cli: Cli) -> None:
    shop = Shop(cli, DB)
    for number in range(7):
        shop.change(DB.replace("one", "broken"), colour=f"blue{number}", code=1)
        assert shop.environment("db/1")["COLOUR"] == "red"
    (pid,) = processes_of(shop.id)[shop.ids()["db/1"]]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not processes_of(shop.id), "the end of db/1")
    cli.run("maintain", shop.id)
    shop.settled()


CONTAINERS = """
'node_def:db':
  - resource: &R {type: docker, endpoint: '%s', origin: local, image: occopus-test/busybox, tag: latest}
    contextualisation: {type: docker, env: [], command: &C [sh, -c, 'trap exit TERM; sleep 1000 & wait']}
    health_check: {ping: false}
'node_def:worker':
  - resource: *R
    contextualisation: {type: docker, env: ['COLOUR={{variables.colour}}'], command: *C}
    health_check: {ping: false}
'node_def:front':
  - resource: *R
    contextualisation: {type: docker, env: ["WORKER={{getip('worker')}}"], command: *C}
    health_check: {ping: false}
"""

CONTAINER_SHOP = """
user_id: tester
infra_name: shop
nodes:
  - &D {name: db, type: db, scaling: {min: 1, max: 1}}
  - &W {name: worker, type: worker, scaling: {min: 3, max: 3}, max_unavailable: 1, variables: {colour: %s}}
  - &F {name: front, type: front, scaling: {min: 1, max: 1}}
dependencies:
  - [*W, *D]
  - [*F, *W]
"""


def test_containers_are_replaced_one_by_one_and_their_dependants_are_only_told(cli: Cli) -> None:
    engine = docker_engine.engine()
    cli.write("nodes.yaml", CONTAINERS % engine.endpoint)
    cli.write("infra.yaml", CONTAINER_SHOP % "red")
    infra = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
    before = cli.slots(infra)
    label = f"label=occopus.infra={infra}"
    names = '{{.Label "occopus.slot"}}'
    fewest = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            there = engine.call("ps", "--filter", label, "--format", names).splitlines()
            fewest.append(sum(name.startswith("worker") for name in there))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        cli.write("infra.yaml", CONTAINER_SHOP % "blue")
        cli.run("build", "-i", infra, "infra.yaml", "--nodes", "nodes.yaml", "--confirm", "shop")
    finally:
        done.set()
        watcher.join()
    assert min(fewest) == 2, fewest
    after = cli.slots(infra)
    for number in (1, 2, 3):
        (container,) = engine.containers(infra)[after[f"worker/{number}"]["node_id"]]
        assert "COLOUR=blue" in engine.inspect(container)["Config"]["Env"]
    assert after["db/1"]["node_id"] == before["db/1"]["node_id"]
    assert after["front/1"]["node_id"] == before["front/1"]["node_id"]
    assert after["front/1"]["stale"] == "worker" and "stale" not in after["db/1"]
    assert len(engine.containers(infra)) == 5


@pytest.mark.parametrize(
    ("hold", "words", "lift"),
    [
        (("protect", "shop", "worker"), "'worker' is protected by", "occopus unprotect shop worker"),
        (("pause", "shop"), "it is paused by", "occopus resume shop"),
    ],
    ids=["protected", "paused"],
)
def test_a_change_of_what_is_held_is_refused_before_anything_is_done(
    cli: Cli, hold: tuple[str, ...], words: str, lift: str
) -> None:
    shop = Shop(cli, DB, worker())
    shop.change(DB, worker(), colour="blue")
    before = shop.ids()
    cli.run(*hold, "--reason", "look first")
    for refused in (
        shop.change(DB, worker(), colour="green", code=2),
        cli.run("rollback", "shop", "1", "--confirm", "shop", code=2),
    ):
        assert words in refused.err and " since 20" in refused.err and "look first" in refused.err
        assert f"`{lift}`" in refused.err and "worker/1, worker/2" in refused.err
    shown = cli.run("plan", "-i", "shop", "infra.yaml", "--nodes", "nodes.yaml").out
    assert f"`{lift}`" in shown and "worker/1, worker/2" in shown
    assert shop.ids() == before
    known = json.loads(cli.run("history", "shop", "--format", "json").out)["generations"]
    assert [generation["number"] for generation in known] == [1, 2]
    cli.run(*lift.split()[1:])
    cli.run("rollback", "shop", "1", "--confirm", "shop")
    assert shop.environment("worker/1")["COLOUR"] == "red"
    shop.settled()


def test_a_change_that_is_held_on_its_way_stops_and_names_the_way_back(cli: Cli) -> None:
    shop = Shop(cli, DB, worker())
    before = shop.ids()
    with socket.socket() as door:
        door.bind(("", 0))
        cli.write("nodes.yaml", DEFINITIONS.replace("ports: [1]", f"ports: [{door.getsockname()[1]}]"))
        cli.write("infra.yaml", description(DB, worker(kind="waiting")))
        command = ("build", "-i", shop.id, "infra.yaml", "--nodes", "nodes.yaml", "--confirm", "shop")
        with running(cli.start("-v", *command)) as change:
            wait_until(lambda: set(shop.ids().values()) - set(before.values()), "the first new instance")
            cli.run("pause", shop.id, "--reason", "look first")
            read_until(change, "planning anew")
            door.listen()
            said = change.communicate(timeout=60)[1]
        assert change.returncode == 1
        assert "undone" not in said and f"to go back: occopus rollback {shop.id} 1\n" in said
        assert len(set(shop.ids().values()) & set(before.values())) == 3
    cli.run("resume", shop.id)
    cli.run("rollback", shop.id, "1", "--confirm", "shop")
    assert shop.environment("worker/1")["COLOUR"] == "red"
    shop.settled()


def test_a_replacement_that_leaves_out_what_is_protected_is_carried_out(cli: Cli) -> None:
    shop = Shop(cli, DB, worker(), FRONT)
    before = shop.ids()
    cli.run("protect", "shop", "worker", "--reason", "holds the data")
    shop.change(DB, worker(), FRONT, options=("--exclude", "worker"), colour="blue")
    after = shop.ids()
    assert same(before, after, "worker/1", "worker/2", "worker/3") and before["db/1"] != after["db/1"]
    assert shop.environment("db/1")["COLOUR"] == "blue"
    cli.run("unprotect", "shop", "worker")


def test_a_new_instance_of_a_surge_that_fails_is_tried_once_and_leaves_no_trace(cli: Cli) -> None:
    shop = Shop(cli, DB, worker(more=", max_surge: 1"))
    before = shop.ids()
    said = shop.change(DB, worker(kind="broken", more=", max_surge: 1"), code=1).err
    assert said.count(" creating: ") == 1 and "the change was undone" in said
    assert shop.ids() == before
    shop.settled()
