"""What happened: of all infrastructures, since a time, with who did it and what it was before and after."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
from contextlib import closing
from typing import Any

from descriptions import DEFINITIONS, PAIR, infrastructure
from occopus_cli import PATIENCE, ROOT, Cli, processes_of, read_until, running, stop, wait_until


def build(cli: Cli, description: str) -> str:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", description)
    return cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last


def events(cli: Cli, *arguments: object) -> list[Any]:
    return [json.loads(line) for line in cli.run("events", *arguments, "--format", "json").out.splitlines()]


def test_the_events_of_all_infrastructures_come_in_the_order_of_time(cli: Cli) -> None:
    pair, other = build(cli, PAIR), build(cli, infrastructure("other", {"a": "quiet"}))
    cli.run("destroy", other, "--yes")
    everything = events(cli)
    assert {event["infra_id"] for event in everything} == {pair, other}
    assert [event["time"] for event in everything] == sorted(event["time"] for event in everything)
    for infra in (pair, other):
        assert [event for event in everything if event["infra_id"] == infra] == events(cli, infra)
    lines = cli.run("events").out.splitlines()
    assert any("  pair: server/1 ready: " in line for line in lines), lines
    assert "  other: nothing is left" in lines[-1]


def test_only_what_happened_since_a_time_is_shown(cli: Cli) -> None:
    infra = build(cli, PAIR)
    everything = events(cli, infra)
    middle = everything[len(everything) // 2]["time"]
    late = events(cli, infra, "--since", middle)
    assert late == [event for event in everything if event["time"] >= middle] and late != everything
    assert events(cli, "--since", "1h") == everything
    assert "2h or 45m" in cli.run("events", "--since", "lunch", code=2).err


def test_every_change_tells_what_it_was_before_and_after(cli: Cli) -> None:
    infra = build(cli, PAIR)
    cli.run("build", cli.write("changed.yaml", PAIR.replace("max: 4", "max: 5")), "-i", infra)
    cli.run("scale", infra, "client=3")
    cli.run("maintain", infra)
    cli.run("destroy", infra, "--yes")
    told = events(cli, infra)
    of_instances: dict[str, list[tuple[str, str]]] = {}
    for event in told:
        if "node_id" in event and "before" in event:
            of_instances.setdefault(event["node_id"], []).append((event["before"], event["after"]))
    whole = [
        ("empty", "creating"),
        ("creating", "starting"),
        ("starting", "ready"),
        ("ready", "destroying"),
        ("destroying", "destroyed"),
    ]
    assert len(of_instances) == 4 and all(changes == whole for changes in of_instances.values()), of_instances
    of_all = [(e["event"], e["before"], e["after"]) for e in told if "node_id" not in e and "before" in e]
    assert of_all == [
        ("infrastart", "none", "unfinished"),
        ("infraready", "unfinished", "built"),
        ("reconfigured", "1", "2"),
        ("infraready", "unfinished", "built"),
        ("scaled", "2", "3"),
        ("notice", "built", "destroying"),
        ("infradrop", "destroying", "destroyed"),
    ]


def test_who_did_it_is_shown_when_asked_for(cli: Cli) -> None:
    infra = build(cli, infrastructure("one", {"a": "quiet"}))
    assert all("occopus build (process" in event["actor"] for event in events(cli, infra))
    assert "(by " not in cli.run("events", infra).out
    assert all("occopus build (process" in line for line in cli.run("events", infra, "-v").out.splitlines())


def test_the_events_of_all_infrastructures_can_be_followed(cli: Cli) -> None:
    first = build(cli, infrastructure("first", {"a": "quiet"}))
    with running(cli.start("events", "--follow")) as follower:
        read_until(follower, "first: everything is ready", stream="stdout")
        build(cli, infrastructure("second", {"a": "quiet"}))
        read_until(follower, "second: everything is ready", stream="stdout")
        cli.run("destroy", first, "--yes")
        read_until(follower, "first: nothing is left", stream="stdout")
        assert follower.poll() is None, "others may follow"
        assert stop(follower, signal.SIGTERM).code == 0


def test_a_watch_forgets_history_that_is_older_than_it_is_kept(cli: Cli) -> None:
    infra = build(cli, PAIR)
    kept = events(cli, infra)[3:]
    with closing(sqlite3.connect(cli.store)) as store, store:
        for table, field in (("event", "time"), ("journal", "at")):
            store.execute(
                f"UPDATE {table} SET value = json_set(value, '$.{field}', '2020-01-01T00:00:00Z') "
                f"WHERE id IN (SELECT id FROM {table} WHERE scope = ? ORDER BY id LIMIT 3)",
                (infra,),
            )
    journal = cli.records("journal")
    assert "OCCOPUS_HISTORY" in cli.run("list", code=2, env={"OCCOPUS_HISTORY": "0"}).err
    with running(cli.start("watch", "--interval", "0.2", env={"OCCOPUS_HISTORY": "7"})) as watch:
        wait_until(lambda: events(cli, infra) == kept, "what is old is forgotten, and nothing else")
        wait_until(lambda: cli.records("journal") == journal - 3, "so is the journal")
        watch.send_signal(signal.SIGTERM)
        assert watch.wait(timeout=PATIENCE) == 0
    assert cli.run("maintain", infra).out == f"{infra}: nothing to do\n"


def test_legacy_maintenance_writes_the_event_log_of_1_10(cli: Cli) -> None:
    shipped = (ROOT / "core" / "descriptor" / "tests" / "data" / "occopus_config.yaml").read_text()
    cli.write("occopus_config.yaml", shipped.replace("protocol: redis", "protocol: dict"))
    infra = build(cli, PAIR)
    node_id = cli.slots(infra)["client/1"]["node_id"]
    for pid in processes_of(infra)[node_id]:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: node_id not in processes_of(infra), "the process is gone")
    cli.legacy("maintain", "-i", infra)
    log = (cli.folder / "occopus-events.log").read_text(encoding="utf-8")
    told = re.findall(r"(\S+) ;; (\w+) ;; \d+ ;; \{(.*)\}", log)
    assert all(whose == infra for whose, _, _ in told)
    kinds = [kind for _, kind, _ in told]
    assert [kind for kind in kinds if kind.startswith("node")] == [
        "nodedropping",
        "nodedropped",
        "nodecreating",
        "nodecreated",
    ]
    assert node_id in told[kinds.index("nodedropped")][2]
