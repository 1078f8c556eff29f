"""What the blocking and the asynchronous methods ask the engine, and how they read its answers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from os import PathLike
from typing import Any, Callable, Generic, Optional, TypeVar, Union

from .errors import BuildFailedError, DestroyIncompleteError, ResourceError, StoppedError, from_native
from .history import Generation
from .inventory import Inventory, Outputs
from .model import (
    BuildResult,
    Event,
    FailedAction,
    Hold,
    Infrastructure,
    Log,
    PassResult,
    Plan,
    Replacing,
    ScaleResult,
    Status,
)
from .orphans import Adopted, LeftBehind, Orphans

PathType = Union[str, "PathLike[str]"]
OnEvent = Callable[[Event], object]
Replace = Union[bool, Replacing, None]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Call(Generic[Result]):
    """A call of the engine.

    Attributes:
        text: The call as JSON.
        read: Reads its answer.
    """

    text: str
    read: Callable[[Any], Result]


def call(name: str, read: Callable[[Any], Result], /, **arguments: object) -> Call[Result]:
    """Return the call with this name."""
    return Call(json.dumps({"call": name, **arguments}), read)


def listener(on_event: Optional[OnEvent]) -> Optional[Callable[[str], object]]:
    """Return what takes events as JSON and hands them to `on_event`."""
    if on_event is None:
        return None
    deliver = on_event
    return lambda text: deliver(Event.from_json(json.loads(text)))


def paths(given: Iterable[PathType]) -> list[str]:
    """Return paths as texts."""
    return [os.fspath(path) for path in given]


def optional_path(given: Optional[PathType]) -> Optional[str]:
    """Return a path as text."""
    return None if given is None else os.fspath(given)


def nothing(_: object) -> None:
    """Read an answer that says nothing."""


@dataclass(frozen=True)
class Subject:
    """What a build or plan is about."""

    description: PathType
    nodes: Iterable[PathType]
    infra: Optional[str]
    variables: Optional[Mapping[str, object]]
    vars_files: Iterable[PathType]
    replace: Replace
    create: bool = False
    new: bool = False

    def request(self) -> dict[str, object]:
        """Return it as plain data."""
        return {
            "description": os.fspath(self.description),
            "nodes": paths(self.nodes),
            "infra": self.infra,
            "create": self.create,
            "new": self.new,
            "variables": dict(self.variables or {}),
            "vars_files": paths(self.vars_files),
            "replace": _replacing(self.replace),
        }


def open_store() -> Call[str]:
    """Open the store and say where it is."""
    return call("open", lambda answer: str(answer["store"]))


def define(path: PathType) -> Call[list[str]]:
    """Import node definitions."""
    return call("define", list[str], path=os.fspath(path))


def plan(
    description: Optional[PathType],
    nodes: Iterable[PathType],
    infra: Optional[str],
    variables: Optional[Mapping[str, object]],
    vars_files: Iterable[PathType],
    replace: Replace,
    save: Optional[PathType],
) -> Call[Plan]:
    """Plan a build or a pass."""
    if description is not None:
        new = infra is None
        subject = Subject(description, nodes, infra, variables, vars_files, replace, new=new)
        return call("plan", Plan.from_json, request=subject.request(), save=optional_path(save))
    if infra is None:
        raise from_native("usage", "plan needs a description, an infrastructure, or both", None)
    if save is not None:
        raise from_native("usage", "only the plan of a description can be saved", None)
    return call("plan_pass", Plan.from_json, infra=infra)


def build(subject: Subject, rollback: bool, sequential: bool) -> Call[BuildResult]:
    """Build or change an infrastructure."""
    return call("build", _built, request=subject.request(), rollback=rollback, sequential=sequential)


def build_saved(plan: PathType, rollback: bool) -> Call[BuildResult]:
    """Carry a saved plan out."""
    return call("build_saved", _built, plan=os.fspath(plan), rollback=rollback)


def rollback(infra: str, generation: int, replace: Replace) -> Call[BuildResult]:
    """Go back to an earlier description."""
    return call("rollback", _built, infra=infra, generation=generation, replace=_replacing(replace))


def _replacing(replace: Replace) -> Optional[dict[str, object]]:
    replacing = Replacing() if replace is True else replace or None
    return None if replacing is None else {**asdict(replacing)}


def history(infra: str) -> Call[list[Generation]]:
    """List the descriptions."""

    def read(answer: dict[str, Any]) -> list[Generation]:
        return [Generation.from_json(entry) for entry in answer["generations"]]

    return call("history", read, infra=infra)


def outputs(infra: str, name: Optional[str]) -> Call[Outputs]:
    """Render the outputs."""
    return call("outputs", lambda answer: Outputs(**answer), infra=infra, name=name)


def inventory(infra: str) -> Call[Inventory]:
    """List the living instances for other programs."""
    return call("inventory", Inventory.from_json, infra=infra)


def _built(report: dict[str, Any]) -> BuildResult:
    infra = report["infra_id"]
    if report["result"] == "interrupted":
        raise StoppedError(f"the build of infrastructure {infra} was stopped")
    if report["result"] != "ready":
        raise BuildFailedError(
            infra,
            [FailedAction.from_json(failure) for failure in report.get("failures", [])],
            report["restored"],
            [FailedAction.from_json(failure) for failure in report["leftovers"]],
            report["withdrawn"],
        )
    return BuildResult(infra)


def maintain(infra: str) -> Call[PassResult]:
    """Look after an infrastructure once."""

    def read(entry: dict[str, Any]) -> PassResult:
        if entry["enacted"]["interrupted"]:
            raise StoppedError(f"the pass over infrastructure {infra} was stopped")
        return PassResult.from_json(entry)

    return call("maintain", read, infra=infra)


def watch(infras: Iterable[str], interval: float) -> Call[None]:
    """Look after infrastructures until it is stopped."""
    return call("watch", nothing, infras=list(infras), interval=interval)


def scale(
    infra: str, node: str, count: Optional[int], change: Optional[int], remove: Optional[str], wait: bool
) -> Call[ScaleResult]:
    """Register a scaling request."""
    given = [value for value in (count, change, remove) if value is not None]
    if len(given) != 1 or change == 0 or (count is not None and count < 0):
        raise from_native("usage", "give exactly one of count (not below 0), change (not 0) and remove", None)
    if count is not None:
        wanted: dict[str, object] = {"set": count}
    elif change is not None:
        wanted = {"add": change} if change > 0 else {"remove": -change}
    else:
        wanted = {"remove_instance": remove}
    return call("scale", ScaleResult.from_json, infra=infra, node=node, change=wanted, wait=wait)


def replace(infra: str, instance: str, wait: bool) -> Call[ScaleResult]:
    """Register the replacement of an instance."""
    return call("replace", ScaleResult.from_json, infra=infra, instance=instance, wait=wait)


def hold(
    infra: str, kind: str, node: Optional[str], reason: str, duration: Optional[timedelta]
) -> Call[Hold]:
    """Put a hold."""
    seconds = None if duration is None else duration.total_seconds()
    entry = {"kind": kind, "node": node, "reason": reason, "seconds": seconds}
    return call("hold", Hold.from_json, infra=infra, hold=entry)


def lift(infra: str, kind: str, node: Optional[str]) -> Call[Optional[Hold]]:
    """Lift a hold."""
    return call("lift", _optional_hold, infra=infra, kind=kind, node=node)


def _optional_hold(entry: Optional[dict[str, Any]]) -> Optional[Hold]:
    return None if entry is None else Hold.from_json(entry)


def destroy(infra: str) -> Call[None]:
    """Destroy an infrastructure."""

    def read(report: dict[str, Any]) -> None:
        if report["result"] == "interrupted":
            raise StoppedError(f"the destruction of infrastructure {infra} was stopped")
        if report["result"] != "gone":
            failures = [FailedAction.from_json(failure) for failure in report.get("failures", [])]
            raise DestroyIncompleteError(infra, failures)

    return call("destroy", read, infra=infra)


def abandon(infra: str) -> Call[list[LeftBehind]]:
    """Give an infrastructure up."""
    return call("abandon", lambda left: [LeftBehind.from_json(entry) for entry in left], infra=infra)


def status(infra: str) -> Call[Status]:
    """Observe an infrastructure."""
    return call("status", Status.from_json, infra=infra)


def infrastructures() -> Call[list[Infrastructure]]:
    """List the infrastructures."""
    return call("list", lambda entries: [Infrastructure.from_json(entry) for entry in entries])


def _numbered(pairs: list[list[Any]]) -> list[Event]:
    return [Event.from_json(event, number) for number, event in pairs]


def events(infra: str, after: str) -> Call[list[Event]]:
    """Read the stored events of an infrastructure."""
    return call("events", lambda answer: _numbered(answer["events"]), infra=infra, after=after)


class Follower:
    """Where somebody is who reads events as they come."""

    def __init__(self, infra: Optional[str], after: str) -> None:
        self._infra = infra
        self._after = after
        self._positions: dict[str, str] = {}
        self.ended = False

    def next(self) -> Call[list[Event]]:
        """Return the call that reads what is new."""
        if self._infra is None:
            return call("all_events", self._read_all, after=self._positions)
        return call("events", self._read, infra=self._infra, after=self._after)

    def _read(self, answer: dict[str, Any]) -> list[Event]:
        # By its id it is also found after its end.
        self._infra = answer["infra_id"]
        news = _numbered(answer["events"])
        if news:
            self._after = news[-1].number
            self.ended = news[-1].event == "infradrop"
        return news

    def _read_all(self, pairs: list[list[Any]]) -> list[Event]:
        news = _numbered(pairs)
        self._positions.update((event.infra_id, event.number) for event in news)
        return news


def logs(infra: str, which: Optional[str]) -> Call[list[Log]]:
    """Read logs."""
    return call("logs", lambda answer: [Log.from_json(entry) for entry in answer], infra=infra, which=which)


def graph(infra: str, format: str) -> Call[str]:
    """Draw the graph."""
    return call("graph", str, infra=infra, format=format)


def orphans() -> Call[Orphans]:
    """Look for what belongs to nothing known."""
    return call("orphans", Orphans.from_json)


def adopt(orphan: str) -> Call[Adopted]:
    """Take an orphan back."""
    return call("adopt", lambda answer: Adopted(**answer), orphan=orphan)


def remove_orphan(orphan: str) -> Call[None]:
    """Destroy an orphan."""

    def read(enacted: dict[str, Any]) -> None:
        if enacted["interrupted"]:
            raise StoppedError(f"the destruction of {orphan} was stopped")
        if enacted["failed"]:
            reasons = "; ".join(failure["reason"] for failure in enacted["failed"])
            raise ResourceError(f"{orphan} is not destroyed: {reasons}")

    return call("remove_orphan", read, orphan=orphan)
