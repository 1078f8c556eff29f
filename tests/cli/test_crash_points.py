"""SIGKILL at every write of the store and every call to a back-end, one after the other.

A first run of each operation records the crash points it passes; then the operation is repeated once for
each of them and killed there. One plain pass must mend everything.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker_engine
import ec2_cloud
import pytest
from occopus_cli import Cli, processes_of, program

#: How often a point may be missed before it counts as one that is never hit: how long an instance takes
#: to be ready decides over the last polls.
TRIES = 4

PROCESSES = """
'node_def:vm':
  - resource: {type: process}
    contextualisation: {type: process, command: [sleep, '1000']}
    health_check: {ping: false}
"""

#: They end at once when they are asked to.
CONTAINERS = """
'node_def:vm':
  - resource: {type: docker, endpoint: '%s', origin: local, image: occopus-test/busybox, tag: latest}
    contextualisation: {type: docker, env: [], command: [sh, -c, 'trap exit TERM; sleep 1000 & wait']}
    health_check: {ping: false}
"""

DESCRIPTION = """
user_id: tester
infra_name: crash
variables: {n: %d}
nodes:
  - &A {name: a, type: vm, scaling: {min: 1, max: 1}}
  - &B {name: b, type: vm, scaling: {min: %d, max: 3}}
dependencies:
  - [*B, *A]
