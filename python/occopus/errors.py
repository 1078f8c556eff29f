"""Exceptions of Occopus. Every message says where, why and what to do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Optional

from .documents import Problem
from .model import FailedAction


class OccopusError(Exception):
    """Base class of all errors of Occopus."""


class DescriptorError(OccopusError):
    """A file is wrong.

    Attributes:
        problems: All problems of the file, with their places.
    """

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class UsageError(OccopusError):
    """The request makes no sense as it is."""


class UnknownInfrastructureError(OccopusError):
    """The store knows no such infrastructure."""


class BusyError(OccopusError):
    """Another process holds the lease of the infrastructure."""


class StoppedError(OccopusError):
    """An operation was stopped, because its :class:`Occopus` was closed, before it was done.

    What was begun is on record: :meth:`Occopus.maintain` or :meth:`Occopus.destroy` goes on with it.
    """


class StoreError(OccopusError):
    """The store cannot be used, or another process took the infrastructure over."""


class ResourceError(OccopusError):
    """A call to a back-end failed."""


class CredentialsError(OccopusError):
    """Credentials could not be chosen."""


class TemplateError(OccopusError):
    """A template could not be rendered."""


class BuildFailedError(OccopusError):
    """A build did not reach the described state.

    Attributes:
        infra_id: The infrastructure; what is ready of it was kept unless it was rolled back.
        failures: What could not be made ready, and why.
        restored: Whether a failed change was undone and the old description is in force again.
        leftovers: What could not be undone.
        withdrawn: Whether nothing was ever made of a first build, so that no record of it is left.
    """

    def __init__(
        self,
        infra_id: str,
        failures: Sequence[FailedAction],
        restored: bool,
        leftovers: Sequence[FailedAction],
        withdrawn: bool = False,
    ) -> None:
        reasons = "; ".join(f"{failure.slot}: {failure.reason}" for failure in failures)
        super().__init__(f"infrastructure {infra_id} could not be built: {reasons}")
        self.infra_id = infra_id
        self.failures = tuple(failures)
        self.restored = restored
        self.leftovers = tuple(leftovers)
        self.withdrawn = withdrawn


class DestroyIncompleteError(OccopusError):
    """Something may be left of a destroyed infrastructure; destroying it again goes on there.

    Attributes:
        infra_id: The infrastructure.
        failures: What could not be destroyed, and why.
    """

    def __init__(self, infra_id: str, failures: Sequence[FailedAction]) -> None:
        reasons = "; ".join(f"{failure.slot}: {failure.reason}" for failure in failures)
        super().__init__(f"infrastructure {infra_id} is not destroyed completely: {reasons}")
        self.infra_id = infra_id
        self.failures = tuple(failures)


_KINDS: dict[str, type[OccopusError]] = {
    "usage": UsageError,
    "unknown_infrastructure": UnknownInfrastructureError,
    "busy": BusyError,
    "interrupted": StoppedError,
    "lease_lost": StoreError,
    "store": StoreError,
    "resource": ResourceError,
    "credentials": CredentialsError,
    "template": TemplateError,
}


def from_native(kind: str, message: str, details: Optional[str]) -> OccopusError:
    """Return the exception for an error of the compiled part.

    Args:
        kind: Its kind.
        message: Its message.
        details: For descriptors, the problems as JSON.
    """
    if kind == "descriptor":
        return DescriptorError(message, [Problem.from_json(entry) for entry in json.loads(details or "[]")])
    return _KINDS.get(kind, OccopusError)(message)
