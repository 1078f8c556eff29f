"""What an operator does by hand: pause, protect, replace."""

from __future__ import annotations

import json
import os
import signal

from descriptions import DEFINITIONS, PAIR
from occopus_cli import Cli, processes_of, wait_until


def build_pair(cli: Cli) -> str:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", PAIR)
    return cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last


def kill(infra: str, node_id: str) -> None:
    """Kills an instance behind the back of its maintainer."""
    for pid in processes_of(infra)[node_id]:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: node_id not in processes_of(infra), "the process is gone")


def test_what_is_paused_is_left_alone_until_it_is_resumed(cli: Cli) -> None:
    infra = build_pair(cli)
    paused = cli.run("pause", "pair", "--node", "client", "--for", "2h", "--reason", "new kernel")
    assert "'client' is paused by" in paused.out and paused.last.endswith("new kernel")
    before = cli.slots(infra)
    kill(infra, before["client/1"]["node_id"])
    assert "1 action for later" in cli.run("maintain", "pair", code=1).out
    assert cli.slots(infra)["client/1"]["node_id"] == before["client/1"]["node_id"]
    shown = cli.run("status", "pair").out
    assert "held: 'client' is paused by" in shown and "new kernel" in shown
    assert shown.splitlines()[-1] == f"next: occopus resume {infra} --node client"
    assert "new kernel" in cli.run("events", "pair").out
    assert "built, client paused" in cli.run("list").out
    cli.run("resume", "pair", "--node", "client")
    cli.run("maintain", "pair")
    after = cli.slots(infra)
    assert after["client/1"]["state"] == "ready"
    assert after["client/1"]["node_id"] != before["client/1"]["node_id"]
    assert after["client/2"] == {**before["client/2"], "age": after["client/2"]["age"]}


def test_what_is_protected_is_neither_destroyed_nor_replaced(cli: Cli) -> None:
    infra = build_pair(cli)
    cli.run("protect", "pair", "server", "--reason", "holds the data")
    refused = cli.run("destroy", "pair", "--yes", code=2)
    assert "'server' is protected by" in refused.err and "occopus unprotect pair server" in refused.err
    assert "is not given up" in cli.run("destroy", "pair", "--yes", "--abandon", code=2).err
    assert len(processes_of(infra)) == 3
    node_id = cli.slots(infra)["server/1"]["node_id"]
    kill(infra, node_id)
    cli.run("maintain", "pair", code=1)
    assert cli.slots(infra)["server/1"]["node_id"] == node_id
    cli.run("unprotect", "pair", "server")
    cli.run("destroy", "pair", "--yes")
    assert processes_of(infra) == {}


def test_one_instance_is_replaced_at_the_word_of_a_user_and_no_other(cli: Cli) -> None:
    infra = build_pair(cli)
    before = cli.slots(infra)
    assert "add --yes" in cli.run("replace", "pair", "client/2", code=2).err
    said = cli.run("replace", "pair", "client/2", "--yes").err
    assert "client/2 (process" in said and f"occopus maintain {infra}" in said
    assert cli.status(infra)["requests"] == [f"client: another instance for {before['client/2']['node_id']}"]
    cli.run("maintain", "pair")
    after = cli.slots(infra)
    changed = [slot for slot in after if after[slot]["node_id"] != before[slot]["node_id"]]
    assert changed == ["client/2"] and after["client/2"]["state"] == "ready"
    assert len(processes_of(infra)) == 3
    cli.run("maintain", "pair")
    assert cli.slots(infra)["client/2"]["node_id"] == after["client/2"]["node_id"]


def test_wrong_names_are_refused_with_the_right_ones_and_nothing_is_held(cli: Cli) -> None:
    infra = build_pair(cli)
    assert "it has: server, client" in cli.run("pause", "pair", "--node", "x", "--reason", "r", code=2).err
    assert "client/1, client/2" in cli.run("replace", "pair", "client/9", "--yes", code=2).err
    assert "2h" in cli.run("pause", "pair", "--for", "soon", "--reason", "r", code=2).err
    assert cli.status(infra)["holds"] == []
    cli.run("pause", "pair", "--reason", "r")
    assert "'pair' was not paused as such" not in cli.run("resume", "pair").err


def test_every_event_tells_who_did_it_and_what_changed(cli: Cli) -> None:
    infra = build_pair(cli)
    cli.run("scale", "pair", "client=3")
    cli.run("maintain", "pair")
    told = cli.run("events", infra, "--format", "json").out.splitlines()
    lines = [event for event in map(json.loads, told) if event["event"] == "scaled"]
    assert [(line["before"], line["after"]) for line in lines] == [("2", "3")]
    assert "occopus maintain (process" in lines[0]["actor"]
