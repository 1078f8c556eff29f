"""Running the commands and looking at what they made, without asking them."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
LEGACY = ("build", "maintain", "destroy", "scale", "import", "rest-service")
#: Longest wait for anything that should happen soon.
PATIENCE = 60.0


def absent(reason: str) -> NoReturn:
    """Skips a test that needs something absent; in a run that must be complete, fails it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI=true and {reason}")
    print(reason)
    pytest.skip(reason)


def program(name: str, variable: str) -> Path:
    """A built program: named by an environment variable, or where cargo puts it."""
    path = Path(os.environ.get(variable) or ROOT / "target" / "debug" / name)
    if not path.exists():
        absent(f"{path} is not built: cargo build -p occopus-cli -p occopus-ec2-stub")
    return path


def wait_until(true: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Waits until `true` returns something true, and returns that."""
    end = time.monotonic() + patience
    while not (result := true()):
        assert time.monotonic() < end, f"waited {patience} s for: {what}"
        time.sleep(0.02)
    return result


class Result:
    """What a command that has ended left behind."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def last(self) -> str:
        """The last line of stdout."""
        return self.out.splitlines()[-1]

    @property
    def json(self) -> Any:
        """The one object on stdout."""
        return json.loads(self.out)

    def __repr__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Cli:
    """The commands, run in a folder of their own with a home of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        self.bin = folder / "bin"
        self.bin.mkdir()
        binary = program("occopus", "OCCOPUS_BIN")
        for name in ("occopus", *(f"occopus-{name}" for name in LEGACY)):
            (self.bin / name).symlink_to(binary.resolve())
        self.environment = {"HOME": str(self.home), "PATH": os.environ["PATH"], "TERM": "xterm"}

    @property
    def store(self) -> Path:
        """The store that the commands use unless told otherwise."""
        return self.home / ".occopus" / "occopus.db"

    def write(self, name: str, text: str) -> Path:
        """A file in the folder of the commands."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def log_in(self, auth: str) -> None:
        """Puts credentials where all commands look for them."""
        self.write("home/.occopus/auth_data.yaml", auth)

    def start(self, *arguments: object, command: str = "occopus", **options: Any) -> subprocess.Popen[str]:
        """Starts a command; the caller waits for it."""
        environment = {**self.environment, **options.pop("env", {})}
        return subprocess.Popen(
            [str(self.bin / command), *map(str, arguments)],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=options.pop("stderr", subprocess.PIPE),
            text=True,
            # A group of its own: a signal to it does not reach the tests.
            start_new_session=True,
            **options,
        )

    def run(self, *arguments: object, code: int = 0, patience: float = 180.0, **options: Any) -> Result:
        """Runs a command that must end with `code`."""
        process = self.start(*arguments, **options)
        try:
            out, err = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            pytest.fail(f"{arguments} did not end within {patience} s: {Result(-1, out, err)}")
        result = Result(process.returncode, out, err)
        assert result.code == code, f"{arguments}: {result}"
        assert "panicked" not in err and "RUST_BACKTRACE" not in err, result
        return result

    def legacy(self, name: str, *arguments: object, code: int = 0, **options: Any) -> Result:
        """Runs a legacy command that must end with `code`."""
        return self.run(*arguments, code=code, command=f"occopus-{name}", **options)

    def status(self, infra: str) -> Any:
        """The status as an object."""
        return self.run("status", infra, "--format", "json").json

    def slots(self, infra: str) -> dict[str, Any]:
        """All slots of an infrastructure by name."""
        return {slot["slot"]: slot for node in self.status(infra)["nodes"] for slot in node["slots"]}

    def infras(self) -> list[Any]:
        """All infrastructures."""
        return [json.loads(line) for line in self.run("list", "--format", "json").out.splitlines()]

    def clean_up(self) -> None:
        """Destroys whatever is left."""
        if self.store.exists():
            for infra in self.infras():
                self.run("destroy", infra["infra_id"], "--yes")

    def records(self, table: str) -> int:
        """The number of records in a table of the store; 0 while there is none."""
        if not self.store.exists():
            return 0
        try:
            with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=5)) as store:
                return int(store.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def stop(process: subprocess.Popen[str], with_signal: int = signal.SIGINT) -> Result:
    """Sends a signal and waits for the end."""
    process.send_signal(with_signal)
    out, err = process.communicate(timeout=PATIENCE)
    return Result(process.returncode, out, err)


def read_until(process: subprocess.Popen[str], pattern: str, stream: str = "stderr") -> str:
    """Reads lines until one matches, and returns all of them; a process that stays silent is ended."""
    lines = []
    deadline = threading.Timer(PATIENCE, process.kill)
    deadline.start()
    try:
        for line in getattr(process, stream):
            lines.append(line)
            if re.search(pattern, line):
                return "".join(lines)
    finally:
        deadline.cancel()
    pytest.fail(f"no line matched {pattern!r}:\n{''.join(lines)}")


def processes_of(infra: str) -> dict[str, list[int]]:
    """The living main processes of an infrastructure by node id, as the kernel knows them.

    Children inherit the variables of an instance; its main process is the one that leads its session.
    """
    found: dict[str, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state, session = re.split(r"\) ", (entry / "stat").read_text())[-1].split()[0:4:3]
            variables = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        ids = {line.partition("=")[0]: line.partition("=")[2] for line in variables}
        if ids.get("OCCOPUS_INFRA_ID") == infra and state != "Z" and session == entry.name:
            found.setdefault(ids["OCCOPUS_NODE_ID"], []).append(int(entry.name))
    return found


@contextmanager
def running(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Kills the process at the end, if the test broke off before it ended."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
