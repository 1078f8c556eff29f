"""Variables from outside: `--var` and `--vars-file` of plan, build and render."""

from __future__ import annotations

from typing import Any

import pytest
from occopus_cli import Cli

INFRA = """
user_id: tester
infra_name: greeter
variables: {word: hello, db: {host: here, port: 1}, n: 0}
nodes:
  - {name: one, type: one}
  - {name: two, type: one, variables: {word: own}}
"""

NODES = """
'node_def:one':
  - resource: {type: process}
    contextualisation:
      type: process
      command: [sh, -c, 'echo "{{variables.word}} {{variables.db.host}}"; exec sleep 1000']
    health_check: {ping: false}
"""


@pytest.fixture()
def greeter(cli: Cli) -> Cli:
    cli.write("infra.yaml", INFRA)
    cli.write("nodes.yaml", NODES)
    return cli


def variables(cli: Cli, *arguments: object, node: str = "one") -> Any:
    result = cli.run("render", "infra.yaml", "--nodes", "nodes.yaml", *arguments, "--format", "json")
    return result.json["nodes"][node]["variables"]


def test_an_assignment_is_typed_as_in_yaml(greeter: Cli) -> None:
    for text, value in [("5", 5), ("true", True), ("yes", "yes"), ("a=b", "a=b"), ('"5"', "5"), ("1.5", 1.5)]:
        assert variables(greeter, "--var", f"word={text}")["word"] == value, text
    assert variables(greeter, "--var", "db.port=2")["db"] == {"host": "here", "port": 2}


def test_files_lie_over_the_description_and_assignments_over_files(greeter: Cli) -> None:
    greeter.write("a.yaml", "word: a\ndb: {port: 5}\n")
    greeter.write("b.yaml", "word: b\n")
    given = ("--vars-file", "a.yaml", "--vars-file", "b.yaml")
    assert variables(greeter, *given) == {"word": "b", "db": {"host": "here", "port": 5}, "n": 0}
    assert variables(greeter, "--var", "word=c", *given, "--var", "n=1", "--var", "n=2") == {
        "word": "c",
        "db": {"host": "here", "port": 5},
        "n": 2,
    }


def test_what_a_node_declares_stays_above(greeter: Cli) -> None:
    assert variables(greeter, "--var", "word=outside", node="two")["word"] == "own"


def test_a_misspelt_variable_is_a_warning(greeter: Cli) -> None:
    result = greeter.run("plan", "infra.yaml", "--nodes", "nodes.yaml", "--var", "wrod=x")
    assert "'wrod'" in result.err and "word" in result.err


@pytest.mark.parametrize("command", ["plan", "build", "render"])
def test_wrong_variables_are_refused_before_anything_happens(greeter: Cli, command: str) -> None:
    greeter.write("list.yaml", "- a\n")
    for arguments, expected in [
        (("--var", "word"), "<--var>:1:1"),
        (("--var", "=x"), "<--var>:1:1"),
        (("--vars-file", "list.yaml"), "list.yaml:1:1"),
        (("--vars-file", "none.yaml"), "none.yaml"),
    ]:
        result = greeter.run(command, "infra.yaml", "--nodes", "nodes.yaml", *arguments, code=2)
        assert expected in result.err, result
    assert greeter.infras() == []


def test_other_variables_are_a_reconfiguration(greeter: Cli) -> None:
    files = ("infra.yaml", "--nodes", "nodes.yaml")
    plan = greeter.run("plan", *files, "--var", "word=planned", "--format", "json").json
    assert [action["slot"] for action in plan["plan"]["actions"]] == ["one/1", "two/1"]
    infra = greeter.run("build", *files, "--var", "word=first").last
    assert "first here" in greeter.run("logs", infra, "one/1").out
    assert "own here" in greeter.run("logs", infra, "two/1").out
    same = greeter.run("plan", *files, "-i", infra, "--var", "word=first")
    assert "nothing to do" in same.out and "outdated" not in same.out
    other = greeter.run("plan", *files, "-i", infra, "--var", "word=second").out
    assert "one/1" in other and "outdated" in other
    assert "two/1" not in other, "its own variable stays above"


def test_the_choice_of_implementations_of_the_old_command_can_be_repeated(greeter: Cli) -> None:
    variant = NODES.partition("'node_def:one':\n")[2]
    variants = [variant.replace("{{variables.word}} {{variables.db.host}}", f"v{i}") for i in range(40)]
    greeter.write("many.yaml", "'node_def:one':\n" + "".join(variants))
    greeter.legacy("import", "many.yaml")

    def choices(seed: str) -> list[str]:
        built = greeter.legacy("build", "infra.yaml", env={"OCCOPUS_RANDOM_SEED": seed})
        logs = [greeter.run("logs", built.last, slot).out.split()[-1] for slot in ("one/1", "two/1")]
        greeter.legacy("destroy", "-i", built.last)
        return logs

    first = choices("7")
    assert choices("7") == first
    assert any(choices(str(seed)) != first for seed in range(8, 12))
    refused = greeter.legacy("build", "infra.yaml", env={"OCCOPUS_RANDOM_SEED": "x"}, code=1)
    assert "OCCOPUS_RANDOM_SEED" in refused.out + refused.err


COMMANDS = """
'node_def:one':
  - resource: {type: process}
    contextualisation:
      type: process
      command: [sh, -c, 'echo "[{{cmd("touch ran")}}{{cmd("printf %s there")}}]"; exec sleep 1000']
    health_check: {ping: false}
"""


def test_commands_of_templates_run_only_where_the_configuration_says_so(greeter: Cli) -> None:
    greeter.write("nodes.yaml", COMMANDS)
    files = ("infra.yaml", "--nodes", "nodes.yaml")
    refused = greeter.run("build", *files, code=1)
    assert "templates: {cmd: true}" in refused.err
    greeter.write("config.yaml", "templates: {cmd: true}\n")
    allowed = ("--config", "config.yaml")
    greeter.run("plan", *files, *allowed)
    shown = greeter.run("render", *files, *allowed)
    assert "<output of printf %s there>" in shown.out
    assert not (greeter.folder / "ran").exists(), "neither plan nor render runs commands"
    infra = greeter.run("build", *files, *allowed).last
    assert "[there]" in greeter.run("logs", infra, "one/1").out
    assert (greeter.folder / "ran").exists()
