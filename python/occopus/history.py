"""The descriptions that an infrastructure had."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Optional

from ._times import optional_time, time

_Json = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """What differs between two descriptions.

    Attributes:
        what: ``added``, ``removed`` or ``changed`` (a node), or ``infrastructure``.
        node: The node; ``None`` for what is about the whole.
        differs: What differs, in words such as ``scaling.max: 1, now 2``.
    """

    what: str
    node: Optional[str]
    differs: tuple[str, ...]

    @classmethod
    def from_json(cls, entry: _Json) -> Change:
        """Read a change from its JSON form."""
        return cls(entry["change"], entry.get("node"), tuple(entry.get("differs", ())))


@dataclass(frozen=True)
class Generation:
    """A description that was in force, or is.

    Attributes:
        number: Its number.
        created_at: When it was put in force.
        author: Who did that: user, host, command and process; empty if that was not recorded.
        in_force: Whether it is the one in force.
        undone_at: When the change to it failed and was undone; ``None`` if it was not.
        changes: What differs from the one before.
    """

    number: int
    created_at: datetime
    author: str
    in_force: bool
    undone_at: Optional[datetime]
    changes: tuple[Change, ...]

    @classmethod
    def from_json(cls, entry: _Json) -> Generation:
        """Read a description's entry in the history from its JSON form."""
        return cls(
            entry["number"],
            time(entry["created_at"]),
            entry["author"],
            entry["in_force"],
            optional_time(entry.get("undone_at")),
            tuple(Change.from_json(change) for change in entry["changes"]),
        )
