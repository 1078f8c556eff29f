"""The interpreter may exit at any moment: no crash, and what is left of infrastructures can be mended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import occopus

SCRIPTS = 200
AT_ONCE = 8
INFRASTRUCTURES = 6

# What every script starts with; `engine` and `start` are used by the endings below.
BEGINNING = """
import asyncio, os, signal, sys, threading
from occopus import AsyncOccopus, Occopus
store, infra, nodes, name = sys.argv[1:]

async def begin(engine, again=False):
    begun = asyncio.Event()
    def on_event(event):
        if event.event in ("nodecreating", "nodestarted", "nodedropping", "infraready"):
            begun.set()
    task = asyncio.create_task(engine.build(infra, nodes=[nodes], infra=name, create=True, on_event=on_event))
    await asyncio.wait([task, asyncio.create_task(begun.wait())], return_when=asyncio.FIRST_COMPLETED)
    return task
"""

# Endings that do all that they began.
WHOLE = {
    "list": "print(len(asyncio.run(AsyncOccopus(store).list())))",
    "many": """
async def main():
    engine = AsyncOccopus(store)
    await asyncio.gather(*[engine.list() for _ in range(20)])
asyncio.run(main())
""",
    "closed": """
async def main():
    async with AsyncOccopus(store) as engine:
        await engine.list()
asyncio.run(main())
""",
    "threads": """
def work():
    asyncio.run(AsyncOccopus(store).list())
threads = [threading.Thread(target=work) for _ in range(3)]
[thread.start() for thread in threads]
""",
}

# Endings that cancel or leave what they began.
CUT = {
    "cancelled": """
async def main():
    task = await begin(AsyncOccopus(store))
    task.cancel()
    await asyncio.wait([task])
asyncio.run(main())
""",
    "pending": """
async def main():
    await begin(AsyncOccopus(store))
asyncio.run(main())
""",
    "loop left": """
loop = asyncio.new_event_loop()
engine = AsyncOccopus(store)
task = loop.run_until_complete(begin(engine))
""",
    "loop closed": """
loop = asyncio.new_event_loop()
task = loop.run_until_complete(begin(AsyncOccopus(store)))
loop.close()
""",
    "exit": """
async def main():
    await begin(AsyncOccopus(store))
    sys.exit(3)
asyncio.run(main())
""",
    "exception": """
async def main():
    await begin(AsyncOccopus(store))
    raise RuntimeError("on purpose")
asyncio.run(main())
""",
    "interrupted": """
async def main():
    task = await begin(AsyncOccopus(store))
    os.kill(os.getpid(), signal.SIGINT)
    await task
    await asyncio.sleep(60)
asyncio.run(main())
""",
    "never awaited": """
loop = asyncio.new_event_loop()
tasks = [loop.create_task(AsyncOccopus(store).list()) for _ in range(10)]
loop.run_until_complete(asyncio.sleep(0))
""",
    "daemon thread": """
begun = threading.Event()
def work():
    Occopus(store).build(infra, nodes=[nodes], infra=name, create=True, on_event=lambda event: begun.set())
threading.Thread(target=work, daemon=True).start()
begun.wait(5)
""",
    "daemon loop": """
begun = threading.Event()
async def main():
    await begin(AsyncOccopus(store))
    begun.set()
    await asyncio.sleep(60)
threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
begun.wait(5)
""",
    "killed": """
async def main():
    await begin(AsyncOccopus(store))
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
""",
}


def ending_of(number: int) -> tuple[str, str]:
    """Return name and text of the ending of a script: a third is cut off."""
    kinds = [*CUT.items()] if number % 3 == 0 else [*WHOLE.items()]
    return kinds[number // 3 % len(kinds)]


NODES = """
'node_def:sleeper':
  - resource: {type: process}
    contextualisation: {type: process, command: [sleep, '600']}
    health_check: {ping: false}
"""


def heed_ctrl_c() -> None:
    """Undo what a shell does to the jobs it starts in the background: they ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_script(project, ending: str, text: str, name: str) -> str:
    """Return what is wrong with the end of a script; nothing if all is well."""
    arguments = [str(project.folder / part) for part in ("store/occopus.db", f"{name}.yaml", "sleepers.yaml")]
    result = subprocess.run(
        [sys.executable, "-c", BEGINNING + text, *arguments, name],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=heed_ctrl_c,
        env=dict(os.environ, PYTHONFAULTHANDLER="1"),
    )
    expected = {
        "exit": {3},
        "exception": {1},
        "interrupted": {1, -signal.SIGINT},
        "killed": {-signal.SIGKILL},
    }
    # A build that finds its infrastructure in use gives up, which is an end like any other.
    allowed = expected.get(ending, {0}) | ({1} if "BusyError" in result.stderr else set())
    crashed = any(words in result.stderr for words in ("Fatal Python error", "panicked", "terminate called"))
    if result.returncode in allowed and not crashed:
        return ""
    return f"{ending}: {result.returncode}\n{result.stderr}"


def test_two_hundred_scripts_end_without_a_crash_and_leave_whole_infrastructures(project) -> None:
    project.write("sleepers.yaml", NODES)
    for number in range(INFRASTRUCTURES):
        nodes = "nodes:\n  - {name: one, type: sleeper, scaling: {min: 2}}\n"
        project.write(f"i{number}.yaml", f"user_id: t\ninfra_name: n{number}\n{nodes}")

    def end(number: int) -> str:
        return run_script(project, *ending_of(number), f"i{number % INFRASTRUCTURES}")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        wrong = [text for text in pool.map(end, range(SCRIPTS)) if text]
    assert not wrong, "\n".join(wrong)
    engine = project.open()
    known = engine.list()
    assert known, "no script has begun a build"
    for infrastructure in known:
        engine.maintain(infrastructure.infra_id)
        status = engine.status(infrastructure.infra_id)
        assert (status.health, len(status.instances())) == ("ready", 2), status
    # Nothing is lost and nothing is there twice.
    assert engine.orphans() == occopus.Orphans((), (), ())
    for infrastructure in known:
        engine.destroy(infrastructure.infra_id)
    assert engine.list() == []


@pytest.mark.parametrize(
    "ending", ["cancelled", "pending", "loop left", "loop closed", "exception", "daemon thread"]
)
def test_what_is_under_way_at_exit_is_stopped_properly(project, ending: str) -> None:
    project.write("sleepers.yaml", NODES.replace("ping: false", "ping: false, ports: [9], timeout: 600"))
    project.write("i0.yaml", "user_id: t\ninfra_name: n\nnodes:\n  - {name: one, type: sleeper}\n")
    assert run_script(project, ending, CUT[ending], "i0") == ""
    with project.open() as engine:
        # The lease was let go; what was begun is on record, and not as something unknown.
        status = engine.status("n")
        assert status.controller is None
        assert "creating" not in {instance.state for instance in status.instances()}
