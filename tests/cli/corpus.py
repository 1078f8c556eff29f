"""Descriptors of the original's tutorials, with the places replaced that only a user can know."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from occopus_cli import ROOT, absent

CORPUS = ROOT.parent / "shared" / "corpus"


def tutorial(name: str, folder: Path) -> Path:
    """A copy of a tutorial's files in `folder`."""
    source = CORPUS / name
    if not source.is_dir():
        absent(f"there is no {source}")
    target = folder / name
    shutil.copytree(source, target)
    return target


def replace(file: Path, **values: str) -> None:
    """Replaces the values of keys, wherever they stand."""
    text = file.read_text()
    for key, value in values.items():
        text, count = re.subn(rf"(?m)^(\s*{key}:).*$", rf"\1 {value}", text)
        assert count, f"{file} has no {key}"
    file.write_text(text)
