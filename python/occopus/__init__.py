"""Occopus, the hybrid-cloud orchestrator.

An infrastructure is described in YAML; :class:`Occopus` builds it, looks after it, scales it and
removes it::

    from occopus import Occopus

    occopus = Occopus()
    built = occopus.build("infra.yaml", nodes=["nodes/node_definitions.yaml"])
    print(occopus.status(built.infra_id).health)
    occopus.destroy(built.infra_id)

All calls block until the work is done and release the interpreter lock meanwhile. Errors are
exceptions derived from :class:`OccopusError`.
"""

from ._api import Occopus, render
from ._native import __version__
from .errors import (
    BuildFailedError,
    BusyError,
    CredentialsError,
    DescriptorError,
    DestroyIncompleteError,
    OccopusError,
    ResourceError,
    StoreError,
    TemplateError,
    UnknownInfrastructureError,
    UsageError,
)
from .model import (
    Action,
    BuildResult,
    Event,
    FailedAction,
    Infrastructure,
    Instance,
    Log,
    Node,
    NodeRendering,
    PassResult,
    Plan,
    Problem,
    Rendering,
    ScaleResult,
    Status,
)

__all__ = [
    "Action",
    "BuildFailedError",
    "BuildResult",
    "BusyError",
    "CredentialsError",
    "DescriptorError",
    "DestroyIncompleteError",
    "Event",
    "FailedAction",
    "Infrastructure",
    "Instance",
    "Log",
    "Node",
    "NodeRendering",
    "Occopus",
    "OccopusError",
    "PassResult",
    "Plan",
    "Problem",
    "Rendering",
    "ResourceError",
    "ScaleResult",
    "Status",
    "StoreError",
    "TemplateError",
    "UnknownInfrastructureError",
    "UsageError",
    "__version__",
    "render",
]
