"""A fresh store and a small infrastructure of processes for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import occopus

DEFINITIONS = """
'node_def:server':
  - resource: {type: process}
    contextualisation:
      type: process
      command: [sh, -c, 'exec python3 -m http.server --bind "$OCCOPUS_ADDRESS" 8080']
    health_check: {ping: false, ports: [8080], timeout: 60}
'node_def:client':
  - resource: {type: process}
    contextualisation:
      type: process
      env: ["PEER={{getip('server')}}"]
      command: [sh, -c, 'echo "peer $PEER"; exec sleep 600']
    health_check: {ping: false}
'node_def:broken':
  - resource: {type: process}
    contextualisation:
      type: process
      command: [sh, -c, 'echo out of luck; exit 3']
    health_check: {ping: false, ports: [8080], timeout: 60}
"""

INFRASTRUCTURE = """
user_id: tester
infra_name: pair
nodes:
  - &S {name: server, type: server, scaling: {min: 1, max: 3}}
  - &C {name: client, type: client}
dependencies:
  - [*C, *S]
"""

BROKEN = """
user_id: tester
infra_name: broken
nodes:
  - {name: broken, type: broken}
"""


class Project:
    """A folder with descriptors and a store of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.infra = self.write("infra.yaml", INFRASTRUCTURE)
        self.broken = self.write("broken.yaml", BROKEN)
        self.nodes = self.write("nodes.yaml", DEFINITIONS)
        self.store = folder / "store" / "occopus.db"

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def open(self) -> occopus.Occopus:
        return occopus.Occopus(store=self.store)


@pytest.fixture()
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for variable in ("OCCOPUS_STORE", "OCCOPUS_CONFIG_PATH", "OCCOPUS_AUTH_DATA_PATH"):
        monkeypatch.delenv(variable, raising=False)
    project = Project(tmp_path)
    yield project
    leftover = project.open()
    for infrastructure in leftover.list():
        leftover.destroy(infrastructure.infra_id)