"""


@dataclass(frozen=True)
class BackEnd:
    """Where instances live, and how to look at them and to lose one without asking Occopus."""

    definitions: str
    #: The living resources of an infrastructure by node id.
    resources: Callable[[str], dict[str, list[Any]]]
    lose: Callable[[str, str], None]
    auth: str | None = None


@contextmanager
def processes() -> Iterator[BackEnd]:
    def lose(infra: str, node_id: str) -> None:
        for pid in processes_of(infra)[node_id]:
            os.kill(pid, signal.SIGKILL)

    yield BackEnd(PROCESSES, processes_of, lose)


@contextmanager
def ec2() -> Iterator[BackEnd]:
    with ec2_cloud.stub() as cloud:

        def lose(infra: str, node_id: str) -> None:
            (instance,) = cloud.instances(infra)[node_id]
            cloud.call("TerminateInstances", **{"InstanceId.1": instance["id"]})

        yield BackEnd(cloud.definition("vm"), cloud.instances, lose, ec2_cloud.AUTH)


@contextmanager
def docker() -> Iterator[BackEnd]:
    engine = docker_engine.engine()

    def lose(infra: str, node_id: str) -> None:
        (container,) = engine.containers(infra)[node_id]
        engine.call("rm", "-f", container)

    yield BackEnd(CONTAINERS % engine.endpoint, engine.containers, lose)


class Trial:
    """One infrastructure in a folder of its own, worked on by the program with crash points."""

    def __init__(self, folder: Path, back_end: BackEnd) -> None:
        folder.mkdir()
        self.cli = Cli(folder)
        self.back_end = back_end
        self.log = folder / "points"
        binary = program("occopus-with-crash-points", "OCCOPUS_CRASH_BIN")
        (self.cli.bin / "crashing").symlink_to(binary.resolve())
        self.cli.write("nodes.yaml", back_end.definitions)
        if back_end.auth:
            self.cli.log_in(back_end.auth)
        self.describe(1)
        #: Node ids by slot before the operation.
        self.before: dict[str, str] = {}
        self.id = ""

    def describe(self, count: int, variable: int = 1) -> None:
        """Writes a description with so many instances of node `b`, and a variable of all nodes."""
        self.cli.write("infra.yaml", DESCRIPTION % (variable, count))

    def build(self) -> None:
        self.cli.run("build", "infra.yaml", "--nodes", "nodes.yaml", "--sequential")

        self.id = self.infra()
        self.before = self.lived()

    def lived(self) -> dict[str, str]:
        """Node ids by slot."""
        return {name: slot["node_id"] for name, slot in self.cli.slots(self.infra()).items()}

    def infra(self) -> str:
        (record,) = self.cli.infras()
        return record["infra_id"]

    def crash(self, arguments: tuple[str, ...], point: str | None) -> tuple[int, str]:
        """Runs a command that is to die at `point`; without one, notes the points it passes."""
        variables = {"OCCOPUS_CRASH_AT": point} if point else {"OCCOPUS_CRASH_LOG": str(self.log)}
        process = self.cli.start(*arguments, command="crashing", env=variables)
        out, err = process.communicate(timeout=120)
        return process.returncode, out + err


def settled(trial: Trial, slots: set[str]) -> None:
    """One plain pass makes it whole: every slot has one living instance, and nothing else lives."""
    infra = trial.infra()
    trial.cli.run("maintain", infra)
    status = trial.cli.status(infra)
    assert status["health"] == "ready", status
    lived = trial.lived()
    assert set(lived) == slots
    there = trial.back_end.resources(infra)
    assert sorted(there) == sorted(lived.values())
    assert all(len(same) == 1 for same in there.values()), there


class Build:
    """A first build."""

    command = ("build", "infra.yaml", "--nodes", "nodes.yaml", "--sequential")

    def prepare(self, trial: Trial) -> None:
        pass

    def mend(self, trial: Trial) -> None:
        if not trial.cli.infras():
            # Killed before its goal was durable: then there is nothing at all.
            trial.build()
        settled(trial, {"a/1", "b/1"})


class BuildTogether:
    """A first build whose instances of one node are made by one call."""

    command = ("build", "infra.yaml", "--nodes", "nodes.yaml")

    def prepare(self, trial: Trial) -> None:
        trial.describe(3)

    def mend(self, trial: Trial) -> None:
        if not trial.cli.infras():
            trial.build()
        settled(trial, {"a/1", "b/1", "b/2", "b/3"})


class Maintain:
    """A pass that replaces what died."""

    command = ("maintain", "crash", "--sequential")

    def prepare(self, trial: Trial) -> None:
        trial.build()
        trial.back_end.lose(trial.id, trial.before["b/1"])

    def mend(self, trial: Trial) -> None:
        settled(trial, {"a/1", "b/1"})
        after = trial.lived()
        assert after["a/1"] == trial.before["a/1"], "what was well stays"
        assert after["b/1"] != trial.before["b/1"]


class ScaleUp:
    """A pass that carries a scaling request out."""

    command = ("maintain", "crash", "--sequential")
    request, slots = "b=2", {"a/1", "b/1", "b/2"}

    def prepare(self, trial: Trial) -> None:
        trial.build()
        trial.cli.run("scale", "crash", self.request)

    def mend(self, trial: Trial) -> None:
        settled(trial, self.slots)


class ScaleDown(ScaleUp):
    """A pass that removes instances."""

    request, slots = "b=1", {"a/1", "b/1"}

    def prepare(self, trial: Trial) -> None:
        trial.build()
        trial.cli.run("scale", "crash", "b=2")
        trial.cli.run("maintain", "crash")
        trial.cli.run("scale", "crash", self.request)


class Reconfigure:
    """A change of the description that adds instances."""

    command = ("build", "-i", "crash", "infra.yaml", "--nodes", "nodes.yaml", "--sequential", "--yes")

    def prepare(self, trial: Trial) -> None:
        trial.build()
        trial.describe(2)

    def mend(self, trial: Trial) -> None:
        # Before the new description is in force the old one is whole; from then on the change goes on.
        new = trial.cli.status(trial.infra())["generation"] == 2
        settled(trial, {"a/1", "b/1", "b/2"} if new else {"a/1", "b/1"})
        after = trial.lived()
        assert {slot: after[slot] for slot in trial.before} == trial.before, "what was well stays"


class Rename(Reconfigure):
    """A change of the name of a node."""

    def prepare(self, trial: Trial) -> None:
        trial.build()
        text = (trial.cli.folder / "infra.yaml").read_text().replace("name: b,", "name: c,")
        trial.cli.write("infra.yaml", text + "moved: [{from: b, to: c}]\n")

    def mend(self, trial: Trial) -> None:
        new = trial.cli.status(trial.infra())["generation"] == 2
        settled(trial, {"a/1", "c/1"} if new else {"a/1", "b/1"})
        assert sorted(trial.lived().values()) == sorted(trial.before.values()), "a name changes no instance"


class Replace(Reconfigure):
    """A change that replaces all instances, one after the other."""

    command = (*Reconfigure.command[:-1], "--confirm", "crash")

    def prepare(self, trial: Trial) -> None:
        trial.build()
        trial.describe(1, variable=2)

    def mend(self, trial: Trial) -> None:
        new = trial.cli.status(trial.infra())["generation"] == 2
        settled(trial, {"a/1", "b/1"})
        slots = trial.cli.slots(trial.infra())
        assert not any(slot["outdated"] for slot in slots.values()), slots
        after = trial.lived()
        unchanged = [slot for slot in after if after[slot] == trial.before[slot]]
        assert len(unchanged) == (0 if new else 2), unchanged


class Destroy:
    """Taking everything down."""

    command = ("destroy", "crash", "--yes")

    def prepare(self, trial: Trial) -> None:
        trial.build()

    def mend(self, trial: Trial) -> None:
        if trial.cli.infras():
            trial.cli.run("destroy", trial.id, "--yes")
        assert trial.back_end.resources(trial.id) == {}
        assert trial.cli.infras() == []


OPERATIONS = [Build, Maintain, ScaleUp, ScaleDown, Reconfigure, Rename, Replace, Destroy]
CASES = [
    *((processes, operation) for operation in OPERATIONS),
    *((ec2, operation) for operation in (*OPERATIONS, BuildTogether)),
    (docker, Build),
    (docker, Destroy),
]


def points_of(folder: Path, back_end: BackEnd, operation: Any) -> list[str]:
    """The crash points that the operation passes."""
    trial = Trial(folder, back_end)
    operation.prepare(trial)
    code, text = trial.crash(operation.command, None)
    assert code == 0, text
    operation.mend(trial)
    trial.cli.clean_up()
    return trial.log.read_text().splitlines()


def die_at(folder: Path, back_end: BackEnd, operation: Any, point: str) -> None:
    """Repeats the operation, kills it at `point`, and mends it."""
    for attempt in range(TRIES):
        trial = Trial(folder / f"try{attempt}", back_end)
        operation.prepare(trial)
        code, text = trial.crash(operation.command, point)
        assert code in (0, -signal.SIGKILL), f"{point}: {text}"
        try:
            operation.mend(trial)
        except AssertionError as error:
            raise AssertionError(f"killed {point}: {error}") from error
        trial.cli.clean_up()
        if code != 0:
            return
    pytest.fail(f"the point '{point}' was never hit")


@pytest.mark.parametrize(
    ("where", "kind"), CASES, ids=lambda part: getattr(part, "__name__", str(part)).lower()
)
def test_a_crash_at_any_point_is_mended_by_one_plain_pass(
    tmp_path: Path, where: Any, kind: type, capsys: pytest.CaptureFixture[str]
) -> None:
    operation = kind()
    with where() as back_end:
        points = points_of(tmp_path / "record", back_end, operation)
        assert points, "no crash point was passed"
        folders = [tmp_path / str(number) for number in range(len(points))]
        for folder in folders:
            folder.mkdir()
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda job: die_at(job[0], back_end, operation, job[1]), zip(folders, points)))
    with capsys.disabled():
        print(f" {kind.__name__} on {where.__name__}: killed at {len(points)} points, mended each time")
