"""The class :class:`Occopus`."""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from typing import Callable, Optional, Union

from . import _native
from .errors import BuildFailedError, DestroyIncompleteError, from_native
from .model import (
    BuildResult,
    Event,
    FailedAction,
    Infrastructure,
    Log,
    PassResult,
    Plan,
    Rendering,
    ScaleResult,
    Status,
)

PathType = Union[str, "PathLike[str]"]
OnEvent = Callable[[Event], object]


@contextmanager
def _typed_errors() -> Iterator[None]:
    """Raise the typed exceptions of this package for errors of the compiled part."""
    try:
        yield
    except _native.Failure as failure:
        kind, message, details = failure.args
        raise from_native(kind, message, details) from None


def _listener(on_event: Optional[OnEvent]) -> Optional[Callable[[str], object]]:
    if on_event is None:
        return None
    deliver = on_event
    return lambda text: deliver(Event.from_json(json.loads(text)))


def _json_object(variables: Optional[Mapping[str, object]]) -> str:
    return json.dumps(dict(variables or {}))


def render(
    description: PathType,
    *,
    nodes: Iterable[PathType],
    node: Optional[str] = None,
    instances: Optional[PathType] = None,
    infra_id: Optional[str] = None,
    node_id: Optional[str] = None,
    variables: Optional[Mapping[str, object]] = None,
    vars_files: Iterable[PathType] = (),
) -> Rendering:
    """Return what every node would be created with; offline, nothing is created and nobody is asked.

    Secrets are shown by their reference, commands of templates are not run.

    Args:
        description: The infrastructure description.
        nodes: Node definition files.
        node: Only this node.
        instances: JSON file with the instances that templates find, ``{"NODE": [{"node_id": "…",
            "addresses": ["…"], "private_address": "…"}]}``; without it, addresses are placeholders.
        infra_id: Id of the infrastructure; zeros by default.
        node_id: Node id of the instance; zeros by default.
        variables: Variables of the infrastructure, over those of the description and of ``vars_files``.
        vars_files: YAML files of variables, over those of the description.

    Raises:
        DescriptorError: A file is wrong.
        UsageError: A node has no usable definition, or there is no such node.
        TemplateError: A template cannot be rendered.
    """
    files = (description, list(nodes), _json_object(variables), list(vars_files))
    with _typed_errors():
        text = _native.render(files, (node, instances, infra_id, node_id))
    return Rendering.from_json(json.loads(text))


