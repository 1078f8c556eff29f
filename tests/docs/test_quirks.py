"""The table of quirks names tests that exist, and all of them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_quirk_of_the_table_has_its_test_and_every_test_its_quirk():
    sources = [*(ROOT / "core").rglob("*.rs"), *(ROOT / "tests").rglob("*.py")]
    named = r"^\s*(?:async )?(?:fn|def) (?:test_)?(quirk_\d\d)_\w+\("
    tests = {
        name for path in sources for name in re.findall(named, path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    table = (ROOT / "docs" / "reference" / "quirks.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \|.*\| `(quirk_\d\d)` \|$", table, re.MULTILINE)
    assert all(f"quirk_{int(number):02}" == name for number, name in rows), rows
    assert sorted(name for _, name in rows) == sorted(tests)
