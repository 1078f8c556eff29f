"""Programs in C, with the shared and with the static library, by themselves and under valgrind."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from c_library import ROOT, VALGRIND, Library, need

EXAMPLE = ROOT / "examples" / "c" / "orchestrate.c"
HERE = Path(__file__).parent
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


#: Programs that check by themselves.
CHECKS = pytest.mark.parametrize("name", ["misuse", "operations", "adversary"])


@KINDS
@CHECKS
def test_a_program_finds_no_failure(library: Library, kind: str, name: str) -> None:
    program = library.compile(HERE / f"{name}.c", kind)
    assert library.run(program, kind) == "0 failures\n"


@KINDS
@CHECKS
def test_a_program_is_clean_under_valgrind(library: Library, kind: str, name: str) -> None:
    need("valgrind")
    program = library.compile(HERE / f"{name}.c", kind)
    assert library.run(program, kind, under=tuple(VALGRIND)) == "0 failures\n"


@KINDS
def test_a_program_may_exit_in_the_middle_of_a_call(library: Library, kind: str) -> None:
    program = library.compile(HERE / "adversary.c", kind)
    for _ in range(10):
        assert library.run(program, kind, "leave") == ""


def test_a_program_in_cpp_is_compiled_and_linked(library: Library, tmp_path: Path) -> None:
    need("g++")
    source = tmp_path / "program.cpp"
    source.write_text(
        "#include <cstdio>\n#include <occopus.h>\nint main() { std::puts(occopus_version()); }\n",
        encoding="utf-8",
    )
    strict = ["-std=c++11", "-Wall", "-Wextra", "-pedantic", "-Werror"]
    command = ["g++", *strict, str(source), "-o", str(tmp_path / "program"), *library.flags("shared")]
    subprocess.run(command, env=library.environment(), check=True)
    assert library.run(tmp_path / "program", "shared").split() == library.pkg_config("--modversion")


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
        assert ("liboccopus.so." in needed.stdout) == (not variables)
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
