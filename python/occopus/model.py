"""Results as plain data. Times are aware datetimes in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Optional

# Entries of a JSON object; what is in them is checked by the dataclasses' readers below.
_Json = dict[str, Any]


def _time(text: str) -> datetime:
    """Read an RFC 3339 time; what is finer than microseconds is cut off."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text).replace("Z", "+00:00"))


def _optional_time(text: Optional[str]) -> Optional[datetime]:
    return None if text is None else _time(text)


@dataclass(frozen=True)
class Problem:
    """A problem in a file.

    Attributes:
        code: Its code, such as ``OCC0102``.
        severity: ``error`` or ``warning``.
        message: What is wrong.
        file: The file, if the problem has a place.
        line: Line, from 1.
        column: Column, from 1.
        help: What is allowed, or what may have been meant.
    """

    code: str
    severity: str
    message: str
    file: Optional[str]
    line: Optional[int]
    column: Optional[int]
    help: Optional[str]

    @classmethod
    def from_json(cls, entry: _Json) -> Problem:
        """Read a problem from its JSON form."""
        location = entry.get("location") or {}
        return cls(
            entry["code"],
            entry["severity"],
            entry["message"],
            location.get("file"),
            location.get("line"),
            location.get("column"),
            entry.get("help"),
        )


@dataclass(frozen=True)
class Action:
    """An action of a plan.

    Attributes:
        slot: The slot it is about, such as ``worker/2``.
        action: ``create``, ``await``, ``settle``, ``adopt`` or ``destroy``.
        cause: Why.
    """

    slot: str
    action: str
    cause: str


@dataclass(frozen=True)
class Plan:
    """What would be done.

    Attributes:
        actions: The actions.
        notes: Warnings, and what has to wait and why.
    """

    actions: tuple[Action, ...]
    notes: tuple[str, ...]

    @classmethod
    def from_json(cls, entry: _Json) -> Plan:
        """Read a plan from its JSON form."""
        actions = tuple(Action(a["slot"], a["action"], a["cause"]) for a in entry["actions"])
        return cls(actions, tuple(_note(note) for note in entry["notes"]))


def _note(note: _Json) -> str:
    text = str(note["text"])
    return f"{note['slot']} has to wait: {text}" if "slot" in note else text


@dataclass(frozen=True)
class FailedAction:
    """An action that did not succeed.

    Attributes:
        slot: The slot.
        reason: Why, in words.
        passing: Whether another try may succeed without any change by the user.
    """

    slot: str
    reason: str
    passing: bool

    @classmethod
    def from_json(cls, entry: _Json) -> FailedAction:
        """Read a failed action from its JSON form."""
        return cls(entry["slot"], entry["reason"], entry["passing"])


@dataclass(frozen=True)
class BuildResult:
    """A build that reached the described state.

    Attributes:
        infra_id: The infrastructure.
    """

    infra_id: str


@dataclass(frozen=True)
class PassResult:
    """What one pass did.

    Attributes:
        plan: What was planned.
        succeeded: Number of actions that succeeded.
        failed: Actions that failed.
        skipped: Slots of actions that were not started.
    """

    plan: Plan
    succeeded: int
    failed: tuple[FailedAction, ...]
    skipped: tuple[str, ...]

    @classmethod
    def from_json(cls, entry: _Json) -> PassResult:
        """Read the result of a pass from its JSON form."""
        enacted = entry["enacted"]
        failed = tuple(FailedAction.from_json(failure) for failure in enacted["failed"])
        return cls(Plan.from_json(entry["plan"]), enacted["succeeded"], failed, tuple(enacted["skipped"]))


@dataclass(frozen=True)
class NodeRendering:
    """What an instance of a node would be created with.

    Attributes:
        resource: The ``resource`` section.
        attributes: Attributes (``env`` and ``command`` for docker and process), with ``connections``.
        variables: The merged variables.
        mappings: Attribute mappings, ``inbound`` and ``outbound``, by node.
        scaling: ``scaling`` as written, or ``None``.
        context: User data: a cloud-config as it reads, other text as it is; ``None`` without cloudinit.
        context_is_cloud_config: Whether the user data are a cloud-config.
        warnings: Doubtful things found in the templates.
    """

    resource: dict[str, Any]
    attributes: dict[str, Any]
    variables: dict[str, Any]
    mappings: dict[str, Any]
    scaling: Any
    context: Any
    context_is_cloud_config: bool
    warnings: tuple[str, ...]

    @classmethod
    def from_json(cls, entry: _Json, warnings: list[str]) -> NodeRendering:
        """Read a rendered node from its JSON form."""
        return cls(
            entry["resource"],
            entry["attributes"],
            entry["variables"],
            entry["mappings"],
            entry["scaling"],
            entry.get("context"),
            entry.get("context_is_cloud_config", False),
            tuple(warnings),
        )


@dataclass(frozen=True)
class Rendering:
    """What the nodes of an infrastructure would be created with.

    Attributes:
        levels: The names of the nodes in levels of declared dependencies.
        nodes: The nodes by name.
    """

    levels: tuple[tuple[str, ...], ...]
    nodes: dict[str, NodeRendering]

    @classmethod
    def from_json(cls, entry: _Json) -> Rendering:
        """Read a rendering from its JSON form."""
        rendering, warnings = entry["rendering"], entry["warnings"]
        return cls(
            tuple(tuple(level) for level in rendering["levels"]),
            {
                name: NodeRendering.from_json(node, warnings.get(name, []))
                for name, node in rendering["nodes"].items()
            },
        )


