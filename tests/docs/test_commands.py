"""What the documentation says about commands is what the commands take."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
REFERENCE = ROOT / "docs" / "reference" / "cli.md"


def console_lines(text: str) -> list[str]:
    """The commands in `console` blocks."""
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def inline_commands(text: str) -> list[str]:
    """Whole command lines of occopus in the running text."""
    return re.findall(r"`(occopus(?:-[a-z-]+)? [a-z-][^`]+)`", text)


def flags(help_text: str) -> set[str]:
    """All options that a part of a help text or of the reference lists."""
    listed = re.findall(r"^\s+(?:-\w, )?--[\w-]+|^\s+-\w, --[\w-]+", help_text, re.MULTILINE)
    return {flag for line in listed for flag in re.findall(r"--?[\w-]+", line)}


def section(text: str, heading: str) -> str:
    """The part of a help text below a heading that ends with a colon."""
    found = re.search(rf"^{re.escape(heading)}:\n(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def documented_sections() -> dict[str, str]:
    """The sections of the reference by their heading's first two words."""
    parts = re.split(r"^## ", REFERENCE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {" ".join(part.split("\n", 1)[0].split()[:2]): part for part in parts}


def documented_flags(part: str) -> set[str]:
    """The options in the first column of the tables of a section."""
    cells = re.findall(r"^\| (`-.*?) \|", part, re.MULTILINE)
    return {flag for cell in cells for flag in re.findall(r"`(--?[\w-]+)", cell)}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_shown_is_accepted(path, occopus):
    text = path.read_text(encoding="utf-8")
    for line in [*console_lines(text), *inline_commands(text)]:
        name, *arguments = shlex.split(line)
        if name == "make":
            assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), line
        elif name.startswith("occopus"):
            # Help comes instead of the action, but only if everything before it is understood.
            done = occopus(*arguments, "--help", name=name)
            assert done.returncode == 0, f"{path}: {line}: {done.stderr}"


def test_there_are_commands_to_check():
    lines = [line for path in TEXTS for line in console_lines(path.read_text(encoding="utf-8"))]
    assert sum(line.startswith("occopus ") for line in lines) > 20


def test_the_reference_has_exactly_the_commands_there_are(occopus):
    listed = re.findall(r"^  ([a-z]+) ", section(occopus("--help").stdout, "Commands"), re.MULTILINE)
    documented = [name.split()[1] for name in documented_sections() if name.startswith("occopus ")]
    assert documented == listed


def test_the_reference_has_exactly_the_options_of_every_command(occopus):
    for name, part in documented_sections().items():
        if name in ("occopus help",) or not name.startswith("occopus "):
            continue
        help_text = occopus(name.split()[1], "--help").stdout
        own = flags(section(help_text, "Options")) - {"-h", "--help"}
        assert documented_flags(part) == own, name


def test_the_reference_has_exactly_the_global_options(occopus):
    help_text = occopus("--help").stdout
    listed = flags(section(help_text, "Options")) | flags(section(help_text, "Global options"))
    # `-vv` is `-v` twice, and `-h` is listed as the help it is.
    assert documented_flags(documented_sections()["Options of"]) == listed


def test_every_command_of_the_readme_is_there(occopus):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `occopus ([a-z]+)", readme, re.MULTILINE)
    listed = re.findall(r"^  ([a-z]+) ", section(occopus("--help").stdout, "Commands"), re.MULTILINE)
    assert named == [name for name in listed if name != "help"]
