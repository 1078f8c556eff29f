"""Occopus, the hybrid-cloud orchestrator.

An infrastructure is described in YAML; :class:`Occopus` builds it, looks after it, scales it and
removes it::

    from occopus import Occopus

    occopus = Occopus()
    built = occopus.build("infra.yaml", nodes=["nodes/node_definitions.yaml"])
    print(occopus.status(built.infra_id).health)
    occopus.destroy(built.infra_id)

The methods of :class:`Occopus` block until the work is done and release the interpreter lock meanwhile;
those of :class:`AsyncOccopus` are awaited. Errors are exceptions derived from :class:`OccopusError`.
"""

import atexit
from typing import TYPE_CHECKING

from ._api import Occopus
from ._native import __version__, finish
from ._offline import explain, explanations, render, schema, validate
from .documents import CheckedFile, Explanation, NodeRendering, Problem, Rendering, Validation
from .errors import (
    BuildFailedError,
    BusyError,
    CredentialsError,
    DescriptorError,
    DestroyIncompleteError,
    OccopusError,
    ResourceError,
    StoppedError,
    StoreError,
    TemplateError,
    UnknownInfrastructureError,
    UsageError,
)
from .history import Change, Generation
from .inventory import Host, Inventory, Outputs
from .model import (
    Action,
    BuildResult,
    Event,
    FailedAction,
    Hold,
    Infrastructure,
    Instance,
    Log,
    Node,
    PassResult,
    Plan,
    Replacing,
    ScaleResult,
    Status,
)
from .orphans import Adopted, LeftBehind, Orphan, Orphans, Unasked

if TYPE_CHECKING:
    from ._aio import AsyncOccopus

__all__ = [
    "Action",
    "Adopted",
    "AsyncOccopus",
    "BuildFailedError",
    "BuildResult",
    "BusyError",
    "Change",
    "CheckedFile",
    "CredentialsError",
    "DescriptorError",
    "DestroyIncompleteError",
    "Event",
    "Explanation",
    "FailedAction",
    "Generation",
    "Hold",
    "Host",
    "Infrastructure",
    "Instance",
    "Inventory",
    "LeftBehind",
    "Log",
    "Node",
    "NodeRendering",
    "Occopus",
    "OccopusError",
    "Orphan",
    "Orphans",
    "Outputs",
    "PassResult",
    "Plan",
    "Problem",
    "Rendering",
    "Replacing",
    "ResourceError",
    "ScaleResult",
    "Status",
    "StoppedError",
    "StoreError",
    "TemplateError",
    "Unasked",
    "UnknownInfrastructureError",
    "UsageError",
    "Validation",
    "__version__",
    "explain",
    "explanations",
    "render",
    "schema",
    "validate",
]

# What is under way when the interpreter exits is stopped properly; it is not to be cut off.
atexit.register(finish)


def __getattr__(name: str) -> object:
    """Import what is asynchronous when it is asked for: asyncio takes longer than the rest together."""
    if name == "AsyncOccopus":
        from ._aio import AsyncOccopus

        return AsyncOccopus
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
