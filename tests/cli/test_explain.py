"""Every code has a page, and every page is true: its wrong files are reported under its code, as the page
shows, and its right files are not.

    OCCOPUS_UPDATE=1 pytest tests/cli/test_explain.py

writes what the command says into the pages, and the list of codes into their index.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from occopus_cli import ROOT, Cli

FOLDER = ROOT / "docs" / "reference" / "codes"
PAGES = sorted(FOLDER.glob("OCC*.md"))
UPDATE = os.environ.get("OCCOPUS_UPDATE") == "1"
SAYS = re.compile(r"^```text says\n.*?^```", re.MULTILINE | re.DOTALL)


def parts(page: Path) -> tuple[str, str]:
    """The example and the remedy of a page."""
    example, remedy = page.read_text(encoding="utf-8").split("\n## Example\n")[1].split("\n## Remedy\n")
    return example, remedy


def files(part: str) -> dict[str, str]:
    """The files of a part, by name."""
    blocks = re.findall(r"^```\w+ (?:wrong|right) file=(\S+)\n(.*?)^```", part, re.MULTILINE | re.DOTALL)
    return dict(blocks)


def said(cli: Cli, part: str) -> tuple[int, str]:
    """Exit code and output of the command of a part; without one, all its files are validated."""
    for name, text in files(part).items():
        cli.write(name, text).chmod(0o600)
    shown = re.search(r"^```console\n\$ occopus (.*)\n```", part, re.MULTILINE)
    arguments = shlex.split(shown[1]) if shown else ["validate", *files(part)]
    process = cli.start(*arguments)
    out, err = process.communicate(timeout=180)
    return process.returncode, (out + err).strip()


def reported(text: str) -> set[str]:
    return set(re.findall(r"(?:error|warning)\[(OCC\d{4})\]", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_wrong_files_of_a_page_are_reported_as_it_shows(cli: Cli, page: Path) -> None:
    example = parts(page)[0]
    _, output = said(cli, example)
    assert reported(output) == {page.stem}, output
    block = f"```text says\n{output}\n```"
    assert SAYS.search(example)
    if UPDATE:
        text = SAYS.sub(lambda _: block, page.read_text(encoding="utf-8"))
        page.write_text(text, encoding="utf-8")
    else:
        assert block in example, f"OCCOPUS_UPDATE=1 writes this into the page:\n{output}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_right_files_of_a_page_are_in_order(cli: Cli, page: Path) -> None:
    remedy = parts(page)[1]
    assert files(remedy)
    code, output = said(cli, remedy)
    assert (code, reported(output)) == (0, set()), output


def listed(cli: Cli) -> list[Any]:
    return [json.loads(line) for line in cli.run("explain", "--format", "json").out.splitlines()]


def test_all_codes_are_listed(cli: Cli) -> None:
    pages = listed(cli)
    assert [page["code"] for page in pages] == [page.stem for page in PAGES]
    lines = cli.run("explain").out.splitlines()
    assert lines == [f"{page['code']}  {page['title']}" for page in pages]


def test_the_index_has_all_codes(cli: Cli) -> None:
    index = FOLDER / "README.md"
    rows = "".join(f"| [{page['code']}]({page['code']}.md) | {page['title']} |\n" for page in listed(cli))
    table = f"| code | problem |\n| --- | --- |\n{rows}"
    text = index.read_text(encoding="utf-8")
    if UPDATE:
        index.write_text(text.split("| code |")[0] + table, encoding="utf-8")
    else:
        assert text.endswith(table), "OCCOPUS_UPDATE=1 writes the list"


def test_a_page_is_printed_for_people(cli: Cli) -> None:
    shown = cli.run("explain", "occ0102").out
    assert shown.startswith("OCC0102: ")
    for words in (
        "\nExample\n",
        "\nRemedy\n",
        "\n    # infra.yaml\n    infra_name: demo\n",
        "error[OCC0102]",
    ):
        assert words in shown
    assert "```" not in shown


def test_a_page_is_printed_for_programs(cli: Cli) -> None:
    page = cli.run("explain", "OCC0102", "--format", "json").json
    assert page["schema"] == 1 and page["code"] == "OCC0102"
    assert all(page[key] for key in ("title", "cause", "example", "remedy"))


def test_an_unknown_code_is_refused_with_the_nearest(cli: Cli) -> None:
    assert "did you mean OCC0102?" in cli.run("explain", "OC0102", code=2).err
    assert "'occopus explain' lists all codes" in cli.run("explain", "cycle", code=2).err
