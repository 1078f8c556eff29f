"""The package inside a Python process: signals, exit, console scripts, stubs."""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path

import pytest

import occopus
from occopus import _native

SCRIPTS = [
    "occopus",
    "occopus-build",
    "occopus-maintain",
    "occopus-destroy",
    "occopus-scale",
    "occopus-import",
    "occopus-rest-service",
]


def heed_ctrl_c() -> None:
    """Undo what a shell does to the jobs it starts in the background: they ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("moment", ["", "time.sleep(0.3)"], ids=["between", "inside a callback"])
def test_ctrl_c_stops_a_build_properly(project, moment: str) -> None:
    slow = project.write(
        "slow.yaml",
        "'node_def:slow':\n"
        "  - resource: {type: process}\n"
        "    contextualisation: {type: process, command: [sleep, '600']}\n"
        "    health_check: {ping: false, ports: [9], timeout: 600}\n",
    )
    infra = project.write(
        "slow-infra.yaml", "user_id: t\ninfra_name: slow\nnodes:\n  - {name: slow, type: slow}\n"
    )
    script = (
        "import occopus, time\n"
        f"engine = occopus.Occopus(store={str(project.store)!r})\n"
        "def on_event(event):\n"
        "    print(event.event, flush=True)\n"
        f"    {moment}\n"
        "try:\n"
        f"    engine.build({str(infra)!r}, nodes=[{str(slow)!r}], on_event=on_event)\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped', len(engine.list()), flush=True)\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c) as process:
        assert process.stdout is not None
        # A build that does not stop ends by force, and fails the test by its exit code.
        guard = threading.Timer(60, process.kill)
        guard.start()
        for line in process.stdout:
            if line.strip() == "nodestarted":
                process.send_signal(signal.SIGINT)
                break
        rest = process.stdout.read()
        guard.cancel()
    assert process.returncode == 0
    assert rest.splitlines()[-1] == "stopped 1"


@pytest.mark.parametrize("number", range(20))
def test_short_scripts_end_cleanly(project, number: int) -> None:
    script = f"import occopus; engine = occopus.Occopus(store={str(project.store)!r}); print(engine.list())"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (0, "[]\n", ""), number


def script(name: str) -> Path:
    found = Path(sysconfig.get_path("scripts")) / name
    assert found.exists(), f"{name} is not installed"
    return found


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_console_script_is_there_and_has_help(name: str) -> None:
    result = subprocess.run([script(name), "--help"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0
    assert name in result.stdout


def test_the_command_and_the_package_have_one_version() -> None:
    result = subprocess.run([script("occopus"), "--version"], capture_output=True, text=True, timeout=60)
    assert result.stdout.split() == ["occopus", occopus.__version__]


def test_ctrl_c_stops_a_console_script(project) -> None:
    environment = dict(os.environ, OCCOPUS_STORE=str(project.store))
    arguments = [script("occopus"), "watch", "--interval", "600"]
    with subprocess.Popen(
        arguments, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c
    ) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) in (0, 130)


def names_in(path: Path, name: str) -> set[str]:
    """Return the public members of class `name` in a stub; for an empty name those of the module."""
    body: list[ast.stmt] = ast.parse(path.read_text(encoding="utf-8")).body
    if name:
        (found,) = [node for node in body if isinstance(node, ast.ClassDef) and node.name == name]
        body = found.body
    names: set[str] = set()
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("_") or name == "__version__"}


def test_the_stub_names_exactly_what_the_module_has() -> None:
    stub = Path(occopus.__file__).parent / "_native.pyi"
    public = {name for name in dir(_native) if not name.startswith("_") or name == "__version__"}
    assert names_in(stub, "") == public
    methods = {name for name in dir(_native.Engine) if not name.startswith("_")}
    assert names_in(stub, "Engine") == methods


def test_every_exported_name_exists_and_is_documented() -> None:
    for name in occopus.__all__:
        assert getattr(getattr(occopus, name), "__doc__", None), name


def test_the_reference_lists_everything() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"`(\w+)", text))
    names = {name for name in occopus.__all__ if name != "__version__"}
    methods = {name for name in dir(occopus.Occopus) if not name.startswith("_")}
    assert sorted((names | methods) - listed) == []


USE_OF_EVERYTHING = """
import asyncio
from datetime import datetime, timedelta
from typing import Optional
import occopus

def show(event: occopus.Event) -> None:
    time: datetime = event.time
    print(time, event.slot, event.message)

engine = occopus.Occopus(store="x.db", max_parallel=4)
names: list[str] = engine.define("nodes.yaml")
plan: occopus.Plan = engine.plan("infra.yaml", nodes=["n.yaml"])
causes: list[str] = [action.cause for action in plan.actions]
built: occopus.BuildResult = engine.build("infra.yaml", new=True, on_event=show)
result: occopus.PassResult = engine.maintain(built.infra_id, on_event=show)
scaled: occopus.ScaleResult = engine.scale(built.infra_id, "worker", change=-1)
maintainer: Optional[str] = scaled.maintainer
status: occopus.Status = engine.status(built.infra_id)
addresses: list[tuple[str, ...]] = [instance.addresses for instance in status.instances()]
known: list[occopus.Infrastructure] = engine.list()
events: list[occopus.Event] = engine.events(built.infra_id)
logs: list[occopus.Log] = engine.logs(built.infra_id)
graph: str = engine.graph(built.infra_id, "mermaid")
hold: occopus.Hold = engine.pause(built.infra_id, duration=timedelta(hours=1))
lifted: Optional[occopus.Hold] = engine.resume(built.infra_id)
changed = engine.build("infra.yaml", infra="a", replace=occopus.Replacing(only=["worker+deps"]))
stale: list[Optional[str]] = [instance.stale for instance in status.instances()]
orphans: tuple[occopus.Orphan, ...] = engine.orphans().ours
problems_found: tuple[occopus.Problem, ...] = occopus.validate(["infra.yaml"]).errors
history: list[occopus.Generation] = engine.history("a")
outputs: dict[str, str] = engine.outputs("a").values
for event in engine.follow("a"):
    show(event)

async def main() -> None:
    async with occopus.AsyncOccopus(store="x.db") as engine:
        built: occopus.BuildResult = await engine.build("infra.yaml", on_event=show)
        async for event in engine.follow(built.infra_id):
            show(event)
        scaled: occopus.ScaleResult = await engine.scale(built.infra_id, "worker", count=2, wait=True)
        done: bool = scaled.done
        await asyncio.wait_for(engine.watch(interval=5.0), 60)

asyncio.run(main())
try:
    engine.destroy(built.infra_id)
except occopus.DestroyIncompleteError as error:
    left: tuple[occopus.FailedAction, ...] = error.failures
except occopus.DescriptorError as error:
    problems: tuple[occopus.Problem, ...] = error.problems
"""


def test_users_code_is_checked_against_complete_types(tmp_path: Path) -> None:
    mypy = shutil.which("mypy", path=f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}")
    assert mypy, "mypy is not installed; tests/requirements.txt lists it"
    sample = tmp_path / "sample.py"
    sample.write_text(USE_OF_EVERYTHING, encoding="utf-8")
    command = [mypy, "--strict", "--python-executable", sys.executable, str(sample)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import occopus\nx: int = occopus.Occopus().list()\n", encoding="utf-8")
    command[-1] = str(wrong)
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert result.returncode == 1, "types must be seen, not be Any"
