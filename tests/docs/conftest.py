"""The built command with a home of its own, run at the root of the repository."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

Occopus = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def binary() -> Path:
    """The command: named by OCCOPUS_BIN, or where cargo puts it."""
    path = Path(os.environ.get("OCCOPUS_BIN") or ROOT / "target" / "debug" / "occopus").resolve()
    if not path.exists():
        reason = f"{path} is not built: cargo build -p occopus-cli"
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI=true and {reason}")
        print(reason)
        pytest.skip(reason)
    return path


@pytest.fixture()
def occopus(binary: Path, tmp_path: Path) -> Occopus:
    """Run the command, or the legacy command `name`, and return how it ended."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "OCCOPUS_STORE": str(home / "occopus.db")}

    def run(*arguments: object, name: str = "occopus") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [name, *map(str, arguments)],
            executable=binary,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run
