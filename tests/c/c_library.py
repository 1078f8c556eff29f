"""The installed C library, and programs that are compiled with it."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: Any error, and any memory that nothing points at any more, makes the program fail.
VALGRIND = [
    "valgrind",
    "--quiet",
    "--leak-check=full",
    "--show-leak-kinds=definite",
    "--errors-for-leak-kinds=definite",
    "--error-exitcode=99",
    # Threads do not survive a fork; what they had is lost in a child.
    "--child-silent-after-fork=yes",
]

STRICT = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"]


def absent(reason: str) -> NoReturn:
    """Skip a test that needs something absent; in a run that must be complete, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI=true and {reason}")
    print(reason)
    pytest.skip(reason)


def need(*programs: str) -> None:
    """Skip the test, or fail with CI=true, unless the programs are there."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        absent(f"not installed: {', '.join(missing)}")


@dataclass
class Library:
    """The library below a prefix, and a home for the programs that use it."""

    prefix: Path
    home: Path

    @property
    def folder(self) -> Path:
        return self.prefix / "lib"

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "OCCOPUS_STORE": str(self.home / "occopus.db"),
            "PKG_CONFIG_PATH": str(self.folder / "pkgconfig"),
        }

    def run_environment(self, kind: str) -> dict[str, str]:
        """Where a program finds the shared library; one with the static library must not need that."""
        path = {"LD_LIBRARY_PATH": str(self.folder)} if kind == "shared" else {}
        return {**self.environment(), **path}

    def pkg_config(self, *arguments: str) -> list[str]:
        command = ["pkg-config", *arguments, "occopus"]
        return subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, check=True
        ).stdout.split()

    def flags(self, kind: str) -> list[str]:
        """What a program is compiled and linked with, as docs/how-to/c.md says."""
        if kind == "shared":
            return self.pkg_config("--cflags", "--libs")
        flags = self.pkg_config("--static", "--cflags", "--libs")
        return ["-l:liboccopus.a" if flag == "-loccopus" else flag for flag in flags]

    def compile(self, source: Path, kind: str) -> Path:
        """Compile a program, once for all tests."""
        program = self.prefix / "bin" / f"{source.stem}-{kind}"
        if not program.exists():
            program.parent.mkdir(exist_ok=True)
            command = ["gcc", "-g", *STRICT, str(source), "-o", str(program), "-pthread", *self.flags(kind)]
            ended = subprocess.run(
                command, env=self.environment(), capture_output=True, text=True, check=False
            )
            assert ended.returncode == 0, ended.stderr
        return program

    def run(self, program: Path, kind: str, *arguments: str, under: tuple[str, ...] = ()) -> str:
        """Run a program in its home, and return what it printed; it must succeed."""
        ended = subprocess.run(
            [*under, str(program), *arguments],
            cwd=self.home,
            env=self.run_environment(kind),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert ended.returncode == 0, f"{ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout
