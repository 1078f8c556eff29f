"""`occopus validate`: all problems of all files, each at its place, and nothing changed.

The texts in `snapshots/` are compared exactly. After a wanted change, write them anew and read what differs:

    UPDATE_SNAPSHOTS=1 python -m pytest tests/cli/test_validate.py
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from corpus import CORPUS
from descriptions import DEFINITIONS, PAIR
from occopus_cli import Cli, absent

SNAPSHOTS = Path(__file__).parent / "snapshots"

#: Ten mistakes in three files; each line that holds one is marked by its number.
INFRA = """\
user_id: tester
infra_name: web_shop  # 1: an underscore
variables:
  colour: blue  # 2: no template reads it
  size: m1.large
nodes:
  - &DB
    name: db
    type: database
    scaling: {min: one, max: 3}  # 3: a word for a number
  - &WEB
    name: web
    type: server
    scaling: {min: 1, mx: 1}  # 4: a misspelt key
dependencies:
  - [*WEB, *DB]
  - [*WEB, cache]  # 5: no such node
"""

NODES = """\
'node_def:database':
  - resource:  # 6: an image is missing
      type: ec2
      endpoint: https://ec2.example.com
      regionname: europe
      instance_type: "{{ variables.size }}"
    contextualisation:
      type: cloudinit
      context_template:
        runcmd:
          - echo ready
    health_check:
      ping: yes  # 7: a string in this YAML
'node_def:server':
  - resource: {type: ec2, endpoint: 'https://ec2.example.com', regionname: eu, image_id: a, instance_type: t}
    contextualisation:
      type: cloudinit
      context_template:
        write_files:
          - path: /etc/shop.conf
            content: |
              [shop]
              database = {{ getip('bd') }}
              # 8: no such node, in the line above
    helth_check: {ping: false}  # 9: no such section
"""

AUTH = """\
resource:
  - type: ec2
    auth_date: {accesskey: AKIA1, secretkey: hush}  # 10: the key for the credentials is misspelt
