"""A real Docker Engine, looked at with Docker's own client."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from occopus_cli import absent

#: The image with a shell that the engine for tests comes with.
BUSYBOX = "occopus-test/busybox:latest"


class Engine:
    """The engine at an endpoint."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def call(self, *arguments: object) -> str:
        """Runs Docker's client."""
        command = ["docker", "-H", self.endpoint, *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def containers(self, infra: str) -> dict[str, list[str]]:
        """All containers of an infrastructure, running or not, by node id."""
        label = '{{.Label "occopus.node-id"}} {{.ID}}'
        found: dict[str, list[str]] = {}
        for line in self.call(
            "ps", "-a", "--filter", f"label=occopus.infra={infra}", "--format", label
        ).splitlines():
            node, container = line.split()
            found.setdefault(node, []).append(container)
        return found

    def inspect(self, container: str) -> Any:
        """All that the engine knows about a container."""
        return json.loads(self.call("inspect", container))[0]

    def image_with_start_script(self, folder: Path, name: str) -> None:
        """An image whose /root/start.sh tells its environment and then sleeps."""
        script = folder / "start.sh"
        script.write_text("#!/bin/sh\nenv\nexec sleep 1000\n")
        script.chmod(0o755)
        container = self.call("create", BUSYBOX, "sh")
        try:
            root = folder / "root"
            root.mkdir(exist_ok=True)
            script.rename(root / "start.sh")
            self.call("cp", root, f"{container}:/")
            self.call("commit", container, name)
        finally:
            self.call("rm", container)


def engine() -> Engine:
    """The engine that the environment names."""
    endpoint = os.environ.get("OCCOPUS_TEST_DOCKER")
    if not endpoint:
        absent("OCCOPUS_TEST_DOCKER names no Docker Engine")
    return Engine(endpoint)


def definitions(endpoint: str, **commands: str) -> str:
    """Node definitions of containers without health checks."""
    text = ""
    for name, command in commands.items():
        text += f"""
'node_def:{name}':
  - resource:
      {{type: docker, endpoint: '{endpoint}', origin: local, image: occopus-test/busybox, tag: latest}}
    contextualisation: {{type: docker, env: [], command: '{command}'}}
    health_check: {{ping: false}}
"""
    return text
