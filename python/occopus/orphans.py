"""What belongs to nothing known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Optional

from ._times import optional_time

_Json = dict[str, Any]


@dataclass(frozen=True)
class LeftBehind:
    """An instance that was given up: it may still exist and cost money.

    Attributes:
        slot: The slot it was in.
        node_id: The instance.
        provider_id: What the back-end calls it; ``None`` if that was never known.
        place: Where it is.
    """

    slot: str
    node_id: str
    provider_id: Optional[str]
    place: str

    @classmethod
    def from_json(cls, entry: _Json) -> LeftBehind:
        """Read an instance that was given up from its JSON form."""
        return cls(entry["slot"], entry["node_id"], entry["provider_id"], entry["place"])


@dataclass(frozen=True)
class Orphan:
    """A resource with tags of Occopus that belongs to nothing known.

    Attributes:
        provider_id: What the back-end calls it.
        place: Where it is.
        store: The store that its tags name.
        infra_id: The infrastructure that its tags name.
        infra_name: The name of that, if it is known.
        slot: The slot that its tags name.
        node_id: The instance that its tags name.
        state: Its state, as the back-end tells.
        created_at: When it was made, where the back-end tells.
        reason: Why it belongs to nothing, in words.
        adoptable: Whether its slot is there and empty, so that it can be taken back.
    """

    provider_id: str
    place: str
    store: str
    infra_id: str
    infra_name: Optional[str]
    slot: str
    node_id: str
    state: str
    created_at: Optional[datetime]
    reason: str
    adoptable: bool

    @classmethod
    def from_json(cls, entry: _Json) -> Orphan:
        """Read an orphan from its JSON form."""
        entry = {**entry, "created_at": optional_time(entry["created_at"])}
        return cls(**entry)


@dataclass(frozen=True)
class Unasked:
    """A place that could not be asked.

    Attributes:
        place: The place.
        reason: Why.
    """

    place: str
    reason: str


@dataclass(frozen=True)
class Orphans:
    """What belongs to nothing known.

    Attributes:
        ours: What carries the tags of this store.
        foreign: What carries the tags of another store; never touched.
        unasked: Places that could not be asked: there may be more.
    """

    ours: tuple[Orphan, ...]
    foreign: tuple[Orphan, ...]
    unasked: tuple[Unasked, ...]

    @classmethod
    def from_json(cls, entry: _Json) -> Orphans:
        """Read orphans from their JSON form."""
        return cls(
            tuple(Orphan.from_json(orphan) for orphan in entry["ours"]),
            tuple(Orphan.from_json(orphan) for orphan in entry["foreign"]),
            tuple(Unasked(**place) for place in entry["unasked"]),
        )


@dataclass(frozen=True)
class Adopted:
    """An orphan that was taken back.

    Attributes:
        infra_id: Its infrastructure.
        slot: Its slot.
        node_id: The instance.
    """

    infra_id: str
    slot: str
    node_id: str
