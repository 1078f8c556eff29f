"""The class :class:`AsyncOccopus`."""

from __future__ import annotations

import asyncio
import builtins
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Optional

from . import _calls, _loop, _native
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


class AsyncOccopus:
    """The same as :class:`Occopus`, to be awaited: no method blocks the event loop.

    The methods take the same arguments and raise the same exceptions as those of :class:`Occopus`.

    A cancellation stops the operation properly: nothing new is begun, calls that run are ended, and a build
    is kept or rolled back as it is told to be. Only then :class:`asyncio.CancelledError` leaves the method; a
    second cancellation leaves at once. Timeouts such as :func:`asyncio.wait_for` are cancellations.

    ``on_event`` is called in the event loop, before the method returns. An object may be used from several
    event loops. ``async with`` opens the store at the beginning and closes it at the end.
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
        """Take the arguments of :class:`Occopus`; the first method opens the store, and raises its errors.

        Args:
            store: The store, a file or ``redis://HOST:PORT/DATABASE``; by default that of the command line.
            config: The configuration file; by default searched for.
            credentials: The credentials file; by default searched for.
            max_parallel: Calls under way at the same time per endpoint; 10 by default.
            allow_volatile_store: Use a Redis even if it can lose records.
        """
        self._engine = _native.Engine(store, allow_volatile_store, config, credentials, max_parallel)

    async def _do(self, call: _calls.Call[Result], on_event: Optional[OnEvent] = None) -> Result:
        listener = _calls.listener(on_event)

        def start(alarm: _native.Alarm) -> _native.Operation:
            return self._engine.start(call.text, listener is not None, alarm)

        with typed_errors():
            answer = await _loop.perform(start, listener)
        return call.read(json.loads(answer))

    async def __aenter__(self) -> AsyncOccopus:
        await self.store()
        return self

    async def __aexit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop the operations of other tasks properly, wait for their end, and close the store.

        They raise :class:`StoppedError`; watching just ends. Afterwards, every method raises
        :class:`UsageError`.
        """
        with typed_errors():
            await _loop.perform(self._engine.close, None)

    async def store(self) -> str:
        """Open the store, unless it is open already, and return where it is.

        Raises:
            UsageError: A named file does not exist.
            DescriptorError: The configuration file is wrong.
            StoreError: The store cannot be used.
        """
        return await self._do(_calls.open_store())

    async def define(self, path: PathType) -> list[str]:
        """Import node definitions; see :meth:`Occopus.define`."""
        return await self._do(_calls.define(path))

    async def plan(
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
        """Return what would be done and why; see :meth:`Occopus.plan`."""
        return await self._do(_calls.plan(description, nodes, infra, variables, vars_files, replace, save))

    async def build(
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
        """Build an infrastructure, or change a running one; see :meth:`Occopus.build`."""
        subject = Subject(description, nodes, infra, variables, vars_files, replace, create, new)
        return await self._do(_calls.build(subject, rollback, sequential), on_event)

    async def build_saved(
        self, plan: PathType, *, rollback: bool = False, on_event: Optional[OnEvent] = None
    ) -> BuildResult:
        """Carry a saved plan out: exactly it, or nothing. See :meth:`Occopus.build_saved`."""
        return await self._do(_calls.build_saved(plan, rollback), on_event)

    async def history(self, infra: str) -> builtins.list[Generation]:
        """Return the descriptions of an infrastructure, oldest first. See :meth:`Occopus.history`."""
        return await self._do(_calls.history(infra))

    async def rollback(
        self, infra: str, generation: int, *, replace: Replace = None, on_event: Optional[OnEvent] = None
    ) -> BuildResult:
        """Change an infrastructure back to an earlier description. See :meth:`Occopus.rollback`."""
        return await self._do(_calls.rollback(infra, generation, replace), on_event)

    async def outputs(self, infra: str, name: Optional[str] = None) -> Outputs:
        """Return what the ``outputs`` of the description come to. See :meth:`Occopus.outputs`."""
        return await self._do(_calls.outputs(infra, name))

    async def inventory(self, infra: str) -> Inventory:
        """Return the living instances, as other programs want to have them. See :meth:`Occopus.inventory`."""
        return await self._do(_calls.inventory(infra))

    async def maintain(self, infra: str, *, on_event: Optional[OnEvent] = None) -> PassResult:
        """Look after an infrastructure once; see :meth:`Occopus.maintain`."""
        return await self._do(_calls.maintain(infra), on_event)

    async def watch(
        self, infras: Iterable[str] = (), *, interval: float = 10.0, on_event: Optional[OnEvent] = None
    ) -> None:
        """Look after infrastructures until it is cancelled; see :meth:`Occopus.watch`."""
        await self._do(_calls.watch(infras, interval), on_event)

    async def scale(
        self,
        infra: str,
        node: str,
        *,
        count: Optional[int] = None,
        change: Optional[int] = None,
        remove: Optional[str] = None,
        wait: bool = False,
    ) -> ScaleResult:
        """Register a scaling request; see :meth:`Occopus.scale`. A cancellation leaves it registered."""
        return await self._do(_calls.scale(infra, node, count, change, remove, wait))

    async def replace(self, infra: str, instance: str, *, wait: bool = False) -> ScaleResult:
        """Register the replacement of an instance; see :meth:`Occopus.replace`."""
        return await self._do(_calls.replace(infra, instance, wait))

    async def pause(
        self,
        infra: str,
        *,
        node: Optional[str] = None,
        reason: str = "",
        duration: Optional[timedelta] = None,
    ) -> Hold:
        """Keep everybody from changing an infrastructure; see :meth:`Occopus.pause`."""
        return await self._do(_calls.hold(infra, "pause", node, reason, duration))

    async def resume(self, infra: str, *, node: Optional[str] = None) -> Optional[Hold]:
        """End a pause; see :meth:`Occopus.resume`."""
        return await self._do(_calls.lift(infra, "pause", node))

    async def protect(self, infra: str, *, node: Optional[str] = None, reason: str = "") -> Hold:
        """Keep everybody from destroying or replacing instances; see :meth:`Occopus.protect`."""
        return await self._do(_calls.hold(infra, "protect", node, reason, None))

    async def unprotect(self, infra: str, *, node: Optional[str] = None) -> Optional[Hold]:
        """End a protection; see :meth:`Occopus.unprotect`."""
        return await self._do(_calls.lift(infra, "protect", node))

    async def destroy(self, infra: str, *, on_event: Optional[OnEvent] = None) -> None:
        """Destroy everything of an infrastructure; see :meth:`Occopus.destroy`."""
        await self._do(_calls.destroy(infra), on_event)

    async def abandon(self, infra: str) -> builtins.list[LeftBehind]:
        """Give an infrastructure up; see :meth:`Occopus.abandon`."""
        return await self._do(_calls.abandon(infra))

    async def status(self, infra: str) -> Status:
        """Observe an infrastructure; see :meth:`Occopus.status`."""
        return await self._do(_calls.status(infra))

    async def list(self) -> builtins.list[Infrastructure]:
        """Return all infrastructures that are not gone; see :meth:`Occopus.list`."""
        return await self._do(_calls.infrastructures())

    async def events(self, infra: str, after: str = "") -> builtins.list[Event]:
        """Return the stored events of an infrastructure; see :meth:`Occopus.events`."""
        return await self._do(_calls.events(infra, after))

    async def follow(
        self, infra: Optional[str] = None, after: str = "", *, interval: float = 0.5
    ) -> AsyncIterator[Event]:
        """Iterate over the stored events and over those to come, with ``async for``.

        See :meth:`Occopus.follow`.
        """
        follower = _calls.Follower(infra, after)
        while True:
            for event in await self._do(follower.next()):
                yield event
            if follower.ended:
                return
            await asyncio.sleep(interval)

    async def logs(self, infra: str, which: Optional[str] = None) -> builtins.list[Log]:
        """Return the boot or process logs of instances; see :meth:`Occopus.logs`."""
        return await self._do(_calls.logs(infra, which))

    async def graph(self, infra: str, format: str = "text") -> str:
        """Return the dependency graph; see :meth:`Occopus.graph`."""
        return await self._do(_calls.graph(infra, format))

    async def orphans(self) -> Orphans:
        """Look for resources that belong to nothing known; see :meth:`Occopus.orphans`."""
        return await self._do(_calls.orphans())

    async def adopt(self, orphan: str) -> Adopted:
        """Take an orphan back into its slot; see :meth:`Occopus.adopt`."""
        return await self._do(_calls.adopt(orphan))

    async def remove_orphan(self, orphan: str) -> None:
        """Destroy an orphan; see :meth:`Occopus.remove_orphan`."""
        await self._do(_calls.remove_orphan(orphan))
