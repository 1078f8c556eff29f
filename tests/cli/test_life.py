"""The life of an infrastructure of processes, from plan to nothing left."""

from __future__ import annotations

import json
import os
import signal
import urllib.request

from descriptions import DEFINITIONS, PAIR
from occopus_cli import PATIENCE, Cli, processes_of, read_until, running, stop, wait_until


def build_pair(cli: Cli) -> str:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", PAIR)
    return cli.run("build", "infra.yaml", "--nodes", "nodes.yaml").last


def test_plan_tells_what_a_build_would_do_and_why_and_changes_nothing(cli: Cli) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", PAIR)
    plan = cli.run("plan", "infra.yaml", "--nodes", "nodes.yaml")
    assert "+ create server/1 on process: 'server' has 0 of 1 instances" in plan.out
    assert "+ create client/2 on process: 'client' has 0 of 2 instances" in plan.out
    assert plan.last == "3 to create"
    assert cli.infras() == [] and cli.records("definition") == 0


def test_build_makes_what_is_described_in_the_order_of_dependencies(cli: Cli) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", PAIR)
    built = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml")
    infra = built.last
    assert built.out == f"{infra}\n"
    assert built.err.index("+ create client/1") < built.err.index("server/1 creating")
    assert built.err.index("server/1 ready") < built.err.index("client/1 creating")
    slots = cli.slots(infra)
    assert sorted(slots) == ["client/1", "client/2", "server/1"]
    assert all(slot["state"] == "ready" for slot in slots.values())
    address = slots["server/1"]["addresses"][0]
    with urllib.request.urlopen(f"http://{address}:8080/", timeout=PATIENCE) as answer:
        assert answer.status == 200
    assert f"my peer is {address}" in cli.run("logs", "pair", "client/2").out
    assert sorted(processes_of(infra)) == sorted(slot["node_id"] for slot in slots.values())


def test_one_description_is_not_built_twice_by_accident(cli: Cli) -> None:
    first = build_pair(cli)
    refused = cli.run("build", "infra.yaml", code=2)
    assert "occopus build -i pair" in refused.err and "occopus build --new" in refused.err
    second = cli.run("build", "infra.yaml", "--new").last
    assert {infra["infra_id"] for infra in cli.infras()} == {first, second}


def test_a_chosen_id_needs_create_and_a_prefix_or_name_finds_it(cli: Cli) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", PAIR)
    refused = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml", "-i", "my-own-id", code=2)
    assert "--create" in refused.err
    assert cli.infras() == []
    build = ("build", "infra.yaml", "--nodes", "nodes.yaml", "-i", "my-own-id", "--create")
    assert cli.run(*build).last == "my-own-id"
    for text in ("my-own-id", "my-o", "pair"):
        assert cli.status(text)["infra_id"] == "my-own-id"


def test_status_tells_state_age_address_and_the_next_command(cli: Cli) -> None:
    infra = build_pair(cli)
    shown = cli.run("status", "pair", "-v")
    assert "pair is ready" in shown.out and infra in shown.out
    assert "server/1" in shown.out and cli.slots(infra)["server/1"]["addresses"][0] in shown.out
    assert "observed just now" in shown.out and "next: occopus scale" in shown.out
    assert f"store: {cli.store}" in shown.out
    assert oct(cli.store.stat().st_mode & 0o777) == "0o600"


def test_a_pass_replaces_exactly_what_died_and_says_why(cli: Cli) -> None:
    infra = build_pair(cli)
    before = cli.slots(infra)
    victim = before["client/1"]["node_id"]
    os.kill(processes_of(infra)[victim][0], signal.SIGKILL)
    wait_until(lambda: victim not in processes_of(infra), "the process is dead")
    assert cli.status(infra)["health"] == "incomplete"
    plan = cli.run("plan", "-i", "pair")
    assert "destroy client/1" in plan.out and "create client/1" in plan.out
    done = cli.run("maintain", "pair")
    assert done.out == f"{infra}: 1 to create, 1 to destroy; 2 actions done\n"
    after = cli.slots(infra)
    assert after["client/1"]["node_id"] != victim
    assert {name: after[name]["node_id"] for name in ("server/1", "client/2")} == {
        name: before[name]["node_id"] for name in ("server/1", "client/2")
    }
    assert cli.run("maintain", "pair").out == f"{infra}: nothing to do\n"
    events = cli.run("events", "pair").out
    assert "client/1 destroying: client/1 stopped" in events or "client/1 creating: client/1 " in events


