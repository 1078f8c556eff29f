"""Links resolve, and lists that repeat what stands elsewhere are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def anchors(path: Path) -> set[str]:
    """What a link can point at inside a text."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_resolve(path):
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), f"{path}: {link}"
        assert target == ROOT or ROOT in target.parents, f"{path}: {link} leaves the repository"
        if anchor:
            assert anchor in anchors(target), f"{path}: {link}"


def test_every_document_is_reached_from_the_readme():
    seen, queue = set(), [ROOT / "README.md"]
    while queue:
        path = queue.pop()
        seen.add(path)
        links = re.findall(r"\]\(([^)\s#]+\.md)[^)]*\)", path.read_text(encoding="utf-8"))
        targets = {(path.parent / link).resolve() for link in links if "://" not in link}
        queue += [target for target in targets if target not in seen and target.exists()]
    assert set(TEXTS) <= seen, sorted(set(TEXTS) - seen)


def test_every_dependency_is_explained():
    table = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    table = table.split("[workspace.dependencies]")[1].split("\n[")[0]
    used = re.findall(r"^(?!occopus)([\w-]+) =", table, re.MULTILINE)
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([\w-]+)` \| \S", text, re.MULTILINE) == used


def test_every_event_is_explained():
    source = (ROOT / "core" / "engine" / "src" / "event.rs").read_text(encoding="utf-8")
    kinds = re.findall(r"^    (\w+),$", source.split("pub enum EventKind {")[1].split("\n}")[0], re.MULTILINE)
    text = (ROOT / "docs" / "reference" / "events.md").read_text(encoding="utf-8")
    explained = re.findall(r"^\| `(\w+)` \| \w", text.split("| `event` | meaning |")[1], re.MULTILINE)
    assert sorted(explained) == sorted(kind.lower() for kind in kinds)


def test_every_kind_of_error_is_listed():
    source = (ROOT / "core" / "occopus" / "src" / "error.rs").read_text(encoding="utf-8")
    body = source.split("pub fn kind(")[1].split("\n    }\n")[0]
    text = (ROOT / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"`(\w+)`", text.split("`kind` is one of")[1]))
    assert set(re.findall(r'"(\w+)"', body)) == listed - {"problems"}
