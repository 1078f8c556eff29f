"""The Python API does what the command line does, with typed results and errors."""

from __future__ import annotations

import os
import signal
import threading
import time
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

import pytest

import occopus
from occopus._times import time as time_of


def process_of(instance: occopus.Instance) -> int:
    """Return the id of the process that is an instance."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"OCCOPUS_NODE_ID=" + instance.node_id.encode() in environment:
            return int(entry.name)
    raise AssertionError(f"no process of {instance.slot}")


def test_an_infrastructure_lives_and_dies(project) -> None:
    engine = project.open()
    assert engine.store.endswith(str(project.store))
    assert engine.define(project.nodes) == ["server", "client", "broken"]

    plan = engine.plan(project.infra)
    assert [(action.slot, action.action) for action in plan.actions] == [
        ("server/1", "create"),
        ("client/1", "create"),
    ]
    assert engine.list() == []

    events: list[occopus.Event] = []
    built = engine.build(project.infra, on_event=events.append)
    assert [known.infra_id for known in engine.list()] == [built.infra_id]
    created = [event.slot for event in events if event.event == "nodecreated"]
    assert created == ["server/1", "client/1"]

    status = engine.status("pair")
    assert status.health == "ready"
    assert [node.name for node in status.nodes] == ["server", "client"]
    (server,) = status.instances("server")
    (client,) = status.instances("client")
    assert urllib.request.urlopen(f"http://{server.addresses[0]}:8080/").status == 200
    (log,) = engine.logs(built.infra_id, "client/1")
    assert f"peer {server.addresses[0]}" in log.text

    os.kill(process_of(server), signal.SIGKILL)
    result = engine.maintain(built.infra_id)
    assert result.failed == ()
    assert {action.slot for action in result.plan.actions} == {"server/1"}
    (healed,) = engine.status("pair").instances("server")
    assert healed.node_id != server.node_id
    assert engine.status("pair").instances("client")[0].node_id == client.node_id

    scaled = engine.scale("pair", "server", count=9)
    assert scaled.target == 3
    assert scaled.notes == ("maximum reached: node 'server' has at most 3 instances",)
    assert scaled.maintainer is None
    engine.maintain("pair")
    assert len(engine.status("pair").instances("server")) == 3
    assert "server" in engine.graph("pair", "dot")

    stored = engine.events("pair")
    assert [event.number for event in stored] == sorted(event.number for event in stored)
    assert engine.events("pair", after=stored[-1].number) == []

    engine.destroy("pair")
    assert engine.list() == []


def test_errors_are_typed_and_say_what_to_do(project) -> None:
    engine = project.open()
    with pytest.raises(occopus.UnknownInfrastructureError, match="occopus list"):
        engine.status("nowhere")
    with pytest.raises(occopus.UsageError, match="define"):
        engine.build(project.infra)
    with pytest.raises(occopus.DescriptorError) as raised:
        engine.build(project.write("bad.yaml", "infra_name: a.b\nnodes: []\nuser_id: x\n"))
    (problem,) = [problem for problem in raised.value.problems if problem.severity == "error"]
    assert (problem.line, problem.file) == (1, str(project.folder / "bad.yaml"))
    assert "cannot contain '.' character" in str(raised.value)
    with pytest.raises(occopus.UsageError, match="graph format"):
        engine.graph("nowhere", "png")
    with pytest.raises(occopus.StoreError):
        occopus.Occopus(store=project.write("no-store", "this is not a database"))
    with pytest.raises(occopus.UsageError, match="does not exist"):
        occopus.Occopus(store=project.store, credentials=project.folder / "missing.yaml")
    assert engine.list() == []


def test_a_failed_build_says_why_and_keeps_its_record(project) -> None:
    engine = project.open()
    with pytest.raises(occopus.BuildFailedError, match="out of luck") as raised:
        engine.build(project.broken, nodes=[project.nodes])
    assert [failure.slot for failure in raised.value.failures] == ["broken/1"]
    assert [known.infra_id for known in engine.list()] == [raised.value.infra_id]


def test_quirk_13_an_exception_in_the_callback_does_not_stop_the_build(project, monkeypatch) -> None:
    reported: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", lambda unraisable: reported.append(unraisable.exc_value))

    def fail(event: occopus.Event) -> None:
        raise RuntimeError(event.event)

    engine = project.open()
    engine.build(project.infra, nodes=[project.nodes], on_event=fail)
    assert engine.status("pair").health == "ready"
    assert any(isinstance(error, RuntimeError) for error in reported)


def test_other_threads_work_during_a_build(project) -> None:
    engine = project.open()
    counted = 0
    done = threading.Event()

    def count() -> None:
        nonlocal counted
        while not done.is_set():
            counted += 1
            time.sleep(0)

    thread = threading.Thread(target=count)
    thread.start()
    seen: list[int] = []
    engine.build(project.infra, nodes=[project.nodes], on_event=lambda event: seen.append(counted))
    done.set()
    thread.join()
    # A build that held the interpreter lock would see the counter stand still between its events.
    assert len(set(seen)) > 1


def test_two_threads_may_use_one_engine(project) -> None:
    engine = project.open()
    engine.build(project.infra, nodes=[project.nodes])
    healths: list[str] = []
    threads = [
        threading.Thread(target=lambda: healths.append(engine.status("pair").health)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert healths == ["ready"] * 4


@pytest.mark.parametrize(
    ("fraction", "microsecond"), [("", 0), (".5", 500_000), (".49", 490_000), (".123456789", 123_456)]
)
def test_times_of_every_precision_are_read(fraction: str, microsecond: int) -> None:
    expected = datetime(2026, 11, 23, 3, 31, 43, microsecond, tzinfo=timezone.utc)
    assert time_of(f"2026-11-23T03:31:43{fraction}Z") == expected
