"""What the commands write where: results, progress, errors, colours, JSON."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess

import pytest
from descriptions import DEFINITIONS, PAIR
from occopus_cli import LEGACY, Cli, wait_until

COMMANDS = "build plan status maintain watch scale destroy define list events graph logs completions".split()


def on_terminal(cli: Cli, *arguments: str, answer: str = "", **env: str) -> tuple[int, str]:
    """Runs a command on a terminal and returns its exit code and the whole text."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [str(cli.bin / "occopus"), *arguments],
        cwd=cli.folder,
        env={**cli.environment, **env},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    os.write(leader, answer.encode())
    text = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:
            break
        if not chunk:
            break
        text += chunk
    os.close(leader)
    return process.wait(), text.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_an_example(cli: Cli, command: str) -> None:
    shown = cli.run(command, "--help")
    assert shown.out.count("Usage: occopus") == 1 and re.search(r"Examples?:", shown.out)
    assert shown.err == ""


def test_without_arguments_the_help_is_shown(cli: Cli) -> None:
    shown = cli.run(code=2)
    assert all(command in shown.err for command in COMMANDS)
    assert "occopus build" in shown.err


def test_every_command_tells_its_version(cli: Cli) -> None:
    assert re.fullmatch(r"occopus \d+\.\d+\.\d+\S*\n", cli.run("--version").out)
    for name in LEGACY:
        assert cli.legacy(name, "--version").out.startswith(f"occopus-{name} ")
        assert "Example: " in cli.legacy(name, "--help").out


def test_completions_complete_the_commands(cli: Cli) -> None:
    for shell in ("bash", "zsh", "fish"):
        script = cli.run("completions", shell).out
        assert all(command in script for command in COMMANDS)


def test_without_a_terminal_there_are_no_escape_codes(cli: Cli) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", PAIR)
    for arguments in (
        ("build", "infra.yaml", "--nodes", "nodes.yaml"),
        ("status", "pair"),
        ("plan", "-i", "pair"),
        ("status", "nope"),
        ("destroy", "pair", "--yes"),
    ):
        process = cli.start(*arguments)
        out, err = process.communicate()
        assert "\x1b" not in out + err, arguments


def test_a_terminal_shows_a_live_tree_and_no_color_has_no_colours(cli: Cli) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", PAIR)
    code, text = on_terminal(cli, "build", "infra.yaml", "--nodes", "nodes.yaml")
    assert code == 0, text
    assert "pair  3 of 3 ready" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    # Colours were on, and the cursor is shown again.
    assert "\x1b[38;5;" in text and text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    infra = text.splitlines()[-1]
    assert re.fullmatch(r"[0-9a-f-]{36}", infra)
    assert "\x1b[38;5;" not in on_terminal(cli, "status", "pair", NO_COLOR="1")[1]
    assert "\x1b[38;5;" not in on_terminal(cli, "status", "pair", "--no-color")[1]
    assert "\x1b[38;5;" in on_terminal(cli, "status", "pair")[1]


def test_a_terminal_is_asked_before_a_destruction(cli: Cli) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", PAIR)
    cli.run("build", "infra.yaml", "--nodes", "nodes.yaml")
    code, text = on_terminal(cli, "destroy", "pair", answer="n\n")
    assert code == 2 and "nothing was changed" in text
    assert cli.status("pair")["health"] == "ready"
    code, text = on_terminal(cli, "destroy", "pair", answer="y\n")
    assert code == 0 and "nothing is left" in text
    assert cli.infras() == []


def test_machine_output_parses_and_has_a_schema(cli: Cli) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", PAIR)

    def ask(*arguments: str, code: int = 0) -> list:
        lines = cli.run(*arguments, "--format", "json", code=code).out.splitlines()
        objects = [json.loads(line) for line in lines]
        assert all(one["schema"] == 1 for one in objects)
        return objects

    assert ask("define", "nodes.yaml")[0]["imported"] == ["server", "client", "quiet", "broken"]
    assert len(ask("plan", "infra.yaml")[0]["plan"]["actions"]) == 3
    report = ask("build", "infra.yaml")[0]
    assert report["result"] == "ready"
    infra = report["infra_id"]
    assert ask("list")[0]["infra_id"] == infra
    assert ask("status")[0]["health"] == "ready"
    assert ask("maintain", "pair")[0]["plan"]["actions"] == []
    assert ask("scale", "pair", "client=3")[0]["target"] == 3
    assert "server" in ask("graph", "pair")[0]["graph"]
    assert {log["slot"] for log in ask("logs", "pair")} == {"server/1", "client/1", "client/2"}
    assert ask("status", "nope", code=2)[0]["error"]["kind"] == "unknown_infrastructure"
    assert ask("destroy", "pair", code=2)[0]["error"]["kind"] == "usage"
    assert ask("buidl", code=2)[0]["error"]["kind"] == "usage"
    assert ask("destroy", "pair", "--yes")[0]["result"] == "gone"


def test_quiet_leaves_the_result_alone(cli: Cli) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", PAIR)
    built = cli.run("build", "infra.yaml", "--nodes", "nodes.yaml", "--quiet")
    assert len(built.out.splitlines()) == 1 and built.err == ""


def test_a_reader_that_goes_away_is_no_error(cli: Cli) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", PAIR)
    cli.run("build", "infra.yaml", "--nodes", "nodes.yaml")
    process = cli.start("events", "pair", "--follow")
    process.stdout.close()
    # The next event cannot be written, which ends the command.
    cli.run("destroy", "pair", "--yes")
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == ""
    process.stderr.close()


def test_every_command_can_say_which_store_it_uses(cli: Cli) -> None:
    elsewhere = cli.folder / "elsewhere" / "my.db"
    assert f"store: {cli.store}" in cli.run("list", "-v").err
    assert f"store: {elsewhere}" in cli.run("list", "-v", "--store", elsewhere).err
    assert elsewhere.exists()


def plug(pipe: int) -> None:
    """Fills a pipe up, through an opening of its own: others share whether theirs blocks."""
    stuffing = os.open(f"/proc/self/fd/{pipe}", os.O_WRONLY | os.O_NONBLOCK)
    try:
        for size in (4096, 1):
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(stuffing, b"\n" * size)
    finally:
        os.close(stuffing)


def test_a_reader_who_reads_nothing_holds_nothing_up_and_misses_nothing(cli: Cli) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", PAIR)
    reading, writing = os.pipe()
    process = cli.start("build", "infra.yaml", "--nodes", "nodes.yaml", stderr=writing)
    text = b""
    while b"3 to create" not in text:
        text += os.read(reading, 4096)
    plug(writing)
    os.close(writing)

    def are_ready() -> bool:
        infras = cli.infras()
        slots = cli.slots(infras[0]["infra_id"]) if infras else {}
        return len(slots) == 3 and all(slot["state"] == "ready" for slot in slots.values())

    wait_until(are_ready, "nobody reads what the build says, and it builds all the same")
    with open(reading, "rb") as rest:
        text += rest.read()
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    lines = [line for line in text.decode().splitlines() if line]
    told = [line for line in lines if line.startswith(("server/1 ", "client/1 ", "client/2 ", "everything"))]
    for slot in ("server/1", "client/1", "client/2"):
        words = [line.split()[1].rstrip(":") for line in told if line.startswith(slot)]
        assert words == ["creating", "starting", "ready"]
    assert told[-1].startswith("everything is ready") and out.strip()
