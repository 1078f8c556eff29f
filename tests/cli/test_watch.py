"""`occopus watch` as a service: several at once, killed, stopped, without a store, asked for the lease."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from descriptions import DEFINITIONS, PAIR, infrastructure
from occopus_cli import ROOT, Cli, absent, processes_of, read_until, running, stop, wait_until

#: The shortest lease that outlasts every call.
LEASE = 65


def build(cli: Cli, description: str) -> str:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", description)
    return cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last


def holder(cli: Cli, infra: str) -> int:
    """Process id of the command that controls an infrastructure; 0 if there is none."""
    found = re.search(r"process (\d+)", cli.status(infra).get("controller", ""))
    return int(found[1]) if found else 0


def kill(infra: str, node_id: str) -> None:
    """Kills an instance behind the back of everybody."""
    for pid in processes_of(infra)[node_id]:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: node_id not in processes_of(infra), "the process is gone")


def is_settled(cli: Cli, infra: str) -> bool:
    return cli.status(infra)["health"] == "ready"


def created(cli: Cli, infra: str) -> list[Any]:
    """The events of all creations there ever were."""
    lines = cli.run("events", infra, "--format", "json").out.splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == "nodecreating"]


def test_two_maintainers_and_random_deaths_never_make_one_too_many(cli: Cli) -> None:
    count = 6
    infra = build(cli, infrastructure("busy", {"a": "quiet"}, a=count))
    seed = int(os.environ.get("OCCOPUS_SEED") or random.SystemRandom().randrange(2**32))
    print(f"OCCOPUS_SEED={seed}")
    victims = sorted(processes_of(infra))
    random.Random(seed).shuffle(victims)
    with ExitStack() as both:
        watches = {
            process.pid: both.enter_context(running(process))
            for process in (cli.start("watch", infra, "--interval", "0.2") for _ in range(2))
        }
        first = wait_until(lambda: holder(cli, infra), "one of them holds the lease")
        for victim in victims[: count // 2]:
            kill(infra, victim)
        # At once, because a holder on this machine that is dead is known to be dead.
        watches[first].kill()
        second = wait_until(lambda: (pid := holder(cli, infra)) != first and pid, "the other takes over")
        assert second in watches
        for victim in victims[count // 2 :]:
            kill(infra, victim)
        wait_until(lambda: is_settled(cli, infra), "all are replaced", patience=120)
        assert stop(watches[second], signal.SIGTERM).code == 0
    alive = processes_of(infra)
    assert sorted(alive) == sorted(slot["node_id"] for slot in cli.slots(infra).values())
    assert len(alive) == count and not set(alive) & set(victims)
    assert len(created(cli, infra)) == 2 * count, "each was replaced exactly once"
    assert holder(cli, infra) == 0


def stop_between_writes(cli: Cli, process: subprocess.Popen[str]) -> None:
    """Stops a process, but not in the middle of a write: then nobody could write to the file."""

    def stopped() -> bool:
        process.send_signal(signal.SIGSTOP)
        try:
            with closing(sqlite3.connect(cli.store, timeout=0.5)) as store:
                store.execute("BEGIN IMMEDIATE")
                store.rollback()
            return True
        except sqlite3.OperationalError:
            process.send_signal(signal.SIGCONT)
            return False

    wait_until(stopped, "it is stopped outside a write")


def test_a_holder_that_slept_longer_than_its_lease_changes_nothing_any_more(cli: Cli) -> None:
    infra = build(cli, infrastructure("sleepy", {"a": "quiet"}, a=2))
    short = {"OCCOPUS_LEASE": str(LEASE)}
    assert "has to outlast every call" in cli.run("list", code=2, env={"OCCOPUS_LEASE": "5"}).err
    with ExitStack() as both:
        sleeper = both.enter_context(running(cli.start("watch", infra, "--interval", "0.2", env=short)))
        wait_until(lambda: holder(cli, infra) == sleeper.pid, "it holds the lease")
        stop_between_writes(cli, sleeper)
        heir = both.enter_context(running(cli.start("watch", infra, "--interval", "0.2", env=short)))
        read_until(heir, "in use by .*occopus watch")
        before = processes_of(infra)
        kill(infra, min(before))
        wait_until(lambda: holder(cli, infra) == heir.pid, "the heir takes over", patience=LEASE + 60)
        wait_until(lambda: is_settled(cli, infra), "it is healed")
        made = created(cli, infra)
        assert len(made) == 3 and f"(process {heir.pid})" in made[-1]["actor"]
        sleeper.send_signal(signal.SIGCONT)
        read_until(sleeper, "another process has taken over|in use by .*occopus watch")
        assert created(cli, infra) == made and len(processes_of(infra)) == 2
        # The heir goes on alone.
        kill(infra, max(before))
        wait_until(lambda: is_settled(cli, infra) and len(processes_of(infra)) == 2, "it is healed again")
        assert [f"(process {heir.pid})" in event["actor"] for event in created(cli, infra)[3:]] == [True]
        assert stop(sleeper, signal.SIGTERM).code == 0 and stop(heir, signal.SIGTERM).code == 0


def test_a_watch_outlives_a_store_that_cannot_be_written(cli: Cli) -> None:
    infra = build(cli, PAIR)
    victim = cli.slots(infra)["client/1"]["node_id"]
    with running(cli.start("watch", "--interval", "0.2")) as watch:
        wait_until(lambda: holder(cli, infra), "it holds the lease")
        with closing(sqlite3.connect(cli.store, isolation_level=None)) as store:
            store.execute("BEGIN IMMEDIATE")
            told = read_until(watch, "the store cannot be used now")
            store.execute("ROLLBACK")
        assert told.count("the store cannot be used now") == 1
        kill(infra, victim)
        wait_until(lambda: is_settled(cli, infra), "it goes on", patience=150)
        ended = stop(watch, signal.SIGTERM)
    assert ended.code == 0, ended
    assert len(processes_of(infra)) == 3


def test_a_watch_waits_for_a_store_that_is_not_there_yet(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with running(cli.start("watch", "--store", f"redis://127.0.0.1:{port}")) as watch:
        read_until(watch, "the store cannot be used now; trying again")
        assert stop(watch, signal.SIGTERM).code == 0
    assert "unknown infrastructure" in cli.run("watch", "nobody", code=2).err


def test_a_watch_that_rests_hands_its_lease_to_whoever_waits(cli: Cli) -> None:
    infra = build(cli, infrastructure("calm", {"a": "quiet"}))
    with running(cli.start("watch", "--interval", "3600")) as watch:
        wait_until(lambda: holder(cli, infra) == watch.pid, "it holds the lease")
        assert cli.run("maintain", infra).out == f"{infra}: nothing to do\n"
        assert stop(watch, signal.SIGTERM).code == 0


def test_each_line_says_which_infrastructure_it_is_about(cli: Cli) -> None:
    pair, other = build(cli, PAIR), build(cli, infrastructure("other", {"a": "quiet"}))
    with running(cli.start("watch", "--interval", "0.2")) as watch:
        wait_until(lambda: holder(cli, other) and holder(cli, pair), "it looks after both")
        kill(other, cli.slots(other)["a/1"]["node_id"])
        lines = read_until(watch, "everything is ready", stream="stdout")
        assert stop(watch, signal.SIGTERM).code == 0
    assert lines and all("  other: " in line for line in lines.splitlines()), lines


def test_processes_outlive_the_watch_that_started_them(cli: Cli) -> None:
    infra = build(cli, PAIR)
    victim = cli.slots(infra)["client/1"]["node_id"]
    with running(cli.start("watch", "--interval", "0.2")) as watch:
        kill(infra, victim)
        wait_until(lambda: is_settled(cli, infra), "the watch has started another one")
        before = processes_of(infra)
        # As systemd does it with KillMode=process.
        assert stop(watch, signal.SIGTERM).code == 0
    assert len(before) == 3 and processes_of(infra) == before


def test_the_unit_is_valid_and_stops_the_service_alone(tmp_path: Path) -> None:
    unit = (ROOT / "examples" / "systemd" / "occopus-watch.service").read_text(encoding="utf-8")
    assert re.search(r"^KillMode=process$", unit, re.MULTILINE), "its restart must not end the nodes"
    if not (analyze := shutil.which("systemd-analyze")):
        absent("systemd-analyze is not installed")
    here = tmp_path / "occopus-watch.service"
    # A program that exists, wherever the tests run.
    here.write_text(unit.replace("/usr/local/bin/occopus", "/bin/true"), encoding="utf-8")
    checked = subprocess.run(
        [analyze, "verify", here], capture_output=True, text=True, timeout=60, check=False
    )
    assert checked.returncode == 0 and "occopus-watch" not in checked.stderr, checked.stderr
