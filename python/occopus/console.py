"""Entry point of the console scripts: ``occopus`` and the legacy ``occopus-*`` names."""

from __future__ import annotations

import sys
from pathlib import Path

from . import _native


def main() -> int:
    """Run the command whose name the script was called by, and return its exit code."""
    return _native.run_command([Path(sys.argv[0]).name, *sys.argv[1:]])
