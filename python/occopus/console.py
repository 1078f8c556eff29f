"""Entry point of the console scripts: ``occopus`` and the legacy ``occopus-*`` names."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from . import _native


def main() -> int:
    """Run the command whose name the script was called by, and return its exit code."""
    # The command handles Ctrl-C itself; Python's handler would raise on top of that at the end.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native.run_command([Path(sys.argv[0]).name, *sys.argv[1:]])
