"""include/occopus.h: current, documented, and good C and C++."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from c_library import ROOT, STRICT, absent, need

HEADER = ROOT / "include" / "occopus.h"
FUNCTIONS = re.findall(
    r"^(?:enum|const) .*\b(occopus_\w+)\(", HEADER.read_text(encoding="utf-8"), re.MULTILINE
)


def test_the_header_is_current():
    need("cargo")
    fetch = ["cargo", "fetch", "--quiet", "--locked", "--manifest-path", "bindings/c/header/Cargo.toml"]
    if subprocess.run(fetch, cwd=ROOT, capture_output=True, check=False).returncode != 0:
        absent("cbindgen cannot be downloaded")
    command = ["bindings/c/header.sh", "--check"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    "compiler",
    [["gcc", "-x", "c", *STRICT], ["g++", "-x", "c++", "-std=c++11", *STRICT[1:]]],
    ids=["c99", "c++11"],
)
def test_the_header_compiles_without_a_warning(compiler: list[str], tmp_path: Path):
    need(compiler[0])
    source = tmp_path / "includes"
    source.write_text("#include <occopus.h>\n#include <occopus.h>\nint nothing;\n", encoding="utf-8")
    command = [*compiler, "-fsyntax-only", f"-I{HEADER.parent}", str(source)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_every_function_and_code_is_in_the_reference():
    text = (ROOT / "docs" / "reference" / "c.md").read_text(encoding="utf-8")
    assert len(FUNCTIONS) > 20
    assert re.findall(r"^\| `(occopus_\w+)` \| \S", text, re.MULTILINE) == FUNCTIONS
    codes = re.findall(r"^  (OCCOPUS_\w+) = \d+,", HEADER.read_text(encoding="utf-8"), re.MULTILINE)
    assert re.findall(r"^\| `(OCCOPUS_\w+)` \| \S", text, re.MULTILINE) == codes


def test_programs_can_do_whatever_the_command_can():
    reference = ROOT / "docs" / "reference"
    commands = re.findall(
        r"^## occopus (\w+)", (reference / "cli.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    shown = (reference / "c.md").read_text(encoding="utf-8")
    assert len(commands) > 20
    lacking = [
        name for name in commands if f"occopus_{name}" not in FUNCTIONS and f"`occopus {name}" not in shown
    ]
    # Only what is about the command itself.
    assert lacking == ["completions", "help"]
