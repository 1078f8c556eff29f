"""Operations in an event loop.

The engine never calls into the interpreter from its own threads: it writes to a socket that the loop
watches. So nothing can go wrong when the interpreter exits while operations are under way.
"""

from __future__ import annotations

import asyncio
from typing import Callable, Optional
from weakref import WeakKeyDictionary

from . import _native

Listener = Optional[Callable[[str], object]]


class _Bell:
    """Tells a loop of the news of its operations. All methods are called in the loop."""

    def __init__(self) -> None:
        self.alarm = _native.Alarm()
        self._expected: dict[_native.Operation, tuple[Listener, asyncio.Event]] = {}

    def expect(self, operation: _native.Operation, listener: Listener) -> asyncio.Event:
        """Return what is set when the operation has ended; its events go to the listener."""
        if not self._expected:
            asyncio.get_running_loop().add_reader(self.alarm.fileno(), self._ring)
        ended = asyncio.Event()
        self._expected[operation] = (listener, ended)
        return ended

    def _ring(self) -> None:
        try:
            self.alarm.silence()
            for operation in [*self._expected]:
                self._look_at(operation)
        except BaseException:
            # A Ctrl-C or an exit inside of a listener: the others are not to miss their news.
            asyncio.get_running_loop().call_soon(self._ring)
            raise

    def _look_at(self, operation: _native.Operation) -> None:
        listener, ended = self._expected[operation]
        has_ended, events = operation.take()
        if has_ended:
            ended.set()
            del self._expected[operation]
            if not self._expected:
                asyncio.get_running_loop().remove_reader(self.alarm.fileno())
        # Whoever waits for the end goes on after this.
        for event in events:
            _deliver(listener, event)


def _deliver(listener: Listener, event: str) -> None:
    """Hand an event over. What is wrong there is reported, and stops nothing."""
    try:
        if listener is not None:
            listener(event)
    except Exception as error:
        context = {"message": "exception in on_event", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)


_bells: WeakKeyDictionary[asyncio.AbstractEventLoop, _Bell] = WeakKeyDictionary()


async def perform(start: Callable[[_native.Alarm], _native.Operation], listener: Listener) -> str:
    """Start an operation, wait for its end and return its result as JSON.

    A cancellation stops the operation properly and waits for its end; a second one leaves at once, while the
    operation still ends properly in the background.

    Args:
        start: Starts it.
        listener: Takes its events as JSON.
    """
    loop = asyncio.get_running_loop()
    bell = _bells.get(loop)
    if bell is None:
        bell = _bells[loop] = _Bell()
    operation = start(bell.alarm)
    ended = bell.expect(operation, listener)
    try:
        await ended.wait()
    except asyncio.CancelledError:
        operation.stop()
        await ended.wait()
        raise
    finally:
        operation.stop()
    return operation.result()
