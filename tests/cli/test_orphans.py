"""Resources that belong to nothing known: found at all places, told apart from foreign ones, taken back."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

import docker_engine
import ec2_cloud
from descriptions import DEFINITIONS, PAIR, infrastructure
from occopus_cli import Cli, processes_of, wait_until


def build(cli: Cli, description: str = PAIR, definitions: str = DEFINITIONS, *options: object) -> str:
    cli.write("nodes.yaml", definitions)
    cli.write("infra.yaml", description)
    return cli.run("build", "infra.yaml", "--nodes", "nodes.yaml", *options).last


def lose(cli: Cli, infra: str, *tables: str, node_id: str = "") -> None:
    """Deletes records behind the back of everybody, as a broken disk would."""
    with closing(sqlite3.connect(cli.store)) as store, store:
        for table in tables:
            store.execute(
                f"DELETE FROM {table} WHERE (scope = ? OR id = ?) AND instr(value, ?) > 0",
                (infra, infra, node_id),
            )


def orphans(cli: Cli, *options: object, code: int = 0) -> dict[str, list[Any]]:
    """What `orphans` lists, by kind."""
    found: dict[str, list[Any]] = {"orphan": [], "foreign": [], "unasked": []}
    for line in cli.run("orphans", "--format", "json", *options, code=code).out.splitlines():
        found[json.loads(line)["kind"]].append(json.loads(line))
    return found


def test_where_everything_is_on_record_there_are_no_orphans(cli: Cli) -> None:
    build(cli)
    listed = cli.run("orphans")
    assert listed.out == "" and "no orphans" in listed.err
    assert orphans(cli) == {"orphan": [], "foreign": [], "unasked": []}


def test_an_orphan_is_taken_back_into_its_empty_slot(cli: Cli) -> None:
    infra = build(cli)
    before, lost = processes_of(infra), cli.slots(infra)["client/2"]
    lose(cli, infra, "attempt", node_id=lost["node_id"])
    (orphan,) = orphans(cli)["orphan"]
    assert (orphan["slot"], orphan["node_id"], orphan["state"]) == ("client/2", lost["node_id"], "running")
    assert orphan["infra_id"] == infra and orphan["created_at"] and orphan["adoptable"]
    shown = cli.run("orphans").out
    assert "pair/client/2" in shown and f"next: occopus adopt {orphan['provider_id']}" in shown
    adopted = cli.run("adopt", "pair/client/2")
    assert adopted.last == f"{orphan['provider_id']} is client/2 of '{infra}' again"
    assert cli.run("maintain", infra).code == 0
    slot = cli.slots(infra)["client/2"]
    assert (slot["node_id"], slot["state"]) == (lost["node_id"], "ready")
    assert not slot["outdated"] and slot["addresses"] == lost["addresses"]
    assert processes_of(infra) == before and orphans(cli)["orphan"] == []
    assert "client/2 adopted: " in cli.run("events", infra).out
    cli.run("destroy", infra, "--yes")
    assert processes_of(infra) == {}


def test_an_orphan_without_a_slot_can_only_be_removed_and_nothing_else_is(cli: Cli) -> None:
    infra = build(cli)
    lost = cli.slots(infra)["client/1"]
    lose(cli, infra, "attempt", node_id=lost["node_id"])
    cli.run("maintain", infra)
    others = set(processes_of(infra)) - {lost["node_id"]}
    assert len(others) == 3
    (orphan,) = orphans(cli)["orphan"]
    refused = cli.run("adopt", orphan["provider_id"], code=2).err
    assert "client/1 of 'pair' is filled by" in refused and "occopus orphans --remove" in refused
    unsure = cli.run("orphans", "--remove", orphan["provider_id"], code=2)
    assert "add --yes" in unsure.err and lost["node_id"] in processes_of(infra)
    cli.run("orphans", "--remove", orphan["provider_id"][:8], "--yes")
    assert set(processes_of(infra)) == others
    assert orphans(cli)["orphan"] == []
    assert cli.run("maintain", infra).out == f"{infra}: nothing to do\n"


def test_what_is_protected_is_not_removed_as_an_orphan(cli: Cli) -> None:
    infra = build(cli)
    lost = cli.slots(infra)["server/1"]
    lose(cli, infra, "attempt", node_id=lost["node_id"])
    cli.run("protect", infra, "server", "--reason", "holds the data")
    refused = cli.run("orphans", "--remove", f"{infra}/server/1", "--yes", code=2).err
    assert "holds the data" in refused and lost["node_id"] in processes_of(infra)
    cli.run("unprotect", infra, "server")
    cli.run("adopt", f"{infra}/server/1")


def test_of_an_unknown_infrastructure_one_is_removed_at_a_time(cli: Cli) -> None:
    # Another one remembers the place.
    known = build(cli, infrastructure("known", {"a": "quiet"}))
    lost = build(cli)
    lose(cli, lost, "infrastructure", "generation", "place", "attempt", "journal", "event", "lease")
    found = orphans(cli)["orphan"]
    assert [orphan["slot"] for orphan in found] == ["client/1", "client/2", "server/1"]
    assert all(orphan["infra_id"] == lost and not orphan["adoptable"] for orphan in found)
    assert f"knows no infrastructure '{lost}'" in cli.run("adopt", f"{lost}/client/1", code=2).err
    for count, orphan in enumerate(found, start=1):
        assert cli.run("orphans", "--remove", orphan["provider_id"], "--yes").last.endswith("is destroyed")
        assert len(processes_of(lost)) == 3 - count
    assert orphans(cli)["orphan"] == [] and len(processes_of(known)) == 1
    assert [infra["infra_id"] for infra in cli.infras()] == [known]
    assert "client/1 destroyed" in cli.run("events", lost).out


def test_what_was_given_up_and_still_runs_is_an_orphan(cli: Cli) -> None:
    infra = build(cli, infrastructure("gone", {"a": "quiet"}))
    cli.run("destroy", infra, "--abandon", "--yes")
    (orphan,) = orphans(cli)["orphan"]
    assert "was destroyed" in orphan["reason"] and not orphan["adoptable"]
    cli.run("orphans", "--remove", orphan["provider_id"], "--yes")
    assert processes_of(infra) == {} and orphans(cli)["orphan"] == []


def test_what_belongs_to_another_store_is_told_apart_and_left_alone(cli: Cli) -> None:
    mine = build(cli)
    other = ("--store", cli.store.with_name("other.db"))
    theirs = build(cli, PAIR, DEFINITIONS, *other)
    found = orphans(cli)
    assert found["orphan"] == [] and {foreign["infra_id"] for foreign in found["foreign"]} == {theirs}
    assert len(found["foreign"]) == 3 and not any(foreign["next"] for foreign in found["foreign"])
    assert {foreign["infra_id"] for foreign in orphans(cli, *other)["foreign"]} == {mine}
    foreign = found["foreign"][0]["provider_id"]
    for command in (["adopt", foreign], ["orphans", "--remove", foreign, "--yes"]):
        assert "belongs to another store" in cli.run(*command, code=2).err
    assert len(processes_of(mine)) == len(processes_of(theirs)) == 3
    cli.run("destroy", theirs, "--yes", *other)


def test_orphans_at_a_cloud_and_a_cloud_that_cannot_be_asked(cli: Cli) -> None:
    with ec2_cloud.stub() as cloud:
        cli.log_in(ec2_cloud.AUTH)
        infra = build(cli, infrastructure("far", {"vm": "vm"}, vm=2), cloud.definition("vm"))
        lost = cli.slots(infra)["vm/2"]
        lose(cli, infra, "attempt", node_id=lost["node_id"])
        other = ("--store", cli.store.with_name("other.db"))
        theirs = build(cli, infrastructure("far", {"vm": "vm"}), cloud.definition("vm"), *other)
        found = orphans(cli)
        (orphan,) = found["orphan"]
        assert orphan["provider_id"] == lost["provider_id"]
        assert [foreign["infra_id"] for foreign in found["foreign"]] == [theirs]
        cli.run("adopt", lost["provider_id"])
        cli.run("maintain", infra)
        assert cli.slots(infra)["vm/2"]["node_id"] == lost["node_id"]
        assert sum(map(len, cloud.instances(infra).values())) == 2
        cli.run("destroy", theirs, "--yes", *other)
        # A process, too: one place that cannot be asked hides no other.
        near = build(cli, infrastructure("near", {"a": "quiet"}))
        lose(cli, near, "attempt")
        secrets = cli.home / ".occopus" / "auth_data.yaml"
        secrets.rename(secrets.with_suffix(".away"))
        found = orphans(cli, code=1)
        assert [orphan["infra_id"] for orphan in found["orphan"]] == [near]
        (unasked,) = found["unasked"]
        assert unasked["place"]["endpoint"] == cloud.endpoint
        assert "cannot tell whether there are orphans at ec2 at" in cli.run("orphans", code=1).err
        secrets.with_suffix(".away").rename(secrets)
        cli.run("adopt", f"{near}/a/1")
        cli.run("destroy", infra, "--yes")
        assert cloud.instances(infra) == {}


def test_orphans_on_a_container_engine(cli: Cli) -> None:
    engine = docker_engine.engine()
    definitions = docker_engine.definitions(engine.endpoint, box="sleep 1000")
    infra = build(cli, infrastructure("boxes", {"a": "box"}, a=2), definitions)
    lost = cli.slots(infra)["a/1"]
    lose(cli, infra, "attempt", node_id=lost["node_id"])
    other = ("--store", cli.store.with_name("other.db"))
    theirs = build(cli, infrastructure("boxes", {"a": "box"}), definitions, *other)
    found = orphans(cli)
    assert [orphan["provider_id"] for orphan in found["orphan"]] == [lost["provider_id"]]
    assert theirs in {foreign["infra_id"] for foreign in found["foreign"]}
    cli.run("adopt", lost["provider_id"][:12])
    wait_until(lambda: cli.start("maintain", infra).wait(timeout=60) == 0, "the containers are ready")
    assert cli.slots(infra)["a/1"]["node_id"] == lost["node_id"]
    cli.run("destroy", theirs, "--yes", *other)
    assert engine.containers(theirs) == {}
    assert sum(map(len, engine.containers(infra).values())) == 2
