"""The life of an infrastructure: plan, build, heal, scale, destroy.

    demo.py OCCOPUS

Runs the command OCCOPUS on examples/three-tier with a store and a home directory of its own, says what it
does before it does it, and checks what came of it. Ends with 0 only if every step did what is expected and
nothing is left.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

EXAMPLE = "examples/three-tier"
INFRA = "three-tier"
STORE = "occopus.db"
RESERVATIONS = Path("/var/tmp/occopus-addresses")
# Steps that take seconds are given up after this many.
PATIENCE = 120


class Unexpected(Exception):
    """A step did not do what is expected."""


def expect(condition, what):
    if not condition:
        raise Unexpected(what)


def until(condition, what):
    """Wait until `condition` returns something true, and return that."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.1)
    raise Unexpected(f"{what}: not within {PATIENCE} s")


def say(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else f"\n{text}")


class Occopus:
    """The command under a home directory of its own."""

    def __init__(self, program, home):
        self.program = program
        self.home = home
        self.store = home / ".occopus" / STORE
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("OCCOPUS_")
        }
        self.environment.update(HOME=str(home), OCCOPUS_STORE=str(self.store))

    def run(self, *arguments, show=True):
        """Run the command and return what it wrote to stdout; show the command and its output."""
        if show:
            print("$ occopus", *arguments, flush=True)
        done = subprocess.run(
            [self.program, *arguments], env=self.environment, stdout=subprocess.PIPE, text=True
        )
        if show:
            print(done.stdout, end="", flush=True)
        expect(done.returncode == 0, f"`occopus {' '.join(arguments)}` ended with {done.returncode}")
        return done.stdout

    def json(self, *arguments):
        """Run the command silently and return the objects it wrote, one a line."""
        output = self.run(*arguments, "--quiet", "--format", "json", show=False)
        return [json.loads(line) for line in output.splitlines()]

    def instances(self):
        """All instances by slot."""
        (status,) = self.json("status", INFRA)
        return {slot["slot"]: slot for node in status["nodes"] for slot in node["slots"]}


def processes(name, value):
    """Identifiers of the living processes that were started with a variable of this value."""
    entry = f"{name}={value}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # The environment of a zombie is empty.
            if entry in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def show_front(occopus, workers):
    """Fetch and show the page of the front as soon as it shows so many workers."""
    url = f"http://{occopus.instances()['front/1']['addresses'][0]}:8080/"

    def page():
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
        return text if text.count(": job") == workers and "does not answer" not in text else None

    print(f"GET {url}")
    print(until(page, f"the front shows {workers} workers"), end="", flush=True)


def build(occopus):
    say("1. What would be done? A plan says it with its reasons, and changes nothing.")
    files = [f"{EXAMPLE}/infra.yaml", "--nodes", f"{EXAMPLE}/nodes/node_definitions.yaml"]
    plan = occopus.run("plan", *files)
    for slot in ("data/1", "worker/1", "worker/2", "front/1"):
        expect(f"create {slot}" in plan, f"the plan creates {slot}")
    expect(not occopus.json("list"), "a plan changes nothing")

    say("2. Build it. Each node starts as soon as the nodes it depends on pass their checks.")
    infra_id = occopus.run("build", *files).split()[-1]
    occopus.run("status", INFRA)
    instances = occopus.instances()
    expect(len(instances) == 4, "there are four instances")
    expect(all(instance["state"] == "ready" for instance in instances.values()), "all are ready")

    say("3. The result: a front that shows two workers, which use one data service.")
    show_front(occopus, 2)
    return infra_id


def heal(occopus):
    say("4. Kill a worker behind its back.")
    before = occopus.instances()
    (process,) = processes("OCCOPUS_NODE_ID", before["worker/1"]["node_id"])
    print(f"$ kill -9 {process}  # worker/1", flush=True)
    os.kill(process, signal.SIGKILL)
    until(lambda: not processes("OCCOPUS_NODE_ID", before["worker/1"]["node_id"]), "the worker is dead")
    occopus.run("status", INFRA)

    say("5. One pass replaces exactly what is lost, and the events say why.")
    occopus.run("maintain", INFRA)
    events = occopus.run("events", INFRA)
    after = occopus.instances()
    replaced = {slot for slot in before if before[slot]["node_id"] != after[slot]["node_id"]}
    expect(replaced == {"worker/1"}, f"only worker/1 is replaced, not {sorted(replaced)}")
    expect(after["worker/1"]["state"] == "ready", "the new worker/1 is ready")
    expect("worker/1 stopped" in events, "the events say that worker/1 stopped")
    show_front(occopus, 2)


def scale(occopus):
    say("6. Scale the workers. A request is registered; the next pass, or a running watch, carries it out.")
    occopus.run("scale", INFRA, "worker+2")
    occopus.run("maintain", INFRA)
    occopus.run("status", INFRA)
    workers = [slot for slot in occopus.instances() if slot.startswith("worker/")]
    expect(len(workers) == 4, "there are four workers")
    show_front(occopus, 4)


def destroy(occopus, infra_id):
    say("7. Destroy everything, and look whether something is left.")
    occopus.run("destroy", INFRA, "--yes")
    expect(not processes("OCCOPUS_INFRA_ID", infra_id), "no process is left")
    left = [path for path in occopus.home.rglob("*") if not path.is_dir() and not is_store(path)]
    expect(not left, f"no file is left beside the store, not {left}")
    reserved = RESERVATIONS.glob("127.*") if RESERVATIONS.exists() else []
    expect(not any(str(occopus.home) in path.read_text() for path in reserved), "no address stays reserved")
    expect(not occopus.json("list"), "no infrastructure is left")
    print("No process, no file and no address is left.")


def is_store(path):
    return path.name.startswith(STORE)


def tell(occopus):
    """Tell the story; return whether everything was as expected."""
    try:
        infra_id = build(occopus)
        heal(occopus)
        scale(occopus)
        destroy(occopus, infra_id)
    except Unexpected as expected:
        print(f"\nThe demo failed. Expected: {expected}", file=sys.stderr)
        return False
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return False
    return True


def clean_up(occopus):
    """Leave nothing behind, however the demo ended. Without a trace of what runs, it could not be stopped."""
    try:
        for entry in occopus.json("list"):
            occopus.run("destroy", entry["infra_id"], "--yes")
    except Unexpected:
        print(f"Something may be left; the store that knows it is {occopus.store}", file=sys.stderr)
        return False
    shutil.rmtree(occopus.home)
    return True


def main():
    start = time.monotonic()
    occopus = Occopus(sys.argv[1], Path(tempfile.mkdtemp(prefix="occopus-demo-")))
    succeeded = tell(occopus)
    if not clean_up(occopus) or not succeeded:
        return 1
    say(f"Done in {time.monotonic() - start:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