def test_scale_registers_answers_limits_and_is_carried_out_by_a_pass(cli: Cli) -> None:
    infra = build_pair(cli)
    up = cli.run("scale", "pair", "client+1")
    assert "no maintainer is running" in up.err and f"occopus maintain {infra}" in up.err
    cli.run("maintain", "pair")
    assert sum(name.startswith("client/") for name in cli.slots(infra)) == 3
    too_many = cli.run("scale", "pair", "client=9")
    assert "maximum reached" in too_many.err
    cli.run("maintain", "pair")
    assert sum(name.startswith("client/") for name in cli.slots(infra)) == 4
    doomed = cli.slots(infra)["client/1"]["node_id"]
    cli.run("scale", "pair", "client", "--remove", "client/1")
    cli.run("maintain", "pair")
    left = cli.slots(infra)
    assert doomed not in {slot["node_id"] for slot in left.values()}
    assert len(processes_of(infra)) == len(left) == 4


def test_scale_refuses_unknown_nodes_and_instances(cli: Cli) -> None:
    build_pair(cli)
    assert "server, client" in cli.run("scale", "pair", "clinet=3", code=2).err
    assert "client/1" in cli.run("scale", "pair", "client", "--remove", "client/7", code=2).err
    assert "worker+2" in cli.run("scale", "pair", "client", code=2).err
    assert cli.records("scaling") == 0


def test_scale_waits_for_a_running_maintainer_and_watch_ends_cleanly(cli: Cli) -> None:
    infra = build_pair(cli)
    with running(cli.start("watch", "pair", "--interval", "0.2")) as watch:
        wait_until(lambda: "controller" in cli.status(infra), "the maintainer runs")
        scaled = cli.run("scale", "pair", "client=3")
        assert scaled.out == "'client' has 3 instances\n"
        assert len(processes_of(infra)) == 4
        ended = stop(watch, signal.SIGTERM)
    assert ended.code == 0, ended
    assert "client/3 ready" in ended.out
    assert "controller" not in cli.status(infra)


def test_watch_heals_and_writes_nothing_while_there_is_nothing_to_do(cli: Cli) -> None:
    infra = build_pair(cli)
    with running(cli.start("watch", "--interval", "0.2")) as watch:
        # Several passes, seen by the time of the last one.
        for _ in range(3):
            seen = cli.status(infra).get("maintained_at")
            wait_until(lambda seen=seen: cli.status(infra).get("maintained_at") != seen, "one more pass")
        victim = cli.slots(infra)["server/1"]["node_id"]
        os.kill(processes_of(infra)[victim][0], signal.SIGKILL)
        lines = read_until(watch, "everything is ready", stream="stdout")
        ended = stop(watch)
    assert ended.code == 0, ended
    assert all("server/1" in line or "everything" in line for line in lines.splitlines()), lines


def test_a_change_adds_and_removes_nodes_after_a_confirmation(cli: Cli) -> None:
    infra = build_pair(cli)
    server = cli.slots(infra)["server/1"]["node_id"]
    changed = PAIR.replace("- &C {name: client, type: client", "- &C {name: other, type: quiet")
    cli.write("changed.yaml", changed)
    refused = cli.run("build", "changed.yaml", "-i", "pair", code=2)
    assert "client/1" in refused.err and "--confirm pair" in refused.err
    assert cli.status(infra)["generation"] == 1
    assert cli.run("build", "changed.yaml", "-i", "pair", "--confirm", "pair").last == infra
    slots = cli.slots(infra)
    assert sorted(slots) == ["other/1", "other/2", "server/1"]
    assert slots["server/1"]["node_id"] == server
    assert sorted(processes_of(infra)) == sorted(slot["node_id"] for slot in slots.values())


