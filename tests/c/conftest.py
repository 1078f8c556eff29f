"""The C library, built and installed once, and a home for each test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Helpers are imported by name, whatever pytest's import mode is.
sys.path.insert(0, str(Path(__file__).parent))

from c_library import ROOT, Library, need

SLOW = """
'node_def:slow':
  - resource: {type: process}
    contextualisation: {type: process, command: [sleep, '600']}
    health_check: {ping: false, ports: [9], timeout: 600}
"""


@pytest.fixture(scope="session")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the library is installed, in the profile that the other tests have compiled."""
    need("cargo", "gcc", "pkg-config")
    prefix = tmp_path_factory.mktemp("prefix")
    command = ["bindings/c/install.sh", "--prefix", str(prefix), "--profile", "dev"]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(ROOT / "target")}
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=3600, check=False
    )
    assert ended.returncode == 0, ended.stderr
    yield prefix
    # Hundreds of megabytes, of which pytest would keep those of the last three runs.
    shutil.rmtree(prefix)


@pytest.fixture()
def library(prefix: Path, tmp_path: Path) -> Iterator[Library]:
    """The library with a home that has the descriptors. What is left when the test ends is destroyed."""
    for name in ("infra.yaml", "nodes.yaml"):
        shutil.copy(ROOT / "examples" / "c" / name, tmp_path)
    (tmp_path / "slow.yaml").write_text(SLOW, encoding="utf-8")
    library = Library(prefix, tmp_path)
    yield library
    command = ROOT / "target" / "debug" / "occopus"
    if not command.exists():
        return
    for name in ("clock-and-reader", "slow", "ops"):
        subprocess.run(
            [command, "destroy", name, "--yes"], env=library.environment(), capture_output=True, check=False
        )
