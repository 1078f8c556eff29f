"""Every descriptor in the examples and in the documentation is valid, and those of processes are built."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/infra.yaml"))
TEXTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def yaml_blocks(path: Path) -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def build_and_destroy(occopus, infra: Path, nodes: Path) -> None:
    """Build an infrastructure, look whether everything in it is ready, and destroy it."""
    built = occopus("build", infra, "--nodes", nodes)
    infra_id = built.stdout.split()[-1] if built.stdout else ""
    try:
        assert built.returncode == 0, built.stderr
        status = json.loads(occopus("status", infra_id, "--format", "json").stdout)
        states = [slot["state"] for node in status["nodes"] for slot in node["slots"]]
        assert states and set(states) == {"ready"}, status
    finally:
        destroyed = occopus("destroy", infra_id, "--yes")
    assert destroyed.returncode == 0, destroyed.stderr


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_can_be_planned_without_a_warning(folder, occopus, tmp_path):
    # In a folder of their own where they import further files, as in the tutorials of Occopus 1.10.
    nodes = next(
        path for name in ("nodes/node_definitions.yaml", "nodes.yaml") if (path := folder / name).exists()
    )
    credentials = tmp_path / "auth_data.yaml"
    credentials.write_text(
        "resource: [{type: ec2, auth_data: {accesskey: a, secretkey: s}}]\n", encoding="utf-8"
    )
    done = occopus("plan", folder / "infra.yaml", "--nodes", nodes, "--auth", credentials)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "  + create " in done.stdout and "warning" not in done.stdout


def test_the_example_of_processes_works(occopus):
    folder = ROOT / "examples" / "three-tier"
    build_and_destroy(occopus, folder / "infra.yaml", folder / "nodes" / "node_definitions.yaml")


@pytest.mark.parametrize("name", ["README.md", "docs/tutorial.md"])
def test_the_first_infrastructure_of_a_reader_works(name, occopus, tmp_path):
    infra, nodes = yaml_blocks(ROOT / name)[:2]
    (tmp_path / "infra.yaml").write_text(infra, encoding="utf-8")
    (tmp_path / "nodes.yaml").write_text(nodes, encoding="utf-8")
    build_and_destroy(occopus, tmp_path / "infra.yaml", tmp_path / "nodes.yaml")


def test_the_tutorial_shows_the_plan_as_it_is(occopus, tmp_path):
    tutorial = ROOT / "docs" / "tutorial.md"
    infra, nodes = yaml_blocks(tutorial)[:2]
    (tmp_path / "infra.yaml").write_text(infra, encoding="utf-8")
    (tmp_path / "nodes.yaml").write_text(nodes, encoding="utf-8")
    done = occopus("plan", tmp_path / "infra.yaml", "--nodes", tmp_path / "nodes.yaml")
    shown = tutorial.read_text(encoding="utf-8").split("$ occopus plan")[1].split("\n", 1)[1]
    assert shown.startswith(done.stdout) and done.stdout


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_node_definitions_in_a_text_are_valid(path, occopus, tmp_path):
    # What they import is what the examples have.
    for imported in (ROOT / "examples").glob("*/nodes/cloud_init_*"):
        shutil.copy(imported, tmp_path)
    for block in yaml_blocks(path):
        if "node_def:" not in block:
            continue
        (tmp_path / "nodes.yaml").write_text(block, encoding="utf-8")
        done = occopus("define", tmp_path / "nodes.yaml")
        assert done.returncode == 0, f"{path}: {done.stderr}"
        assert done.stderr == "", f"{path}: {done.stderr}"


def peer(variable: str) -> str:
    """The address of a real back-end that the environment names."""
    address = os.environ.get(variable)
    if not address:
        reason = f"{variable} names no back-end"
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI=true and {reason}")
        print(reason)
        pytest.skip(reason)
    return address


def on_engine(definitions: str, endpoint: str) -> str:
    """Node definitions whose containers run on the engine at `endpoint`, from the image it has."""
    for written, wanted in {
        "unix:///var/run/docker.sock": endpoint,
        "origin: dockerhub": "origin: local",
        "image: busybox": "image: occopus-test/busybox",
        'tag: "1.36"': "tag: latest",
    }.items():
        assert written in definitions
        definitions = definitions.replace(written, wanted)
    return definitions


def on_cloud(definitions: str, endpoint: str) -> str:
    """Node definitions whose machines run on the cloud at `endpoint`, without what only a user has."""
    definitions = definitions.replace("https://ec2.eu-central-1.amazonaws.com", endpoint)
    definitions = definitions.replace("replace_with_an_image_that_runs_cloud_init", "ami-12345678")
    return re.sub(r"^.*replace_with_.*\n", "", definitions, flags=re.MULTILINE)


def test_the_example_of_containers_works(occopus, tmp_path):
    folder = ROOT / "examples" / "docker"
    definitions = (folder / "nodes" / "node_definitions.yaml").read_text(encoding="utf-8")
    nodes = tmp_path / "nodes.yaml"
    nodes.write_text(on_engine(definitions, peer("OCCOPUS_TEST_DOCKER")), encoding="utf-8")
    build_and_destroy(occopus, folder / "infra.yaml", nodes)


def test_the_example_on_three_back_ends_works(occopus, tmp_path):
    folder = ROOT / "examples" / "hybrid"
    definitions = (folder / "nodes" / "node_definitions.yaml").read_text(encoding="utf-8")
    definitions = on_cloud(definitions, peer("OCCOPUS_TEST_MOTO"))
    nodes = tmp_path / "nodes.yaml"
    nodes.write_text(on_engine(definitions, peer("OCCOPUS_TEST_DOCKER")), encoding="utf-8")
    # The keys of the example are as good as any for a simulated cloud.
    home = tmp_path / "home" / ".occopus"
    home.mkdir()
    shutil.copy(ROOT / "examples" / "ec2" / "auth_data.yaml", home)
    build_and_destroy(occopus, folder / "infra.yaml", nodes)