def test_destroy_needs_a_confirmation_and_leaves_nothing(cli: Cli) -> None:
    infra = build_pair(cli)
    refused = cli.run("destroy", "pair", code=2)
    assert "--yes" in refused.err and "server/1" in refused.err
    assert len(processes_of(infra)) == 3
    cli.run("destroy", "pair", "--yes")
    assert processes_of(infra) == {} and cli.infras() == []
    assert "unknown infrastructure" in cli.run("status", "pair", code=2).err
    assert cli.run("events", infra).last.endswith("nothing is left")


def test_events_are_stored_and_can_be_followed_to_the_end(cli: Cli) -> None:
    infra = build_pair(cli)
    lines = [json.loads(line) for line in cli.run("events", "pair", "--format", "json").out.splitlines()]
    assert all(line["schema"] == 1 and line["infra_id"] == infra for line in lines)
    assert [line["event"] for line in lines].count("nodecreated") == 3
    assert lines[0]["event"] == "infrastart" and lines[-1]["event"] == "infraready"
    with running(cli.start("events", "pair", "--follow")) as follower:
        read_until(follower, "everything is ready", stream="stdout")
        cli.run("destroy", "pair", "--yes")
        out, _ = follower.communicate(timeout=PATIENCE)
    assert follower.returncode == 0 and out.rstrip().endswith("nothing is left")


def test_graph_draws_files_and_infrastructures(cli: Cli) -> None:
    build_pair(cli)
    for subject in ("infra.yaml", "pair"):
        assert "2..4, after server" in cli.run("graph", subject).out
        assert '"client" -> "server";' in cli.run("graph", subject, "--as", "dot").out
        assert cli.run("graph", subject, "--as", "mermaid").out.startswith("flowchart BT\n")


def test_logs_show_what_instances_wrote(cli: Cli) -> None:
    infra = build_pair(cli)
    address = cli.slots(infra)["server/1"]["addresses"][0]
    assert cli.run("logs", "pair", "server").out.startswith(f"serving on {address}")
    everything = cli.run("logs", "pair").out
    assert everything.count("==> ") == 3
    assert "no instance 'nobody'" in cli.run("logs", "pair", "nobody", code=2).err


def test_an_import_changes_no_running_infrastructure(cli: Cli) -> None:
    infra = build_pair(cli)
    before = cli.slots(infra)
    cli.write("nodes.yaml", DEFINITIONS.replace("exec sleep 1000", "exec sleep 2000"))
    assert cli.run("define", "nodes.yaml").out.startswith("Successfully imported nodes: ")
    assert cli.run("maintain", "pair").out == f"{infra}: nothing to do\n"
    assert {name: slot["node_id"] for name, slot in cli.slots(infra).items()} == {
        name: slot["node_id"] for name, slot in before.items()
    }


def test_two_stores_on_one_machine_leave_each_other_alone(cli: Cli, tmp_path_factory) -> None:
    other = Cli(tmp_path_factory.mktemp("other"))
    mine, theirs = build_pair(cli), build_pair(other)
    cli.run("destroy", mine, "--yes")
    assert len(processes_of(theirs)) == 3
    assert other.run("maintain", theirs).out == f"{theirs}: nothing to do\n"
    other.clean_up()
    assert processes_of(theirs) == {}


def test_of_several_first_builds_of_one_name_exactly_one_begins(cli: Cli) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", PAIR)
    builds = [cli.start("build", "infra.yaml", "--nodes", "nodes.yaml") for _ in range(4)]
    for build in builds:
        build.communicate(timeout=PATIENCE)
    assert sorted(build.returncode for build in builds) == [0, 2, 2, 2]
    assert len(cli.infras()) == 1
