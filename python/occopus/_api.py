"""The class :class:`Occopus`."""

from __future__ import annotations

import builtins
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Optional

from . import _calls, _native
from ._calls import OnEvent, PathType, Replace, Result, Subject
from ._errors import typed_errors
from .history import Generation
from .inventory import Inventory, Outputs
from .model import (
    BuildResult,
    Event,
    Hold,
    Infrastructure,
    Log,
    PassResult,
    Plan,
    ScaleResult,
    Status,
)
from .orphans import Adopted, LeftBehind, Orphans


class Occopus:
    """Builds, looks after, scales and removes infrastructures.

    Methods that take ``infra`` accept an id, a unique prefix of an id, or a name. An object may be used
    from several threads. A Ctrl-C during a call stops the operation properly, keeps what is ready and
    raises :class:`KeyboardInterrupt`; a second one leaves at once. When the interpreter exits, it stops what
    is under way properly and waits for it; a Ctrl-C ends that.

    As a context manager, it is closed at the end.
    """

    def __init__(
        self,
        store: Optional[PathType] = None,
        config: Optional[PathType] = None,
        credentials: Optional[PathType] = None,
        max_parallel: Optional[int] = None,
        *,
        allow_volatile_store: bool = False,
    ) -> None:
        """Open the store; nothing needs to be configured.

        Args:
            store: The store, a file or ``redis://HOST:PORT/DATABASE``; by default that of the command line.
            config: The configuration file; by default searched for.
            credentials: The credentials file; by default searched for.
            max_parallel: Calls under way at the same time per endpoint; 10 by default.
            allow_volatile_store: Use a Redis even if it can lose records.

        Raises:
            UsageError: A named file does not exist.
            DescriptorError: The configuration file is wrong.
            StoreError: The store cannot be used.
        """
        self._engine = _native.Engine(store, allow_volatile_store, config, credentials, max_parallel)
        self._store = self._do(_calls.open_store())

    def _do(self, call: _calls.Call[Result], on_event: Optional[OnEvent] = None) -> Result:
        listener = _calls.listener(on_event)
        with typed_errors():
            answer = self._engine.start(call.text, listener is not None).wait(listener)
        return call.read(json.loads(answer))

    def __enter__(self) -> Occopus:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the operations of other threads properly, wait for their end, and close the store.

        They raise :class:`StoppedError`; watching just ends. Afterwards, every method raises
        :class:`UsageError`.
        """
        with typed_errors():
            self._engine.close().wait()

    @property
    def store(self) -> str:
        """Where the store is."""
        return self._store

    def define(self, path: PathType) -> list[str]:
        """Import the node definitions of a file and return their names.

        Definitions of the same names are replaced; running infrastructures keep those they were built
        with.

        Args:
            path: The file.

        Raises:
            DescriptorError: The file is wrong; nothing was imported.
        """
        return self._do(_calls.define(path))

    def plan(
        self,
        description: Optional[PathType] = None,
        *,
        nodes: Iterable[PathType] = (),
        infra: Optional[str] = None,
        variables: Optional[Mapping[str, object]] = None,
        vars_files: Iterable[PathType] = (),
        replace: Replace = None,
        save: Optional[PathType] = None,
    ) -> Plan:
        """Return what would be done and why; change nothing.

        Args:
            description: The infrastructure description; without it, what the next pass over ``infra``
                would do.
            nodes: Node definition files to use beside the imported ones.
            infra: The infrastructure that would be changed; without it, a first build.
            variables: Variables of the infrastructure, over those of the description and of ``vars_files``.
            vars_files: YAML files of variables, over those of the description.
            replace: Which outdated instances a build would replace; see :meth:`build`.
            save: A file to save the plan in, for :meth:`build_saved`; readable by its owner only.

        Raises:
            DescriptorError: A file is wrong.
            UsageError: A node has no usable definition, or neither description nor infra is given.
            UnknownInfrastructureError: There is no such infrastructure.
        """
        return self._do(_calls.plan(description, nodes, infra, variables, vars_files, replace, save))

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
        replace: Replace = None,
        on_event: Optional[OnEvent] = None,
    ) -> BuildResult:
        """Build an infrastructure, or change a running one, and wait until everything is ready.

        A failed change of an infrastructure that was complete is undone. What a failed first build made
        is kept for :meth:`maintain` to go on with, unless ``rollback`` is set. Nobody is asked before a
        change destroys instances: :meth:`plan` tells what it would do.

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
            replace: Which outdated instances of ``infra`` are replaced, in a rolling way: ``True`` for all,
                or a :class:`Replacing`. Unlike the command, none without it: they stay, and
                :meth:`status` shows them as outdated.
            on_event: Called with each event while it happens, in the calling thread.

        Raises:
            BuildFailedError: Something could not be made ready.
            DescriptorError: A file is wrong; nothing was changed.
            UsageError: The request makes no sense as it is; nothing was changed.
            BusyError: Another process holds the lease; nothing was changed.
        """
        subject = Subject(description, nodes, infra, variables, vars_files, replace, create, new)
        return self._do(_calls.build(subject, rollback, sequential), on_event)

    def build_saved(
        self, plan: PathType, *, rollback: bool = False, on_event: Optional[OnEvent] = None
    ) -> BuildResult:
        """Carry a saved plan out: exactly it, or nothing.

        Args:
            plan: The file that :meth:`plan` saved.
            rollback: Destroy a first build that failed or was interrupted.
            on_event: Called with each event while it happens, in the calling thread.

        Raises:
            UsageError: The world has moved on since; the message says how. Nothing was changed.
            BuildFailedError: Something could not be made ready.
            BusyError: Another process holds the lease; nothing was changed.
        """
        return self._do(_calls.build_saved(plan, rollback), on_event)

    def history(self, infra: str) -> builtins.list[Generation]:
        """Return the descriptions of an infrastructure, oldest first.

        Args:
            infra: The infrastructure.

        Raises:
            UnknownInfrastructureError: There is no such infrastructure.
        """
        return self._do(_calls.history(infra))

    def rollback(
        self, infra: str, generation: int, *, replace: Replace = None, on_event: Optional[OnEvent] = None
    ) -> BuildResult:
        """Change an infrastructure back to an earlier description.

        Args:
            infra: The infrastructure.
            generation: Number of the description; see :meth:`history`.
            replace: Which outdated instances are replaced; see :meth:`build`.
            on_event: Called with each event while it happens, in the calling thread.

        Raises:
            BuildFailedError: Something could not be made ready; the change was undone.
            UsageError: There is no such description.
            UnknownInfrastructureError: There is no such infrastructure.
            BusyError: Another process holds the lease; nothing was changed.
        """
        return self._do(_calls.rollback(infra, generation, replace), on_event)

    def outputs(self, infra: str, name: Optional[str] = None) -> Outputs:
        """Return what the ``outputs`` of the description come to.

        Args:
            infra: The infrastructure.
            name: Only this output.

        Raises:
            UsageError: There is no such output.
            UnknownInfrastructureError: There is no such infrastructure.
        """
        return self._do(_calls.outputs(infra, name))

    def inventory(self, infra: str) -> Inventory:
        """Return the living instances, as other programs want to have them.

        Args:
            infra: The infrastructure.

        Raises:
            UnknownInfrastructureError: There is no such infrastructure.
        """
        return self._do(_calls.inventory(infra))

    def maintain(self, infra: str, *, on_event: Optional[OnEvent] = None) -> PassResult:
        """Look after an infrastructure once: heal it, and carry scaling requests out.

        Args:
            infra: The infrastructure.
            on_event: Called with each event while it happens, in the calling thread.

        Raises:
            UnknownInfrastructureError: There is no such infrastructure.
            BusyError: Another process holds the lease.
        """
        return self._do(_calls.maintain(infra), on_event)

    def watch(
        self, infras: Iterable[str] = (), *, interval: float = 10.0, on_event: Optional[OnEvent] = None
    ) -> None:
        """Look after infrastructures, pass after pass, until Ctrl-C or :meth:`close`.

        Errors end nothing: they are told by events ``notice``, once while they last.

        Args:
            infras: The infrastructures; without any, all there are, new ones included.
            interval: Seconds between two passes, from 0.1 to 86400.
            on_event: Called with each event while it happens, in the calling thread.

        Raises:
            UnknownInfrastructureError: There is no such infrastructure.
            UsageError: There cannot be such an interval.
        """
        self._do(_calls.watch(infras, interval), on_event)

    def scale(
        self,
        infra: str,
        node: str,
        *,
        count: Optional[int] = None,
        change: Optional[int] = None,
        remove: Optional[str] = None,
        wait: bool = False,
    ) -> ScaleResult:
        """Register a scaling request; a maintainer or the next :meth:`maintain` carries it out.

        Args:
            infra: The infrastructure.
            node: The node.
            count: Exactly so many instances.
            change: So many more, or fewer if negative.
            remove: One instance, by node id, slot or address.
            wait: Wait until the maintainer has carried it out, if one is running.

        Raises:
            UsageError: There is no such node or instance, or not exactly one of the three is given.
            UnknownInfrastructureError: There is no such infrastructure.
        """
        return self._do(_calls.scale(infra, node, count, change, remove, wait))

    def replace(self, infra: str, instance: str, *, wait: bool = False) -> ScaleResult:
        """Register the replacement of an instance: it is destroyed with its disks, and created again.

        A maintainer or the next :meth:`maintain` carries it out.

        Args:
            infra: The infrastructure.
            instance: The instance, by slot, node id or address.
            wait: Wait until the maintainer has carried it out, if one is running.

        Raises:
            UsageError: There is no such instance.
            UnknownInfrastructureError: There is no such infrastructure.
        """
        return self._do(_calls.replace(infra, instance, wait))

    def pause(
        self,
        infra: str,
        *,
        node: Optional[str] = None,
        reason: str = "",
        duration: Optional[timedelta] = None,
    ) -> Hold:
        """Keep everybody from changing an infrastructure; a destroy is not kept.

        Args:
            infra: The infrastructure.
            node: Only this node.
            reason: Why, for those who wonder.
            duration: How long; until :meth:`resume` without it.

        Raises:
            UsageError: There is no such node, or the duration is not positive.
            UnknownInfrastructureError: There is no such infrastructure.
        """
        return self._do(_calls.hold(infra, "pause", node, reason, duration))

    def resume(self, infra: str, *, node: Optional[str] = None) -> Optional[Hold]:
        """End a pause. Returns it; ``None`` if there was none.

        Args:
            infra: The infrastructure.
            node: The node that was paused; without it, a pause of the whole.

        Raises:
            UnknownInfrastructureError: There is no such infrastructure.
        """
        return self._do(_calls.lift(infra, "pause", node))

    def protect(self, infra: str, *, node: Optional[str] = None, reason: str = "") -> Hold:
        """Keep everybody from destroying or replacing instances, for whatever reason.

        Args:
            infra: The infrastructure.
            node: Only this node.
            reason: Why, for those who wonder.

        Raises:
            UsageError: There is no such node.
            UnknownInfrastructureError: There is no such infrastructure.
        """
        return self._do(_calls.hold(infra, "protect", node, reason, None))

    def unprotect(self, infra: str, *, node: Optional[str] = None) -> Optional[Hold]:
        """End a protection. Returns it; ``None`` if there was none.

        Args:
            infra: The infrastructure.
            node: The node that was protected; without it, a protection of the whole.

        Raises:
            UnknownInfrastructureError: There is no such infrastructure.
        """
        return self._do(_calls.lift(infra, "protect", node))

    def destroy(self, infra: str, *, on_event: Optional[OnEvent] = None) -> None:
        """Destroy everything of an infrastructure, without asking.

        Args:
            infra: The infrastructure.
            on_event: Called with each event while it happens, in the calling thread.

        Raises:
            DestroyIncompleteError: Something may be left; nothing is forgotten, call it again.
            UsageError: It is protected.
            UnknownInfrastructureError: There is no such infrastructure.
            BusyError: Another process holds the lease.
        """
        self._do(_calls.destroy(infra), on_event)

    def abandon(self, infra: str) -> builtins.list[LeftBehind]:
        """Give an infrastructure up without touching what is left of it, and return that.

        For a cloud that no longer exists: what is left elsewhere costs money that nobody sees any more.

        Args:
            infra: The infrastructure.

        Raises:
            UnknownInfrastructureError: There is no such infrastructure.
            BusyError: Another process holds the lease.
        """
        return self._do(_calls.abandon(infra))

    def status(self, infra: str) -> Status:
        """Observe an infrastructure; change nothing.

        Args:
            infra: The infrastructure.

        Raises:
            UnknownInfrastructureError: There is no such infrastructure.
        """
        return self._do(_calls.status(infra))

    def list(self) -> builtins.list[Infrastructure]:
        """Return all infrastructures that are not gone, oldest first.

        Raises:
            StoreError: The store cannot be read.
        """
        return self._do(_calls.infrastructures())

    def events(self, infra: str, after: str = "") -> builtins.list[Event]:
        """Return the stored events of an infrastructure, oldest first.

        Args:
            infra: The infrastructure; by its id also one that was destroyed less than a day ago.
            after: Only events after the one with this number.

        Raises:
            UnknownInfrastructureError: There is no such infrastructure.
        """
        return self._do(_calls.events(infra, after))

    def follow(
        self, infra: Optional[str] = None, after: str = "", *, interval: float = 0.5
    ) -> Iterator[Event]:
        """Iterate over the stored events, and over those to come, whoever makes them.

        The iterator waits for the next event. It ends when the infrastructure is destroyed.

        Args:
            infra: The infrastructure; without it, all of them, without an end.
            after: Only events after the one with this number, if ``infra`` is given.
            interval: Seconds between two looks.

        Raises:
            UnknownInfrastructureError: There is no such infrastructure.
        """
        follower = _calls.Follower(infra, after)
        while True:
            yield from self._do(follower.next())
            if follower.ended:
                return
            time.sleep(interval)

    def logs(self, infra: str, which: Optional[str] = None) -> builtins.list[Log]:
        """Return the boot or process logs of instances, with secrets hidden.

        Args:
            infra: The infrastructure.
            which: Only instances with this node, slot, node id or address.

        Raises:
            UsageError: There is no such instance.
            ResourceError: A back-end could not be asked.
        """
        return self._do(_calls.logs(infra, which))

    def graph(self, infra: str, format: str = "text") -> str:
        """Return the dependency graph.

        Args:
            infra: The infrastructure.
            format: ``text``, ``dot`` (Graphviz) or ``mermaid``.

        Raises:
            UsageError: There is no such format.
            UnknownInfrastructureError: There is no such infrastructure.
        """
        return self._do(_calls.graph(infra, format))

    def orphans(self) -> Orphans:
        """Look for resources with our tags that belong to nothing known, at all places ever used.

        Raises:
            StoreError: The store cannot be read.
        """
        return self._do(_calls.orphans())

    def adopt(self, orphan: str) -> Adopted:
        """Take an orphan back into its slot; the next :meth:`maintain` looks at it.

        Args:
            orphan: Its provider id, a unique prefix of it, or ``INFRA/SLOT``.

        Raises:
            UsageError: There is no such orphan, or no empty slot for it.
            BusyError: Another process holds the lease.
        """
        return self._do(_calls.adopt(orphan))

    def remove_orphan(self, orphan: str) -> None:
        """Destroy an orphan, and nothing else, without asking.

        Args:
            orphan: Its provider id, a unique prefix of it, or ``INFRA/SLOT``.

        Raises:
            UsageError: There is no such orphan, or it is protected.
            ResourceError: It could not be destroyed.
            BusyError: Another process holds the lease.
        """
        self._do(_calls.remove_orphan(orphan))
