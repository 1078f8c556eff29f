"""Results as plain data. Times are aware datetimes in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Optional

from ._times import optional_time, time
from .history import Change

# Entries of a JSON object; what is in them is checked by the dataclasses' readers below.
_Json = dict[str, Any]


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
        changes: What a build would change about the description in force.
    """

    actions: tuple[Action, ...]
    notes: tuple[str, ...]
    changes: tuple[Change, ...] = ()

    @classmethod
    def from_json(cls, entry: _Json) -> Plan:
        """Read a plan from its JSON form."""
        actions = tuple(Action(a["slot"], a["action"], a["cause"]) for a in entry["actions"])
        changes = tuple(Change.from_json(change) for change in entry.get("changes", ()))
        return cls(actions, tuple(_note(note) for note in entry["notes"]), changes)


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
class Replacing:
    """Which outdated instances a change of an infrastructure replaces.

    Attributes:
        only: Those of these nodes only; ``NODE+deps`` stands for a node and all it depends on. Empty for all.
        exclude: None of these nodes.
        cascade: Also those that were made with an address that is gone.
    """

    only: Sequence[str] = ()
    exclude: Sequence[str] = ()
    cascade: bool = False


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
class ScaleResult:
    """What became of a scaling request.

    Attributes:
        target: Instances wanted once the request is consumed.
        notes: What could not be done as asked.
        maintainer: Who carries it out; ``None`` if no maintainer is running.
        done: Whether it was waited for and is carried out.
    """

    target: int
    notes: tuple[str, ...]
    maintainer: Optional[str]
    done: bool

    @classmethod
    def from_json(cls, entry: _Json) -> ScaleResult:
        """Read the answer to a scaling request from its JSON form."""
        return cls(entry["target"], tuple(entry["notes"]), entry["maintainer"], entry["done"])


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
        message: Why or what, in words; never a secret.
        actor: Who did it: user, host, command and process.
        before: What it was, in a word; for changes.
        after: What it is now, in a word; for changes.
        number: Number in the store; empty for events that are delivered while they happen.
    """

    time: datetime
    infra_id: str
    event: str
    slot: Optional[str]
    node_id: Optional[str]
    endpoint: Optional[str]
    message: str
    actor: str = ""
    before: Optional[str] = None
    after: Optional[str] = None
    number: str = ""

    @classmethod
    def from_json(cls, entry: _Json, number: str = "") -> Event:
        """Read an event from its JSON form."""
        return cls(
            time(entry["time"]),
            entry["infra_id"],
            entry["event"],
            entry.get("slot"),
            entry.get("node_id"),
            entry.get("endpoint"),
            entry["message"],
            entry.get("actor", ""),
            entry.get("before"),
            entry.get("after"),
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
        created_at = time(entry["created_at"])
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
        differs: What differs, in words such as ``variables.port: 80, now 8080``.
        stale: The node whose instance, known to this one by its address, is gone; ``None`` if there is none.
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
    differs: tuple[str, ...] = ()
    stale: Optional[str] = None

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
            tuple(entry.get("differs", ())),
            entry.get("stale"),
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
class Hold:
    """What an operator keeps the engine from doing.

    Attributes:
        kind: ``pause`` (changing anything) or ``protect`` (destroying or replacing anything).
        node: The node; ``None`` for all of them.
        reason: Why, in the operator's words.
        actor: Who asked for it.
        since: Since when.
        until: When it ends by itself; ``None`` for never.
    """

    kind: str
    node: Optional[str]
    reason: str
    actor: str
    since: datetime
    until: Optional[datetime]

    @classmethod
    def from_json(cls, entry: _Json) -> Hold:
        """Read a hold from its JSON form."""
        return cls(
            entry["kind"],
            entry.get("node"),
            entry["reason"],
            entry["actor"],
            time(entry["since"]),
            optional_time(entry.get("until")),
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
        holds: What operators keep the engine from doing.
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
    holds: tuple[Hold, ...]
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
            time(entry["created_at"]),
            time(entry["observed_at"]),
            optional_time(entry.get("maintained_at")),
            entry.get("controller"),
            entry["store"],
            tuple(Node.from_json(node) for node in entry["nodes"]),
            tuple(Hold.from_json(hold) for hold in entry["holds"]),
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

    @classmethod
    def from_json(cls, entry: list[str]) -> Log:
        """Read a log from its JSON form."""
        return cls(*entry)
