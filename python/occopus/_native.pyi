"""The compiled part of the package; use the classes of :mod:`occopus` instead."""

import builtins
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Optional, Union

_Path = Union[str, PathLike[str]]
_OnEvent = Optional[Callable[[str], object]]
# Description, node definition files, infrastructure, create it if unknown, build another one, variables as
# a JSON object, files of variables.
_Request = tuple[_Path, Sequence[_Path], Optional[str], bool, bool, str, Sequence[_Path]]
# Description, node definition files, variables as a JSON object, files of variables.
_Files = tuple[_Path, Sequence[_Path], str, Sequence[_Path]]
# Node, file of instances, id of the infrastructure, node id.
_Surroundings = tuple[Optional[str], Optional[_Path], Optional[str], Optional[str]]

__version__: str

class Failure(Exception):
    """An operation failed. Arguments: kind, message, details as JSON."""

class Engine:
    """An open Occopus with JSON results."""

    def __new__(
        cls,
        store: Optional[_Path] = None,
        config: Optional[_Path] = None,
        credentials: Optional[_Path] = None,
        max_parallel: Optional[int] = None,
    ) -> Engine: ...
    def store(self) -> str: ...
    def define(self, path: _Path) -> list[str]: ...
    def plan(self, request: _Request) -> str: ...
    def plan_pass(self, infra: str) -> str: ...
    def build(
        self, request: _Request, rollback: bool, sequential: bool, on_event: _OnEvent = None
    ) -> str: ...
    def maintain(self, infra: str, on_event: _OnEvent = None) -> str: ...
    def scale(
        self,
        infra: str,
        node: str,
        count: Optional[int] = None,
        change: Optional[int] = None,
        remove: Optional[str] = None,
    ) -> str: ...
    def destroy(self, infra: str, on_event: _OnEvent = None) -> str: ...
    def status(self, infra: str) -> str: ...
    def list(self) -> str: ...
    def events(self, infra: str, after: str) -> builtins.list[tuple[str, str]]: ...
    def logs(self, infra: str, which: Optional[str] = None) -> builtins.list[tuple[str, str, str]]: ...
    def graph(self, infra: str, format: str) -> str: ...

def render(files: _Files, surroundings: _Surroundings) -> str:
    """Render the nodes of a description offline. Returns the rendering and the warnings as JSON."""

def run_command(arguments: Sequence[str]) -> int:
    """Run a console command; ``arguments`` starts with its name. Returns the exit code."""