class Occopus:
    """Builds, looks after, scales and removes infrastructures.

    Methods that take ``infra`` accept an id, a unique prefix of an id, or a name. An object may be used
    from several threads. A Ctrl-C during a call stops the operation properly, keeps what is ready and
    raises :class:`KeyboardInterrupt`; a second one leaves at once.
    """

    def __init__(
        self,
        store: Optional[PathType] = None,
        config: Optional[PathType] = None,
        credentials: Optional[PathType] = None,
        max_parallel: Optional[int] = None,
    ) -> None:
        """Open the store; nothing needs to be configured.

        Args:
            store: The store, a file or `redis://HOST:PORT/DATABASE`; by default that of the command line.
            config: The configuration file; by default searched for.
            credentials: The credentials file; by default searched for.
            max_parallel: Calls under way at the same time per endpoint; 10 by default.

        Raises:
            UsageError: A named file does not exist.
            DescriptorError: The configuration file is wrong.
            StoreError: The store cannot be used.
        """
        with _typed_errors():
            self._engine = _native.Engine(store, config, credentials, max_parallel)

    @property
    def store(self) -> str:
        """Where the store is."""
        return self._engine.store()

    def define(self, path: PathType) -> list[str]:
        """Import the node definitions of a file and return their names.

        Definitions of the same names are replaced; running infrastructures keep those they were built
        with.

        Args:
            path: The file.

        Raises:
            DescriptorError: The file is wrong; nothing was imported.
        """
        with _typed_errors():
            return self._engine.define(path)

    def plan(
        self,
        description: Optional[PathType] = None,
        *,
        nodes: Iterable[PathType] = (),
        infra: Optional[str] = None,
        variables: Optional[Mapping[str, object]] = None,
        vars_files: Iterable[PathType] = (),
    ) -> Plan:
        """Return what would be done and why; change nothing.

        Args:
            description: The infrastructure description; without it, what the next pass over ``infra``
                would do.
            nodes: Node definition files to use beside the imported ones.
            infra: The infrastructure that would be changed; without it, a first build.
            variables: Variables of the infrastructure, over those of the description and of ``vars_files``.
            vars_files: YAML files of variables, over those of the description.

        Raises:
            DescriptorError: A file is wrong.
            UsageError: A node has no usable definition, or neither description nor infra is given.
            UnknownInfrastructureError: There is no such infrastructure.
        """
        with _typed_errors():
            if description is not None:
                outside = (_json_object(variables), list(vars_files))
                text = self._engine.plan((description, list(nodes), infra, False, infra is None, *outside))
            elif infra is not None:
                text = self._engine.plan_pass(infra)
            else:
                raise from_native("usage", "plan needs a description, an infrastructure, or both", None)
        return Plan.from_json(json.loads(text)["plan"])

    def build(
        self,
        description: PathType,
        *,
        nodes: Iterable[PathType] = (),
        infra: Optional[str] = None,
        create: bool = False,
        new: bool = False,
        rollback: bool = False,
        sequential: bool = False,
        variables: Optional[Mapping[str, object]] = None,
        vars_files: Iterable[PathType] = (),
        on_event: Optional[OnEvent] = None,
    ) -> BuildResult:
        """Build an infrastructure, or change a running one, and wait until everything is ready.

        A failed change of an infrastructure that was complete is undone. What a failed first build made
        is kept for :meth:`maintain` to go on with, unless ``rollback`` is set.

        Args:
            description: The infrastructure description.
            nodes: Node definition files to import first.
            infra: The infrastructure to change.
            create: Create ``infra`` under exactly this id if it is unknown.
            new: Build another infrastructure although one of the same name exists.
            rollback: Destroy a first build that failed or was interrupted.
            sequential: One instance after the other, in file order.
            variables: Variables of the infrastructure, over those of the description and of ``vars_files``.
            vars_files: YAML files of variables, over those of the description.
            on_event: Called with each event while it happens, in the calling thread.

        Raises:
            BuildFailedError: Something could not be made ready.
            DescriptorError: A file is wrong; nothing was changed.
            UsageError: The request makes no sense as it is; nothing was changed.
            BusyError: Another process holds the lease; nothing was changed.
        """
        with _typed_errors():
            outside = (_json_object(variables), list(vars_files))
            request = (description, list(nodes), infra, create, new, *outside)
            text = self._engine.build(request, rollback, sequential, _listener(on_event))
        report = json.loads(text)
        if report["result"] != "ready":
            raise BuildFailedError(
                report["infra_id"],
                [FailedAction.from_json(failure) for failure in report.get("failures", [])],
                report["restored"],
                [FailedAction.from_json(failure) for failure in report["leftovers"]],
            )
        return BuildResult(report["infra_id"])

    def maintain(self, infra: str, *, on_event: Optional[OnEvent] = None) -> PassResult:
        """Look after an infrastructure once: heal it, and carry scaling requests out.

        Args:
            infra: The infrastructure.
            on_event: Called with each event while it happens, in the calling thread.

        Raises:
            UnknownInfrastructureError: There is no such infrastructure.
            BusyError: Another process holds the lease.
        """
        with _typed_errors():
            return PassResult.from_json(json.loads(self._engine.maintain(infra, _listener(on_event))))

    def scale(
        self,
        infra: str,
        node: str,
        *,
        count: Optional[int] = None,
        change: Optional[int] = None,
        remove: Optional[str] = None,
    ) -> ScaleResult:
        """Register a scaling request; a maintainer or the next :meth:`maintain` carries it out.

        Args:
            infra: The infrastructure.
            node: The node.
            count: Exactly so many instances.
            change: So many more, or fewer if negative.
            remove: One instance, by node id, slot or address.

        Raises:
            UsageError: There is no such node or instance, or not exactly one of the three is given.
            UnknownInfrastructureError: There is no such infrastructure.
        """
        with _typed_errors():
            answer = json.loads(self._engine.scale(infra, node, count, change, remove))
        return ScaleResult(answer["target"], tuple(answer["notes"]), answer["maintainer"])

    def destroy(self, infra: str, *, on_event: Optional[OnEvent] = None) -> None:
        """Destroy everything of an infrastructure, without asking.

        Args:
            infra: The infrastructure.
            on_event: Called with each event while it happens, in the calling thread.

        Raises:
            DestroyIncompleteError: Something may be left; nothing is forgotten, call it again.
            UnknownInfrastructureError: There is no such infrastructure.
            BusyError: Another process holds the lease.
        """
        with _typed_errors():
            report = json.loads(self._engine.destroy(infra, _listener(on_event)))
        if report["result"] != "gone":
            failures = [FailedAction.from_json(failure) for failure in report.get("failures", [])]
            raise DestroyIncompleteError(infra, failures)

    def status(self, infra: str) -> Status:
        """Observe an infrastructure; change nothing.

        Args:
            infra: The infrastructure.

        Raises:
            UnknownInfrastructureError: There is no such infrastructure.
        """
        with _typed_errors():
            return Status.from_json(json.loads(self._engine.status(infra)))

    def list(self) -> builtins.list[Infrastructure]:
        """Return all infrastructures that are not gone, oldest first."""
        with _typed_errors():
            return [Infrastructure.from_json(entry) for entry in json.loads(self._engine.list())]

    def events(self, infra: str, after: str = "") -> builtins.list[Event]:
        """Return the stored events of an infrastructure, oldest first.

        Args:
            infra: The infrastructure.
            after: Only events after the one with this number.

        Raises:
            UnknownInfrastructureError: There is no such infrastructure.
        """
        with _typed_errors():
            pairs = self._engine.events(infra, after)
        return [Event.from_json(json.loads(text), number) for number, text in pairs]

    def logs(self, infra: str, which: Optional[str] = None) -> builtins.list[Log]:
        """Return the boot or process logs of instances.

        Args:
            infra: The infrastructure.
            which: Only instances with this node, slot, node id or address.

        Raises:
            UsageError: There is no such instance.
            ResourceError: A back-end could not be asked.
        """
        with _typed_errors():
            return [Log(*entry) for entry in self._engine.logs(infra, which)]

    def graph(self, infra: str, format: str = "text") -> str:
        """Return the dependency graph.

        Args:
            infra: The infrastructure.
            format: ``text``, ``dot`` (Graphviz) or ``mermaid``.

        Raises:
            UsageError: There is no such format.
            UnknownInfrastructureError: There is no such infrastructure.
        """
        with _typed_errors():
            return self._engine.graph(infra, format)
