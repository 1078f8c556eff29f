"""The asynchronous API: nothing blocks the event loop, and a cancellation ends operations properly."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import signal
import sys
import time
from collections.abc import Coroutine

import pytest

import occopus
from occopus import AsyncOccopus, Occopus

# The server never answers on this port, so that a build waits until it is stopped.
SLOW = """
'node_def:slow':
  - resource: {type: process}
    contextualisation: {type: process, command: [sleep, '600']}
    health_check: {ping: false, ports: [9], timeout: 600}
"""

SLOW_INFRASTRUCTURE = """
user_id: tester
infra_name: slow
nodes:
  - {name: slow, type: slow}
"""


def run(coroutine: Coroutine) -> object:
    return asyncio.run(asyncio.wait_for(coroutine, 120))


@pytest.fixture()
def slow(project) -> dict[str, object]:
    return {
        "description": project.write("slow.yaml", SLOW_INFRASTRUCTURE),
        "nodes": [project.write("slow_nodes.yaml", SLOW)],
    }


async def started_build(engine: AsyncOccopus, **arguments) -> asyncio.Task:
    """Return a build that has created its instance and waits for it."""
    begun = asyncio.Event()

    def on_event(event: occopus.Event) -> None:
        if event.event == "nodestarted":
            begun.set()

    task = asyncio.create_task(engine.build(**arguments, on_event=on_event))
    waiter = asyncio.create_task(begun.wait())
    await asyncio.wait([task, waiter], return_when=asyncio.FIRST_COMPLETED)
    assert not task.done(), task.result()
    return task


def test_an_infrastructure_lives_and_dies(project) -> None:
    async def main() -> None:
        async with AsyncOccopus(store=project.store) as engine:
            assert (await engine.store()).endswith(str(project.store))
            assert await engine.define(project.nodes) == ["server", "client", "broken"]
            plan = await engine.plan(project.infra)
            assert [action.slot for action in plan.actions] == ["server/1", "client/1"]
            events: list[occopus.Event] = []
            built = await engine.build(project.infra, on_event=events.append)
            created = [event.slot for event in events if event.event == "nodecreated"]
            assert created == ["server/1", "client/1"]
            assert [known.infra_id for known in await engine.list()] == [built.infra_id]
            scaled = await engine.scale("pair", "server", count=2, wait=True)
            assert (scaled.target, scaled.maintainer, scaled.done) == (2, None, False)
            assert (await engine.maintain("pair")).failed == ()
            status = await engine.status("pair")
            assert (status.health, len(status.instances("server"))) == ("ready", 2)
            (log,) = await engine.logs("pair", "client/1")
            assert "peer" in log.text
            assert "server" in await engine.graph("pair", "dot")
            await engine.destroy("pair")
            assert await engine.list() == []

    run(main())


def test_the_loop_goes_on_during_a_build(project) -> None:
    async def main() -> None:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counter = asyncio.create_task(count())
        seen: list[int] = []
        engine = AsyncOccopus(store=project.store)
        await engine.build(project.infra, nodes=[project.nodes], on_event=lambda event: seen.append(turns))
        counter.cancel()
        # A build that held the loop would see the counter stand still between its events.
        assert len(set(seen)) > 1

    run(main())


def test_many_calls_at_once_share_one_socket(project) -> None:
    async def main() -> None:
        engine = AsyncOccopus(store=project.store)
        await engine.store()
        before = len(os.listdir("/proc/self/fd"))
        calls = [asyncio.create_task(engine.list()) for _ in range(2000)]
        await asyncio.sleep(0)
        during = len(os.listdir("/proc/self/fd"))
        assert await asyncio.gather(*calls) == [[]] * 2000
        assert during - before < 100

    run(main())


def test_a_cancelled_build_ends_properly_and_is_kept(project, slow) -> None:
    async def main() -> None:
        engine = AsyncOccopus(store=project.store)
        task = await started_build(engine, **slow)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # The lease is free and the instance is on record, so that nothing has to be waited for.
        status = await engine.status("slow")
        assert (status.controller, len(status.instances("slow"))) == (None, 1)
        await engine.destroy("slow")

    run(main())


def test_a_cancelled_build_with_rollback_leaves_nothing(project, slow) -> None:
    async def main() -> None:
        engine = AsyncOccopus(store=project.store)
        task = await started_build(engine, **slow, rollback=True)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await engine.list() == []

    run(main())


def test_a_timeout_is_a_cancellation(project, slow) -> None:
    async def main() -> None:
        engine = AsyncOccopus(store=project.store)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(engine.build(**slow), 0.5)
        assert (await engine.status("slow")).controller is None

    run(main())


def test_a_second_cancellation_leaves_at_once_and_the_rest_ends_in_the_background(project, slow) -> None:
    async def main() -> None:
        engine = AsyncOccopus(store=project.store)
        task = await started_build(engine, **slow, rollback=True)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await engine.close()
        async with AsyncOccopus(store=project.store) as other:
            assert await other.list() == []

    run(main())


def test_closing_stops_what_is_under_way(project, slow) -> None:
    async def main() -> None:
        engine = AsyncOccopus(store=project.store)
        task = await started_build(engine, **slow)
        watch = asyncio.create_task(engine.watch(interval=600))
        await asyncio.sleep(0)  # It begins.
        await engine.close()
        with pytest.raises(occopus.StoppedError, match="stopped"):
            await task
        assert await watch is None
        with pytest.raises(occopus.UsageError, match="closed"):
            await engine.list()

    run(main())


def test_a_watch_heals_until_it_is_cancelled(project) -> None:
    async def main() -> None:
        async with AsyncOccopus(store=project.store) as engine:
            await engine.build(project.infra, nodes=[project.nodes])
            done = asyncio.Event()

            def on_event(event: occopus.Event) -> None:
                if (event.event, event.slot) == ("nodecreated", "server/2"):
                    done.set()

            watch = asyncio.create_task(engine.watch(["pair"], interval=0.1, on_event=on_event))
            while (await engine.status("pair")).controller is None:
                await asyncio.sleep(0.05)
            scaled = await engine.scale("pair", "server", count=2, wait=True)
            assert (scaled.done, scaled.target) == (True, 2)
            await done.wait()
            watch.cancel()
            with pytest.raises(asyncio.CancelledError):
                await watch
            assert (await engine.status("pair")).controller is None

    run(main())


def test_events_are_followed_to_the_end_of_the_infrastructure(project) -> None:
    async def main() -> None:
        engine = AsyncOccopus(store=project.store)
        await engine.build(project.infra, nodes=[project.nodes])
        seen: list[occopus.Event] = []

        async def follow() -> None:
            async for event in engine.follow("pair", interval=0.05):
                seen.append(event)

        follower = asyncio.create_task(follow())
        await engine.destroy("pair")
        await follower
        assert seen[-1].event == "infradrop"
        assert [event.number for event in seen] == sorted({event.number for event in seen})
        dropped = [event for event in seen if event.event == "nodedropped"]
        assert {event.slot for event in dropped} == {"server/1", "client/1"}
        assert all("occopus (Python) destroy" in event.actor for event in dropped)
        assert {(event.before, event.after) for event in dropped} == {("destroying", "destroyed")}

    run(main())


def test_all_events_are_followed_until_one_stops(project) -> None:
    async def main() -> None:
        engine = AsyncOccopus(store=project.store)
        built = await engine.build(project.infra, nodes=[project.nodes])
        async with contextlib.aclosing(engine.follow()) as events:
            async for event in events:
                assert event.infra_id == built.infra_id
                if event.event == "infraready":
                    break

    if sys.version_info >= (3, 10):
        run(main())


def test_what_is_wrong_in_a_callback_is_reported_and_stops_nothing(project) -> None:
    async def main() -> None:
        reported: list[dict] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
        engine = AsyncOccopus(store=project.store)

        def fail(event: occopus.Event) -> None:
            raise RuntimeError(event.event)

        await engine.build(project.infra, nodes=[project.nodes], on_event=fail)
        assert (await engine.status("pair")).health == "ready"
        assert any(isinstance(context["exception"], RuntimeError) for context in reported)

    run(main())


def test_errors_are_the_same_as_of_the_blocking_calls(project) -> None:
    async def main() -> None:
        engine = AsyncOccopus(store=project.store)
        with pytest.raises(occopus.UnknownInfrastructureError, match="occopus list"):
            await engine.status("nowhere")
        with pytest.raises(occopus.DescriptorError):
            await engine.build(project.write("bad.yaml", "infra_name: a.b\nnodes: []\nuser_id: x\n"))
        with pytest.raises(occopus.BuildFailedError, match="out of luck"):
            await engine.build(project.broken, nodes=[project.nodes])
        with pytest.raises(occopus.StoreError):
            await AsyncOccopus(store=project.write("no-store", "this is not a database")).store()

    run(main())


def test_one_engine_serves_several_loops_one_after_the_other(project) -> None:
    engine = AsyncOccopus(store=project.store)
    for _ in range(3):
        assert run(engine.list()) == []


def test_ctrl_c_ends_a_build_properly(project, slow) -> None:
    async def main() -> None:
        engine = AsyncOccopus(store=project.store)
        task = await started_build(engine, **slow)
        os.kill(os.getpid(), signal.SIGINT)
        await task

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert project.open().status("slow").controller is None


def test_a_fork_needs_an_engine_of_its_own(project) -> None:
    engine = project.open()
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            try:
                engine.list()
            except occopus.UsageError:
                code = 0 if project.open().list() == [] else 1
        os._exit(code)
    deadline = time.monotonic() + 60
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.05)
    assert os.waitstatus_to_exitcode(ended[1]) == 0
    assert engine.list() == []


def test_both_classes_have_the_same_methods_with_the_same_parameters() -> None:
    def methods(cls: type) -> dict[str, list[inspect.Parameter]]:
        found = inspect.getmembers(cls, inspect.isfunction)
        named = {name: function for name, function in found if not name.startswith("_") or name == "__init__"}
        return {name: [*inspect.signature(function).parameters.values()] for name, function in named.items()}

    blocking = methods(Occopus)
    # It is a property there: a constructor that blocks knows it.
    assert isinstance(Occopus.store, property)
    awaited = {name: signature for name, signature in methods(AsyncOccopus).items() if name != "store"}
    assert awaited == blocking