"""

#: File, line, column and code of each.
MISTAKES = [
    ("infra.yaml", 2, 13, "OCC0103"),
    ("infra.yaml", 4, 3, "OCC0507"),
    ("infra.yaml", 10, 20, "OCC0107"),
    ("infra.yaml", 14, 23, "OCC0104"),
    ("infra.yaml", 17, 12, "OCC0111"),
    ("nodes.yaml", 3, 7, "OCC0207"),
    ("nodes.yaml", 13, 13, "OCC0210"),
    ("nodes.yaml", 23, 29, "OCC0504"),
    ("nodes.yaml", 25, 5, "OCC0203"),
    ("auth.yaml", 2, 5, "OCC0301"),
]


@pytest.fixture()
def mistakes(cli: Cli) -> Cli:
    """The files with ten mistakes."""
    cli.write("infra.yaml", INFRA)
    cli.write("nodes.yaml", NODES)
    cli.write("auth.yaml", AUTH)
    return cli


def compare(name: str, text: str) -> None:
    """Compares a text with its snapshot."""
    path = SNAPSHOTS / name
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{path} differs"


def validate(cli: Cli, *arguments: object, code: int = 0) -> Any:
    """The findings as an object."""
    return cli.run("validate", *arguments, "--format", "json", code=code).json


def places(findings: Any) -> list[tuple[str, int, int, str]]:
    """File, line, column and code of all problems."""
    located = [(problem["location"], problem["code"]) for problem in findings["problems"]]
    return [(place["file"], place["line"], place["column"], code) for place, code in located]


def test_ten_mistakes_in_three_files_are_shown_in_one_run(mistakes: Cli) -> None:
    result = mistakes.run("validate", "infra.yaml", "nodes.yaml", "auth.yaml", code=2)
    compare("ten-mistakes.txt", result.out)
    assert result.err == ""


def test_each_mistake_has_its_line_and_column(mistakes: Cli) -> None:
    findings = validate(mistakes, "infra.yaml", "nodes.yaml", "auth.yaml", code=2)
    assert places(findings) == MISTAKES
    assert (findings["schema"], findings["errors"], findings["warnings"]) == (1, 8, 2)
    kinds = [(file["file"], file["kind"]) for file in findings["files"]]
    assert kinds == [
        ("infra.yaml", "infrastructure"),
        ("nodes.yaml", "node-definitions"),
        ("auth.yaml", "auth-data"),
    ]


def test_problems_follow_the_order_of_the_files(mistakes: Cli) -> None:
    files = [
        place[0] for place in places(validate(mistakes, "auth.yaml", "nodes.yaml", "infra.yaml", code=2))
    ]
    assert files == sorted(files, key=["auth.yaml", "nodes.yaml", "infra.yaml"].index)


def test_no_secret_is_shown(mistakes: Cli) -> None:
    for form in ("text", "json", "sarif"):
        result = mistakes.run("validate", "auth.yaml", "--format", form, code=2)
        assert "hush" not in result.out + result.err
        assert "AKIA1" not in result.out + result.err


def test_good_files_have_no_problems_and_nothing_is_made(cli: Cli) -> None:
    cli.write("infra.yaml", PAIR)
    cli.write("nodes.yaml", DEFINITIONS)
    before = sorted(cli.home.rglob("*"))
    result = cli.run("validate", "infra.yaml", "nodes.yaml")
    assert result.out == "no problems in 2 files\n"
    assert sorted(cli.home.rglob("*")) == before
    assert not cli.store.exists()


def test_a_warning_alone_is_exit_0(cli: Cli) -> None:
    cli.write("infra.yaml", PAIR.replace("dependencies:\n  - [*C, *S]", "dependencies: []"))
    cli.write("nodes.yaml", DEFINITIONS)
    result = cli.run("validate", "infra.yaml", "nodes.yaml")
    assert "warning[OCC0503]" in result.out
    assert "let 'client' depend on 'server'" in result.out
    assert result.last == "1 warning in 2 files"


def test_types_are_looked_up_in_a_store_that_is_there_already(cli: Cli) -> None:
    cli.write("infra.yaml", PAIR)
    assert places(validate(cli, "infra.yaml")) == [], "nothing is known about the types"
    cli.write("nodes.yaml", DEFINITIONS.replace("node_def:client", "node_def:klient"))
    cli.run("define", "nodes.yaml")
    assert places(validate(cli, "infra.yaml")) == [("infra.yaml", 6, 29, "OCC0501")]
    assert places(validate(cli, "infra.yaml", "nodes.yaml")) == [("infra.yaml", 6, 29, "OCC0501")]


def test_variables_from_outside_count_as_declared(cli: Cli) -> None:
    cli.write("infra.yaml", PAIR.replace("nodes:", "variables: {port: 80}\nnodes:", 1))
    cli.write("nodes.yaml", DEFINITIONS.replace("PEER=", "PEER={{ variables.port }}{{ variables.host }}"))
    assert [place[3] for place in places(validate(cli, "infra.yaml", "nodes.yaml"))] == ["OCC0506"]
    cli.write("vars.yaml", "host: example.com\n")
    for option in (["--var", "host=example.com"], ["--vars-file", "vars.yaml"]):
        codes = [place[3] for place in places(validate(cli, "infra.yaml", "nodes.yaml", *option))]
        assert "OCC0506" not in codes, codes


def test_what_is_no_descriptor_is_told_what_was_expected(cli: Cli) -> None:
    cli.write("other.yaml", "hello: world\n")
    cli.write("folder/infra.yaml", PAIR)
    result = cli.run("validate", "other.yaml", "folder", "missing.yaml", code=2)
    assert "error[OCC0500]: 'other.yaml' is of no kind that Occopus reads" in result.out
    assert "infra_name" in result.out
    assert "cannot read 'folder': it is a folder" in result.out
    assert "cannot read 'missing.yaml'" in result.out
    assert result.last == "3 errors in 3 files"


def test_sarif_names_rules_and_regions(mistakes: Cli) -> None:
    log = mistakes.run("validate", "infra.yaml", "nodes.yaml", "auth.yaml", "--format", "sarif", code=2).json
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert all(rule["shortDescription"]["text"] and rule["help"]["text"] for rule in rules)
    found = []
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        region = place["region"]
        assert region["endColumn"] > region["startColumn"] and region["endLine"] == region["startLine"]
        found.append(
            (place["artifactLocation"]["uri"], region["startLine"], region["startColumn"], result["ruleId"])
        )
    assert found == MISTAKES
    assert {result["level"] for result in run["results"]} == {"error", "warning"}


def test_only_validate_writes_sarif(cli: Cli) -> None:
    result = cli.run("list", "--format", "sarif", code=2)
    assert "occopus validate" in result.err


def test_build_still_shows_all_problems_and_legacy_commands_the_old_text(mistakes: Cli) -> None:
    result = mistakes.run("build", "infra.yaml", "--nodes", "nodes.yaml", code=2)
    assert "error[OCC0103]" in result.err and "--> infra.yaml:2:13" in result.err
    assert "error[OCC0203]" in result.err and "--> nodes.yaml:25:5" in result.err
    legacy = mistakes.legacy("build", "infra.yaml", code=1)
    first = '[SchemaCheck] ERROR: infra_name "web_shop" may contain only [a-z,0-9,-] characters'
    assert first in legacy.out


def tutorials() -> list[Path]:
    """The folders of real files."""
    return sorted(path for path in CORPUS.iterdir() if path.is_dir()) if CORPUS.is_dir() else []


@pytest.mark.parametrize("folder", tutorials() or [CORPUS], ids=lambda path: path.name)
def test_real_files_are_valid(folder: Path, cli: Cli) -> None:
    if not folder.is_dir():
        absent(f"there is no {folder}")
    files = [*sorted(folder.glob("*.yaml")), *sorted(folder.glob("nodes/*.yaml"))]
    findings = validate(cli, *files)
    assert findings["errors"] == 0
    assert all(file["kind"] for file in findings["files"])
    # Every warning was read and found true; a new code here has to be read as well.
    known = {
        "OCC0212",  # places that only a user can fill in
        "OCC0503",  # a look-up that relies on the order of the nodes
        "OCC0505",  # getip(master)
    }
    assert {problem["code"] for problem in findings["problems"]} <= known
    assert json.dumps(findings)


def test_plan_gives_the_same_hints_once(cli: Cli) -> None:
    cli.write("infra.yaml", PAIR.replace("nodes:", "variables: {unread: 1}\nnodes:", 1))
    cli.write("nodes.yaml", DEFINITIONS)
    result = cli.run("plan", "infra.yaml", "--nodes", "nodes.yaml")
    assert result.err.count("OCC0507") == 1, result
    cli.run("define", "nodes.yaml")
    result = cli.run("plan", "infra.yaml")
    assert "OCC0507" not in result.err, "what the imported templates read is unknown"
