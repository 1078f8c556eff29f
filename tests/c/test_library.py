"""Programs in C, with the shared and with the static library, by themselves and under valgrind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from c_library import ROOT, VALGRIND, Library, need

EXAMPLE = ROOT / "examples" / "c" / "orchestrate.c"
MISUSE = Path(__file__).with_name("misuse.c")
KINDS = pytest.mark.parametrize("kind", ["shared", "static"])


def check_example(printed: str) -> None:
    """The infrastructure was built, looked after and destroyed, and all of it was told."""
    lines = printed.splitlines()
    events = [json.loads(line.removeprefix("event ")) for line in lines if line.startswith("event ")]
    kinds = [event["event"] for event in events]
    assert kinds[0] == "infrastart" and kinds[-1] == "infradrop"
    assert kinds.count("nodecreated") == kinds.count("nodedropped") == 3
    results = dict(line.split(" ", 1) for line in lines if not line.startswith("event "))
    assert json.loads(results["build"])["result"] == "ready"
    assert json.loads(results["destroy"])["result"] == "gone"
    # When a call returns, all of its events have been delivered.
    ready = next(number for number, line in enumerate(lines) if '"infraready"' in line)
    built = next(number for number, line in enumerate(lines) if line.startswith("build "))
    assert ready < built
    assert lines[-1].startswith("destroy ")


@KINDS
def test_the_example_builds_watches_and_destroys(library: Library, kind: str) -> None:
    program = library.compile(EXAMPLE, kind)
    check_example(library.run(program, kind, "1"))


@KINDS
def test_the_example_is_clean_under_valgrind(library: Library, kind: str) -> None:
    need("valgrind")
    program = library.compile(EXAMPLE, kind)
    check_example(library.run(program, kind, "1", under=tuple(VALGRIND)))


@KINDS
def test_misuse_is_told_and_does_no_harm(library: Library, kind: str) -> None:
    program = library.compile(MISUSE, kind, "-pthread")
    assert library.run(program, kind) == "0 failures\n"


@KINDS
def test_misuse_is_clean_under_valgrind(library: Library, kind: str) -> None:
    need("valgrind")
    program = library.compile(MISUSE, kind, "-pthread")
    assert library.run(program, kind, under=tuple(VALGRIND)) == "0 failures\n"


def test_the_makefile_of_the_example_builds_it_both_ways(library: Library, tmp_path: Path) -> None:
    need("make")
    for name in ("Makefile", "orchestrate.c"):
        (tmp_path / name).write_bytes((EXAMPLE.parent / name).read_bytes())
    for variables in ([], ["STATIC=1"]):
        command = ["make", "--always-make", *variables]
        ended = subprocess.run(
            command, cwd=tmp_path, env=library.environment(), capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        needed = subprocess.run(["ldd", tmp_path / "orchestrate"], capture_output=True, text=True, check=True)
        assert ("liboccopus.so.0" in needed.stdout) == (not variables)
    (tmp_path / "orchestrate").unlink()


def test_a_signal_handler_stops_a_watch(library: Library) -> None:
    program = library.compile(EXAMPLE, "shared")
    with subprocess.Popen(
        [program, "600"],
        cwd=library.home,
        env=library.run_environment("shared"),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        # A watch that does not stop ends by force, and fails the test by its exit code.
        guard = threading.Timer(120, process.kill)
        guard.start()
        for line in process.stdout:
            if line.startswith("build "):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stdout.read()
        guard.cancel()
    assert process.returncode == 0
    assert '"gone"' in rest.splitlines()[-1]


def test_the_installation_is_complete(library: Library) -> None:
    need("readelf", "nm")
    shared = library.folder / "liboccopus.so"
    assert os.readlink(shared) == "liboccopus.so.0"
    dynamic = subprocess.run(["readelf", "-d", shared], capture_output=True, text=True, check=True).stdout
    assert re.search(r"\(SONAME\).*\[liboccopus\.so\.0\]", dynamic)
    assert (library.folder / "liboccopus.a").exists()
    header = ROOT / "include" / "occopus.h"
    assert (library.prefix / "include" / "occopus.h").read_bytes() == header.read_bytes()
    version = re.search(
        r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert version is not None
    assert library.pkg_config("--modversion") == [version[1]]
    # Nothing that is not in the header can clash with a name of a program.
    command = ["nm", "--dynamic", "--defined-only", "--format=just-symbols", str(shared)]
    symbols = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    declared = re.findall(r"\b(occopus_\w+)\(", header.read_text(encoding="utf-8"))
    assert set(symbols) <= set(declared)
