"""What Occopus adds to what a back-end itself takes.

Takes the program `occopus`. Builds processes, containers (OCCOPUS_TEST_DOCKER names a Docker Engine) and EC2
instances (OCCOPUS_TEST_MOTO names a moto server), and makes as many with the same number of bare calls at
once, before and after, in the same run. The ratio of the times says what Occopus costs; seconds depend on the
machine.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "peers"))

from counting_proxy import counting

#: As many calls at once as Occopus makes.
PARALLEL = 10
IMAGE = "occopus-test/busybox"
EC2_HEADERS = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/ec2/aws4_request, "
    "SignedHeaders=host, Signature=0",
    "X-Amz-Date": "20260101T000000Z",
}


class Command:
    """The program with a home of its own."""

    def __init__(self, program: str, home: Path) -> None:
        self.program, self.home = str(Path(program).resolve()), home
        self.environment = {"HOME": str(home), "PATH": os.environ["PATH"]}

    def run(self, *arguments: str) -> tuple[str, float, float]:
        """Runs it; what it printed, the seconds it took, and the seconds of CPU time that it used itself."""
        start = time.perf_counter()
        output = self.home / "out"
        with output.open("w") as out, (self.home / "err").open("w") as err:
            process = subprocess.Popen(
                [self.program, *arguments], cwd=self.home, env=self.environment, stdout=out, stderr=err
            )
            _, status, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors = (self.home / "err").read_text()
            raise SystemExit(f"{arguments} ended with {process.returncode}:\n{errors}")
        return output.read_text(), took, usage.ru_utime + usage.ru_stime


def describe(command: Command, count: int, resource: str, contextualisation: str) -> None:
    (command.home / "nodes.yaml").write_text(
        f"'node_def:n':\n  - resource: {resource}\n    contextualisation: {contextualisation}\n"
        "    health_check: {ping: false}\n"
    )
    (command.home / "infra.yaml").write_text(
        f"user_id: bench\ninfra_name: bench\nnodes:\n  - {{name: n, type: n, scaling: {{min: {count}}}}}\n"
    )


def at_once(count: int, make: Callable[[int], str]) -> list[str]:
    with ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(make, range(count)))


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(name: str, command: Command, raw: Callable[[], float], calls: Counter[str] | None = None) -> None:
    """Bare calls, a build, a pass over what is ready, and bare calls again."""
    before = raw()
    if calls is not None:
        calls.clear()
    out, took, cpu = command.run("build", "infra.yaml", "--nodes", "nodes.yaml", "--format", "json")
    report = json.loads(out.splitlines()[-1])
    infra, efficiency = report["infra_id"], report["efficiency"]["efficiency"]
    built = said(calls)
    _, pass_took, pass_cpu = command.run("maintain", infra)
    passed = said(calls)
    command.run("destroy", infra, "--yes")
    bare = (before + raw()) / 2
    print(
        f"| {name} | {bare:.2f} s | {took:.2f} s | {took / bare:.2f} | {cpu:.2f} s "
        f"| {efficiency:.2f} | {built} | {pass_took:.2f} s, {pass_cpu:.2f} s of CPU time | {passed} |",
        flush=True,
    )


def said(calls: Counter[str] | None) -> str:
    if calls is None:
        return ""
    text = ", ".join(f"{number} {action}" for action, number in sorted(calls.items()))
    calls.clear()
    return text


def processes(command: Command, count: int) -> None:
    describe(command, count, "{type: process}", "{type: process, command: [sleep, '1000']}")

    def raw() -> float:
        started: list[subprocess.Popen[bytes]] = []
        took = timed(lambda: at_once(count, lambda _: started.append(start_one()) or ""))
        for process in started:
            process.kill()
            process.wait()
        return took

    def start_one() -> subprocess.Popen[bytes]:
        return subprocess.Popen(["sleep", "1000"], start_new_session=True)

    measure(f"{count} processes", command, raw)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("docker")
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def containers(command: Command, count: int, endpoint: str) -> None:
    resource = f"{{type: docker, endpoint: '{endpoint}', origin: local, image: {IMAGE}, tag: latest}}"
    describe(command, count, resource, "{type: docker, env: [], command: 'sleep 1000'}")
    path = endpoint.removeprefix("unix://")

    def call(method: str, target: str, body: object = None) -> object:
        connection = UnixConnection(path)
        content = {"Content-Type": "application/json"}
        connection.request(method, target, json.dumps(body) if body else None, content)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {target}: {answer.status} {text!r}")
        return json.loads(text or b"null")

    def make(_: int) -> str:
        wanted = {"Image": f"{IMAGE}:latest", "Cmd": ["sleep", "1000"]}
        container = call("POST", "/containers/create", wanted)["Id"]
        call("POST", f"/containers/{container}/start")
        call("GET", f"/containers/{container}/json")
        return container

    def raw() -> float:
        made: list[str] = []
        took = timed(lambda: made.extend(at_once(count, make)))
        at_once(count, lambda number: str(call("DELETE", f"/containers/{made[number]}?force=true")))
        return took

    measure(f"{count} containers on Docker", command, raw)


def ec2_call(endpoint: str, action: str, **parameters: str) -> str:
    form = urllib.parse.urlencode({"Action": action, "Version": "2016-11-15", **parameters})
    request = urllib.request.Request(endpoint, form.encode(), EC2_HEADERS)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def instances(command: Command, count: int, endpoint: str) -> None:
    image = re.search(r"<imageId>([^<]*)", ec2_call(endpoint, "DescribeImages")).group(1)
    with counting(endpoint) as (counted, calls):
        resource = (
            f"{{type: ec2, endpoint: '{counted}', regionname: us-east-1, image_id: {image}, "
            "instance_type: t2.micro}"
        )
        describe(command, count, resource, "{type: cloudinit, context_template: '#cloud-config'}")
        auth = command.home / ".occopus" / "auth_data.yaml"
        auth.parent.mkdir(exist_ok=True)
        auth.write_text("resource:\n  - type: ec2\n    auth_data: {accesskey: AKID, secretkey: secret}\n")
        auth.chmod(0o600)

        def make(_: int) -> str:
            wanted = {"ImageId": image, "InstanceType": "t2.micro", "MinCount": "1", "MaxCount": "1"}
            return re.search(r"<instanceId>([^<]*)", ec2_call(counted, "RunInstances", **wanted)).group(1)

        def all_run(ids: list[str]) -> None:
            named = {f"InstanceId.{number}": one for number, one in enumerate(ids, 1)}
            while ec2_call(counted, "DescribeInstances", **named).count("<name>running</name>") < count:
                time.sleep(0.05)

        def raw() -> float:
            made: list[str] = []
            took = timed(lambda: (made.extend(at_once(count, make)), all_run(made)))
            named = {f"InstanceId.{number}": one for number, one in enumerate(made, 1)}
            ec2_call(endpoint, "TerminateInstances", **named)
            return took

        measure(f"{count} instances on moto", command, raw, calls)


def main() -> None:
    program = sys.argv[1]
    columns = ["", "bare calls", "Occopus", "ratio", "its CPU time", "efficiency", "calls"]
    print("| " + " | ".join([*columns, "a pass that changes nothing", "calls"]) + " |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    skipped = []
    with tempfile.TemporaryDirectory() as name:

        def home(part: str) -> Command:
            folder = Path(name) / part
            folder.mkdir()
            return Command(program, folder)

        processes(home("processes"), 200)
        if endpoint := os.environ.get("OCCOPUS_TEST_DOCKER"):
            containers(home("docker"), 50, endpoint)
        else:
            skipped.append("containers: OCCOPUS_TEST_DOCKER names no Docker Engine")
        if endpoint := os.environ.get("OCCOPUS_TEST_MOTO"):
            instances(home("ec2"), 100, endpoint.rstrip("/"))
        else:
            skipped.append("EC2 instances: OCCOPUS_TEST_MOTO names no moto server")
    print("| *Occopus 1.10, 100 instances* | | | | *50 s* | | | | *3 per ready instance* |")
    for reason in skipped:
        print(f"\nLeft out: {reason}")


if __name__ == "__main__":
    main()
