"""The compiled part of the package; use the classes of :mod:`occopus` instead."""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Optional, Union

_Path = Union[str, PathLike[str]]

__version__: str

class Failure(Exception):
    """An operation failed. Arguments: kind, message, details as JSON."""

class Alarm:
    """Tells an event loop that operations have news."""

    def __new__(cls) -> Alarm: ...
    def fileno(self) -> int:
        """Return the socket that can be read when there is news."""
    def silence(self) -> None:
        """Make the socket unreadable until there is news again."""

class Operation:
    """Work under way. It is stopped when nobody holds it any more."""

    def stop(self) -> None:
        """Stop it properly: nothing new is begun, calls that run are ended."""
    def take(self) -> tuple[bool, list[str]]:
        """Return whether it has ended, and the events that wait, as JSON."""
    def result(self) -> str:
        """Return the result as JSON, once it has ended."""
    def wait(self, on_event: Optional[Callable[[str], object]] = None) -> str:
        """Block until it has ended and return the result; stop it properly at a Ctrl-C."""

class Engine:
    """An Occopus, opened by its first call. Calls are JSON texts and never block by themselves."""

    def __new__(
        cls,
        store: Optional[_Path] = None,
        allow_volatile_store: bool = False,
        config: Optional[_Path] = None,
        credentials: Optional[_Path] = None,
        max_parallel: Optional[int] = None,
    ) -> Engine: ...
    def start(self, call: str, listen: bool = False, alarm: Optional[Alarm] = None) -> Operation:
        """Start a call; its events are kept only if somebody is to listen."""
    def close(self, alarm: Optional[Alarm] = None) -> Operation:
        """Stop all operations properly, wait for their end and close the store."""

def offline(call: str) -> Operation:
    """Start a call that needs no engine."""

def finish() -> None:
    """Stop all operations properly and wait for their end; for the exit of the interpreter."""

def run_command(arguments: Sequence[str]) -> int:
    """Run a console command; ``arguments`` starts with its name. Returns the exit code."""
