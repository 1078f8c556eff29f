"""A fresh home, the built programs and a few descriptions for the tests of the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Helpers are imported by name, whatever pytest's import mode is.
sys.path.insert(0, str(Path(__file__).parents[1] / "peers"))
sys.path.insert(0, str(Path(__file__).parent))

from occopus_cli import Cli


@pytest.fixture()
def cli(tmp_path: Path) -> Iterator[Cli]:
    """The commands with a home of their own. What is left when the test ends is destroyed."""
    cli = Cli(tmp_path)
    yield cli
    cli.clean_up()
