"""What the command line can do, Python can do: holds, replacement, orphans, validation, explanations."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest

import occopus

SHARED = "SECRET_OF_THE_TEST"
SECRET = "correct-horse-battery"


@pytest.fixture()
def built(project) -> occopus.Occopus:
    engine = project.open()
    engine.build(project.infra, nodes=[project.nodes])
    return engine


def test_a_pause_keeps_from_healing_until_it_is_resumed(built) -> None:
    hold = built.pause("pair", node="server", reason="looking at it", duration=timedelta(hours=2))
    assert (hold.kind, hold.node, hold.reason) == ("pause", "server", "looking at it")
    assert hold.until is not None and hold.until - hold.since == timedelta(hours=2)
    assert "occopus (Python) pause" in hold.actor
    assert built.status("pair").holds == (hold,)
    built.replace("pair", "server/1")
    before = built.status("pair").instances("server")[0].node_id
    built.maintain("pair")
    assert built.status("pair").instances("server")[0].node_id == before
    assert built.resume("pair") is None
    assert built.resume("pair", node="server") == hold
    built.maintain("pair")
    assert built.status("pair").instances("server")[0].node_id != before
    changes = [(event.before, event.after) for event in built.events("pair") if event.event == "held"]
    assert changes == [("free", "paused"), ("paused", "free")]


def test_what_is_protected_is_not_destroyed(built) -> None:
    hold = built.protect("pair", reason="precious")
    with pytest.raises(occopus.OccopusError, match="precious"):
        built.destroy("pair")
    assert built.status("pair").health == "ready"
    assert built.unprotect("pair") == hold
    built.destroy("pair")


def test_a_hold_has_a_node_and_a_duration_that_make_sense(built) -> None:
    with pytest.raises(occopus.UsageError, match="nobody"):
        built.pause("pair", node="nobody")
    with pytest.raises(occopus.UsageError, match="cannot last"):
        built.pause("pair", duration=timedelta(0))
    assert built.status("pair").holds == ()


def test_an_instance_is_replaced_and_its_dependants_are_stale(built) -> None:
    (server,) = built.status("pair").instances("server")
    answer = built.replace("pair", server.addresses[0])
    assert (answer.maintainer, answer.done) == (None, False)
    built.maintain("pair")
    status = built.status("pair")
    assert status.instances("server")[0].node_id != server.node_id
    assert status.instances("client")[0].stale == "server"
    with pytest.raises(occopus.UsageError, match="server/1"):
        built.replace("pair", "server/7")


def test_outdated_instances_are_replaced_only_when_asked(project, built) -> None:
    changed = project.write(
        "changed.yaml",
        project.infra.read_text().replace("type: client", "type: client, variables: {word: new}"),
    )
    before = {instance.slot: instance.node_id for instance in built.status("pair").instances()}
    built.build(changed, infra="pair")
    (client,) = built.status("pair").instances("client")
    assert (client.node_id, client.outdated) == (before["client/1"], True)
    assert client.differs == ("variables.word: absent, now new",)
    nothing = occopus.Replacing(exclude=["client"])
    assert built.plan(changed, infra="pair", replace=nothing).actions == ()
    slots = {action.slot for action in built.plan(changed, infra="pair", replace=True).actions}
    assert slots == {"client/1"}
    built.build(changed, infra="pair", replace=occopus.Replacing(only=["client"]))
    (client,) = built.status("pair").instances("client")
    assert (client.outdated, client.differs) == (False, ())
    assert client.node_id != before["client/1"]
    assert built.status("pair").instances("server")[0].node_id == before["server/1"]
    with pytest.raises(occopus.UsageError, match="nobody"):
        built.build(changed, infra="pair", replace=occopus.Replacing(only=["nobody"]))


def test_orphans_are_found_taken_back_and_removed(project, built) -> None:
    assert built.orphans() == occopus.Orphans((), (), ())
    left = built.abandon("pair")
    assert {entry.slot for entry in left} == {"server/1", "client/1"}
    orphans = built.orphans()
    assert {orphan.slot for orphan in orphans.ours} == {"server/1", "client/1"}
    assert {orphan.provider_id for orphan in orphans.ours} == {entry.provider_id for entry in left}
    with pytest.raises(occopus.UsageError, match="not taken back"):
        built.adopt(orphans.ours[0].provider_id)
    for orphan in orphans.ours:
        assert not orphan.adoptable
        built.remove_orphan(orphan.provider_id)
    assert built.orphans().ours == ()
    with pytest.raises(occopus.UsageError, match="no orphan"):
        built.remove_orphan("nobody")


def test_watching_ends_when_the_engine_is_closed(project, built) -> None:
    ready = threading.Event()
    thread = threading.Thread(target=lambda: built.watch(interval=0.1, on_event=lambda event: ready.set()))
    thread.start()
    built.scale("pair", "server", count=2)
    assert ready.wait(60)
    built.close()
    thread.join(60)
    assert not thread.is_alive()
    with pytest.raises(occopus.UsageError, match="closed"):
        built.list()
    with pytest.raises(occopus.UsageError, match="interval"):
        project.open().watch(interval=0)


def test_events_are_followed_by_a_plain_loop(built) -> None:
    seen: list[occopus.Event] = []
    follower = threading.Thread(target=lambda: seen.extend(built.follow("pair", interval=0.05)))
    follower.start()
    built.destroy("pair")
    follower.join(60)
    assert seen[-1].event == "infradrop"
    assert [event.number for event in built.events(seen[0].infra_id)] == [event.number for event in seen]


def test_a_saved_plan_is_carried_out_exactly_or_not_at_all(project) -> None:
    engine = project.open()
    engine.define(project.nodes)
    saved = project.folder / "saved.plan"
    plan = engine.plan(project.infra, save=saved)
    assert saved.stat().st_mode & 0o777 == 0o600
    built = engine.build_saved(saved)
    assert {action.slot for action in plan.actions} == {i.slot for i in engine.status("pair").instances()}
    with pytest.raises(occopus.UsageError):
        engine.build_saved(saved)
    with pytest.raises(occopus.UsageError, match="only the plan of a description"):
        engine.plan(infra=built.infra_id, save=saved)


def test_history_tells_what_changed_and_leads_back(project, built) -> None:
    text = project.infra.read_text().replace("max: 3", "max: 2")
    smaller = project.write("smaller.yaml", text)
    (change,) = built.plan(smaller, infra="pair").changes
    assert (change.what, change.node, change.differs) == ("changed", "server", ("scaling.max: 3, now 2",))
    built.build(smaller, infra="pair")
    built.rollback("pair", 1)
    generations = built.history("pair")
    assert [entry.in_force for entry in generations] == [False, False, True]
    assert generations[1].changes == (change,)
    assert "occopus (Python) rollback" in generations[2].author
    assert built.status("pair").nodes[0].max == 3
    with pytest.raises(occopus.UsageError, match="no description 9"):
        built.rollback("pair", 9)


def test_outputs_and_inventory_tell_where_the_instances_are(project) -> None:
    text = project.infra.read_text() + "outputs:\n  url: http://{{getip('server')}}:8080/\n"
    engine = project.open()
    engine.build(project.write("told.yaml", text), nodes=[project.nodes])
    address = engine.status("pair").instances("server")[0].addresses[0]
    assert engine.outputs("pair") == occopus.Outputs({"url": f"http://{address}:8080/"}, {})
    inventory = engine.inventory("pair")
    assert [(host.slot, host.address) for host in inventory.hosts if host.slot == "server/1"] == [
        ("server/1", address)
    ]
    for listed in (inventory.ansible, inventory.ssh_config, inventory.hosts_file):
        assert address in listed
    with pytest.raises(occopus.UsageError, match="url"):
        engine.outputs("pair", "nothing")


def test_files_are_validated_without_a_store(project) -> None:
    assert occopus.validate([project.infra, project.nodes], store=project.store).ok
    bad = project.write("bad.yaml", "infra_name: a.b\nnodes: []\nuser_id: x\n")
    found = occopus.validate([bad, project.nodes], store=project.store)
    assert not found.ok
    assert [file.kind for file in found.files] == ["infrastructure", "node-definitions"]
    assert {(problem.file, problem.line) for problem in found.errors} == {(str(bad), 1)}
    page = occopus.explain(found.errors[0].code.lower())
    assert page.code == found.errors[0].code
    assert page in occopus.explanations()
    assert not project.store.exists()
    with pytest.raises(occopus.UsageError):
        occopus.explain("OCC9999")


def test_schemas_are_those_of_the_files(project) -> None:
    assert "2020-12" in occopus.schema("infrastructure")["$schema"]
    with pytest.raises(occopus.UsageError, match="node-definitions"):
        occopus.schema("nothing")


@pytest.fixture()
def secret(project, monkeypatch) -> dict[str, object]:
    """A description whose instance fails and shouts its secret."""
    monkeypatch.setenv(SHARED, SECRET)
    text = (
        "user_id: t\ninfra_name: loud\n"
        f"variables: {{key: !secret 'env:{SHARED}'}}\n"
        "nodes:\n  - {name: loud, type: loud}\n"
    )
    nodes = (
        "'node_def:loud':\n"
        "  - resource: {type: process}\n"
        "    contextualisation:\n"
        "      type: process\n"
        "      env: ['KEY={{variables.key}}']\n"
        "      command: [sh, -c, 'echo \"the key is $KEY\"; exit 3']\n"
        "    health_check: {ping: false, ports: [9], timeout: 60}\n"
    )
    return {
        "description": project.write("loud.yaml", text),
        "nodes": [project.write("loud_nodes.yaml", nodes)],
    }


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("occopus.db*") if path.is_file())


def test_no_exception_and_no_event_shows_a_secret(project, secret) -> None:
    engine = project.open()
    events: list[occopus.Event] = []
    with pytest.raises(occopus.BuildFailedError) as raised:
        engine.build(**secret, on_event=events.append)
    error = raised.value
    shown = [str(error), repr(error), repr(error.failures), repr(events), repr(engine.events(error.infra_id))]
    shown += [repr(engine.status(error.infra_id)), repr(engine.logs(error.infra_id))]
    assert not [text for text in shown if SECRET in text]
    assert f"the key is <secret env:{SHARED}>" in str(error), "what it said is shown, but for the secret"
    assert SECRET.encode() not in everything_in(project.folder)


def test_arguments_that_cannot_be_handed_over_are_told(project) -> None:
    engine = project.open()
    with pytest.raises(occopus.UsageError, match="arguments"):
        engine.define("\udcff.yaml")
    with pytest.raises(occopus.UsageError, match="arguments"):
        engine.build(project.infra, variables={"x": float("nan")})
    with pytest.raises(TypeError):
        engine.build(project.infra, variables={"x": object()})
    assert engine.list() == []


def test_a_redis_can_be_the_store_only_if_it_answers(project) -> None:
    with pytest.raises(occopus.StoreError, match=r"127\.0\.0\.1"):
        occopus.Occopus(store="redis://127.0.0.1:1/0", allow_volatile_store=True)