@dataclass(frozen=True)
class ScaleResult:
    """What became of a scaling request.

    Attributes:
        target: Instances wanted once the request is consumed.
        notes: What could not be done as asked.
        maintainer: Who carries it out; ``None`` if no maintainer is running.
    """

    target: int
    notes: tuple[str, ...]
    maintainer: Optional[str]


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        time: When.
        infra_id: The infrastructure.
        event: What, such as ``nodecreated``.
        slot: The slot, for events of instances.
        node_id: The instance, for events of instances.
        endpoint: The API endpoint, for events of instances.
        message: Why or what, in words.
        number: Number in the store; empty for events that are delivered while they happen.
    """

    time: datetime
    infra_id: str
    event: str
    slot: Optional[str]
    node_id: Optional[str]
    endpoint: Optional[str]
    message: str
    number: str = ""

    @classmethod
    def from_json(cls, entry: _Json, number: str = "") -> Event:
        """Read an event from its JSON form."""
        return cls(
            _time(entry["time"]),
            entry["infra_id"],
            entry["event"],
            entry.get("slot"),
            entry.get("node_id"),
            entry.get("endpoint"),
            entry["message"],
            number,
        )


@dataclass(frozen=True)
class Infrastructure:
    """An infrastructure that the store knows.

    Attributes:
        infra_id: Identifier.
        name: Name.
        goal: ``present`` or ``absent``.
        generation: Number of the description in force.
        created_at: When it was first built.
    """

    infra_id: str
    name: str
    goal: str
    generation: int
    created_at: datetime

    @classmethod
    def from_json(cls, entry: _Json) -> Infrastructure:
        """Read an infrastructure from its JSON form."""
        created_at = _time(entry["created_at"])
        return cls(entry["id"], entry["name"], entry["goal"], entry["generation"], created_at)


@dataclass(frozen=True)
class Instance:
    """An instance in its slot.

    Attributes:
        slot: The slot.
        node_id: Identifier of the instance.
        state: State in one word, such as ``ready``.
        age: Seconds since its creation.
        addresses: Addresses, the primary one first.
        resource: Resource type.
        endpoint: API endpoint.
        provider_id: What the back-end calls it.
        detail: The last check result or error in plain words; empty when ready.
        outdated: Made from another description or definition than the one in force.
    """

    slot: str
    node_id: str
    state: str
    age: int
    addresses: tuple[str, ...]
    resource: str
    endpoint: str
    provider_id: str
    detail: str
    outdated: bool

    @classmethod
    def from_json(cls, entry: _Json) -> Instance:
        """Read an instance from its JSON form."""
        return cls(
            entry["slot"],
            entry["node_id"],
            entry["state"],
            entry["age"],
            tuple(entry["addresses"]),
            entry["resource"],
            entry["endpoint"],
            entry["provider_id"],
            entry["detail"],
            entry["outdated"],
        )


@dataclass(frozen=True)
class Node:
    """A node of an infrastructure.

    Attributes:
        name: Name.
        definition: Node definition; empty for a node that is no longer described.
        min: Fewest instances.
        max: Most instances.
        target: Instances wanted.
        waits_for: Names of the nodes it waits for.
        instances: Its instances.
    """

    name: str
    definition: str
    min: int
    max: int
    target: int
    waits_for: tuple[str, ...]
    instances: tuple[Instance, ...]

    @classmethod
    def from_json(cls, entry: _Json) -> Node:
        """Read a node from its JSON form."""
        return cls(
            entry["name"],
            entry["definition"],
            entry["min"],
            entry["max"],
            entry["target"],
            tuple(entry["waits_for"]),
            tuple(Instance.from_json(slot) for slot in entry["slots"]),
        )


@dataclass(frozen=True)
class Status:
    """An infrastructure as it was observed.

    Attributes:
        infra_id: Identifier.
        name: Name.
        health: ``ready``, ``incomplete``, ``destroying`` or ``destroyed``.
        goal: ``present`` or ``absent``.
        generation: Number of the description in force.
        created_at: When it was first built.
        observed_at: When this status was observed.
        maintained_at: When a controller last looked at everything.
        controller: Who controls it now; ``None`` if nobody does.
        store: Where its record is.
        nodes: The nodes in the order of their dependencies.
        requests: Scaling requests that wait for a pass, in words.
        notes: Warnings, and what has to wait and why.
        next: The command that fits the situation.
    """

    infra_id: str
    name: str
    health: str
    goal: str
    generation: int
    created_at: datetime
    observed_at: datetime
    maintained_at: Optional[datetime]
    controller: Optional[str]
    store: str
    nodes: tuple[Node, ...]
    requests: tuple[str, ...]
    notes: tuple[str, ...]
    next: str

    @classmethod
    def from_json(cls, entry: _Json) -> Status:
        """Read a status from its JSON form."""
        return cls(
            entry["infra_id"],
            entry["name"],
            entry["health"],
            entry["goal"],
            entry["generation"],
            _time(entry["created_at"]),
            _time(entry["observed_at"]),
            _optional_time(entry.get("maintained_at")),
            entry.get("controller"),
            entry["store"],
            tuple(Node.from_json(node) for node in entry["nodes"]),
            tuple(entry["requests"]),
            tuple(entry["notes"]),
            entry["next"],
        )

    def instances(self, node: Optional[str] = None) -> tuple[Instance, ...]:
        """Return all instances, or those of one node.

        Args:
            node: Name of the node.
        """
        return tuple(i for n in self.nodes if node is None or n.name == node for i in n.instances)


@dataclass(frozen=True)
class Log:
    """The log of one instance.

    Attributes:
        slot: The slot.
        node_id: The instance.
        text: The boot or process log, newest lines last.
    """

    slot: str
    node_id: str
    text: str
