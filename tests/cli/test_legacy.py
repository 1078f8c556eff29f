"""The commands of Occopus 1.10: options, output lines, files and exit codes."""

from __future__ import annotations

import re

import pytest
from descriptions import DEFINITIONS, PAIR, infrastructure
from occopus_cli import Cli, processes_of, read_until, running, stop

RECORD = re.compile(r"\*\* \d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\t(.*)")


def messages(text: str) -> list[str]:
    """The log records of a text, without their times."""
    return [match[1] for line in text.splitlines() if (match := RECORD.fullmatch(line))]


def build(cli: Cli, *options: str) -> str:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", PAIR)
    cli.legacy("import", "nodes.yaml")
    return cli.legacy("build", "infra.yaml", *options).last


def infralist(cli: Cli) -> str:
    return (cli.home / ".occopus" / "infralist.yaml").read_text()


def test_a_round_with_the_original_commands(cli: Cli) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", PAIR)
    imported = cli.legacy("import", "nodes.yaml")
    assert imported.out == "Successfully imported nodes: server, client, quiet, broken\n"
    built = cli.legacy("build", "infra.yaml")
    infra = built.last
    lines = messages(built.out)
    assert lines[0].startswith("Starting up; PID = ")
    assert f"Submitted infrastructure: '{infra}'" in lines
    assert f"Start maintaining the infrastructure {infra}" in lines
    slots = cli.slots(infra)
    server = slots["server/1"]
    order = [
        f"Creating node 'server'/'{server['node_id']}'",
        f"Waiting for node 'server'/'{server['node_id']}' to become ready. No timeout.",
        f"Node 'server'/'{server['node_id']}' is ready.",
        f"Creating node 'client'/'{slots['client/1']['node_id']}'",
        f"Node 'client'/'{slots['client/1']['node_id']}' is ready.",
        # One after the other, unless --parallelize is given.
        f"Creating node 'client'/'{slots['client/2']['node_id']}'",
        f"Finished maintaining the infrastructure {infra}",
        "List of nodes/instances/addresses:",
        "server:",
        f"  {server['node_id']}:",
        f"    {server['addresses'][0]}",
    ]
    positions = [lines.index(line) for line in order]
    assert positions == sorted(positions), lines
    assert infralist(cli) == f"- {infra}\n"
    assert cli.legacy("maintain", "-l").out.splitlines()[-2:] == ["List of active infrastructure:", infra]

    report = messages(cli.legacy("maintain", "-i", infra, "-r").out)
    assert "Report list of nodes/instances/addresses:" in report and "client:" in report
    filtered = messages(cli.legacy("maintain", "-i", infra, "-r", "-f", "lient").out)
    assert "client:" in filtered and "server:" not in filtered
    saved = messages(cli.legacy("maintain", "-i", infra, "-r", "-o", "report.txt").out)
    assert saved[-2:] == ['Saving list of node addresses to file "report.txt"...', "Done."]
    addresses = [" ".join(slots[name]["addresses"]) for name in ("server/1", "client/1", "client/2")]
    assert (cli.folder / "report.txt").read_text().splitlines() == addresses

    scaled = cli.legacy("scale", "-i", infra, "-n", "client", "-c", "1")
    assert messages(scaled.out)[-1] == "Scaling up node 'client' with 1 instances..."
    assert len(processes_of(infra)) == 3
    cli.legacy("maintain", "--infra_id", infra)
    assert len(processes_of(infra)) == 4
    address = slots["client/1"]["addresses"][0]
    cli.legacy("scale", "--infraid", infra, "-n", "client", "-f", address)
    cli.legacy("maintain", "--infraid", infra)
    assert address not in [slot["addresses"][0] for slot in cli.slots(infra).values()]

    destroyed = messages(cli.legacy("destroy", "-i", infra).out)
    assert f"Start dropping infrastructure {infra}" in destroyed
    assert f"Dropping node 'server'/'{server['node_id']}'" in destroyed
    assert destroyed[-1] == f"Finished dropping infrastructure {infra}"
    assert processes_of(infra) == {} and infralist(cli) == "[]\n"
    assert cli.legacy("maintain", "-l").last == "No active infrastructure!"


def test_the_same_description_twice_makes_two_infrastructures(cli: Cli) -> None:
    first = build(cli)
    second = cli.legacy("build", "infra.yaml", "--parallelize").last
    assert first != second and infralist(cli) == f"- {first}\n- {second}\n"


def test_an_unknown_id_is_created_and_a_known_one_reconfigured(cli: Cli) -> None:
    assert build(cli, "-i", "mine") == "mine"
    server = cli.slots("mine")["server/1"]["node_id"]
    changed = cli.legacy("build", "infra.yaml", "--infraid", "mine")
    assert changed.last == "mine"
    assert "Updating infrastructure: 'mine'" in messages(changed.out)
    assert cli.slots("mine")["server/1"]["node_id"] == server


def test_a_failed_first_build_is_torn_down(cli: Cli) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", infrastructure("doomed", {"a": "quiet", "b": "broken"}))
    cli.legacy("import", "nodes.yaml")
    failed = cli.legacy("build", "infra.yaml", code=1)
    lines = messages(failed.out)
    assert any("out of luck" in line for line in lines), lines
    assert any(line.startswith("Dropping node 'a'/") for line in lines)
    assert any("has been torn down, because of the following error:" in line for line in lines)
    infra = re.search(r"Submitted infrastructure: '(.*)'", failed.out)[1]
    assert processes_of(infra) == {} and cli.infras() == []
    assert not (cli.home / ".occopus" / "infralist.yaml").exists()


def test_a_validation_error_is_the_original_text_without_a_prefix(cli: Cli) -> None:
    cli.write("infra.yaml", "user_id: me\ninfra_name: de.mo\nnodes: []\n")
    failed = cli.legacy("build", "infra.yaml", code=1)
    assert any(line.startswith('[SchemaCheck] ERROR: infra_name "de.mo"') for line in failed.out.splitlines())
    cli.write("nodes.yaml", "'node_def:a':\n  - contextualisation: {type: docker}\n")
    failed = cli.legacy("import", "nodes.yaml", code=1)
    assert failed.out.startswith("[SchemaCheck] ERROR in ")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ((), 1, "Too few arguments: at least -c, -s or -f must be specified!"),
        (("-c", "1", "-s", "2"), 1, "Too many arguments: -c and -s must not be used at the same time!"),
        (("-c", "0"), 1, "Incorrect argument: value for -c must be different from zero!"),
        (("-s", "0"), 1, "Incorrect argument: value for -s must be greater than zero!"),
        (("-c", "one"), 1, "Positive/negative number must be specified for argument -c!"),
    ],
)
def test_scale_says_what_is_wrong_in_the_original_words(cli: Cli, options, code: int, message: str) -> None:
    assert messages(cli.legacy("scale", "-i", "x", "-n", "y", *options, code=code).out)[-1] == message


def test_maintain_needs_an_id(cli: Cli) -> None:
    assert cli.legacy("maintain", code=1).out == "ERROR: No infra_id (-i) specified! \n"


def test_a_cyclic_maintainer_ends_with_ctrl_c(cli: Cli) -> None:
    infra = build(cli)
    with running(cli.start("-i", infra, "-c", "-t", "0.2", command="occopus-maintain")) as maintainer:
        read_until(maintainer, "Finished maintaining", stream="stdout")
        ended = stop(maintainer)
    assert ended.code == 0, ended
    assert "Ctrl+C - exiting." in ended.out


def test_the_rest_service_comes_later(cli: Cli) -> None:
    assert "later" in cli.legacy("rest-service", code=1).err
