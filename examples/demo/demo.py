"""The life of an infrastructure: plan, build, heal, scale, destroy.

    demo.py OCCOPUS

Runs the command OCCOPUS on examples/three-tier with a store and a home directory of its own, says what it
does before it does it, and checks what came of it. Ends with 0 only if every step did what is expected and
nothing is left.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

EXAMPLE = "examples/three-tier"
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
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("OCCOPUS_")
        }
        self.environment.update(HOME=str(home), OCCOPUS_STORE=str(home / ".occopus" / "occopus.db"))

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

    def instances(self, infra):
        """All instances by slot."""
        (status,) = self.json("status", infra)
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


def show_front(occopus, infra, workers):
    """Fetch and show the page of the front as soon as it shows so many workers."""
    url = f"http://{occopus.instances(infra)['front/1']['addresses'][0]}:8080/"

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
    infra = occopus.run("build", *files).split()[-1]
    occopus.run("status", infra)
    instances = occopus.instances(infra)
    expect(len(instances) == 4, "there are four instances")
    expect(all(instance["state"] == "ready" for instance in instances.values()), "all are ready")

    say("3. The result: a front that shows two workers, which use one data service.")
    show_front(occopus, infra, 2)
    return infra


def heal(occopus, infra):
    say("4. Kill a worker behind its back.")
    before = occopus.instances(infra)
    (process,) = processes("OCCOPUS_NODE_ID", before["worker/1"]["node_id"])
    print(f"$ kill -9 {process}  # worker/1", flush=True)
    os.kill(process, signal.SIGKILL)
    until(lambda: not processes("OCCOPUS_NODE_ID", before["worker/1"]["node_id"]), "the worker is dead")
    occopus.run("status", infra)

    say("5. One pass replaces exactly what is lost, and the events say why.")
    occopus.run("maintain", infra)
    events = occopus.run("events", infra)
    after = occopus.instances(infra)
    replaced = {slot for slot in before if before[slot]["node_id"] != after[slot]["node_id"]}
    expect(replaced == {"worker/1"}, f"only worker/1 is replaced, not {sorted(replaced)}")
    expect(after["worker/1"]["state"] == "ready", "the new worker/1 is ready")
    expect("worker/1 failed" in events, "the events say that worker/1 failed")
    show_front(occopus, infra, 2)


def scale(occopus, infra):
    say("6. Scale the workers. A request is registered; the next pass, or a running watch, carries it out.")
    occopus.run("scale", infra, "worker+2")
    occopus.run("maintain", infra)
    occopus.run("status", infra)
    workers = [slot for slot in occopus.instances(infra) if slot.startswith("worker/")]
    expect(len(workers) == 4, "there are four workers")
    show_front(occopus, infra, 4)


def destroy(occopus, infra, home):
    say("7. Destroy everything, and look whether something is left.")
    occopus.run("destroy", infra, "--yes")
    expect(not processes("OCCOPUS_INFRA_ID", infra), "no process is left")
    left = [path for path in home.rglob("*") if path.is_file() and "occopus.db" not in path.name]
    expect(not left, f"no file is left beside the store, not {left}")
    reserved = RESERVATIONS.glob("127.*") if RESERVATIONS.exists() else []
    expect(not any(str(home) in path.read_text() for path in reserved), "no address stays reserved")
    expect(not occopus.json("list"), "no infrastructure is left")
    print("No process, no file and no address is left.")


def clean_up(occopus):
    """Leave nothing behind, however the demo ended."""
    for entry in occopus.json("list"):
        occopus.run("destroy", entry["id"], "--yes", "--quiet")


def main():
    with tempfile.TemporaryDirectory(prefix="occopus-demo-") as folder:
        home = Path(folder)
        occopus = Occopus(sys.argv[1], home)
        start = time.monotonic()
        try:
            infra = build(occopus)
            heal(occopus, infra)
            scale(occopus, infra)
            destroy(occopus, infra, home)
        except (Unexpected, KeyboardInterrupt) as problem:
            print(f"\nThe demo failed. Expected: {problem}", file=sys.stderr)
            clean_up(occopus)
            return 1
        say(f"Done in {time.monotonic() - start:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
