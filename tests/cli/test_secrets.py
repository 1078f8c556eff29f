"""Secrets: they arrive where they are needed, and are found nowhere else, byte by byte."""

from __future__ import annotations

import base64
import json
import os
import stat
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import pytest
from descriptions import SERVER, infrastructure
from docker_engine import BUSYBOX, Engine, engine
from ec2_cloud import KEY, Cloud, stub
from occopus_cli import PATIENCE, Cli, Result, processes_of, running, wait_until

#: Characters that every notation has to escape.
PASSWORD = 'p&ss"w<rd\\ é/+%Kx7Q'
TOKEN = "tok-9f8e7d6c5b4a"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIBVgIBADANBgkqhkiG9w0\nq2hX0Vt+/7ZkqfBzJcQ=\n-----END PRIVATE KEY-----"
CLOUD_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY"
ALL = [PASSWORD, TOKEN, CLOUD_KEY, *PEM.split("\n")[1:3]]
ENVIRONMENT = {"DB_PASSWORD": PASSWORD, "TOKEN": TOKEN, "CLOUD_KEY": CLOUD_KEY}


def forms(secret: str) -> Iterator[bytes]:
    """What a secret looks like in texts of all kinds."""
    yield secret.encode()
    yield json.dumps(secret)[1:-1].encode()
    yield json.dumps(secret, ensure_ascii=False)[1:-1].encode()
    yield urllib.parse.quote(secret, safe="").encode()
    yield urllib.parse.quote_plus(secret, safe="").encode()
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + secret.encode())
        whole = encoded[-(-before * 8 // 6) : (before + len(secret.encode())) * 8 // 6]
        yield whole
        yield urllib.parse.quote(whole, safe="").encode()


def assert_hidden(where: str, content: bytes) -> None:
    """No secret is in `content` in any form."""
    for secret in ALL:
        for form in forms(secret):
            at = content.find(form)
            assert at < 0, f"{where} shows {secret!r}: {content[max(0, at - 200) : at + 200]!r}"


class Watched(Cli):
    """The commands with everything they print kept, at the highest level of logging."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.environment |= {**ENVIRONMENT, "OCCOPUS_LOG": "trace"}
        self.printed: list[Result] = []

    def run(self, *arguments: object, **options: Any) -> Result:
        """Runs a command and keeps what it printed."""
        result = super().run(*arguments, **options)
        self.printed.append(result)
        return result

    def ended(self, out: str, err: str) -> None:
        """Keeps what another command printed."""
        self.printed.append(Result(0, out, err))

    def search(self, *but: str) -> None:
        """Looks for secrets in all that was printed or written, and in the arguments of all processes.

        Files named in `but` are left out: what an instance itself writes is its own business.
        """
        for result in self.printed:
            assert_hidden(f"a command that ended with {result.code}", (result.out + result.err).encode())
        for file in self.home.rglob("*"):
            if file.is_file() and file.name not in but:
                assert_hidden(str(file), file.read_bytes())
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    assert_hidden(f"process {entry.name}", (entry / "cmdline").read_bytes())
                except OSError:
                    continue

    def without_secrets(self, *arguments: object, **options: Any) -> Result:
        """Runs a command where no secret can be read."""
        return self.run(*arguments, env=dict.fromkeys(ENVIRONMENT, ""), **options)


@pytest.fixture()
def watched(tmp_path: Path) -> Iterator[Watched]:
    """Commands under watch; what is left when the test ends is destroyed."""
    cli = Watched(tmp_path)
    write_key(cli)
    yield cli
    cli.clean_up()


def write_key(cli: Cli) -> Path:
    path = cli.write("keys/id", PEM + "\n")
    path.chmod(0o600)
    return path


PROCESSES = f"""
'node_def:server':
  - resource: {{type: process}}
    contextualisation:
      type: process
      env:
        PASSWORD: !secret env:DB_PASSWORD
        LOGIN: "user:{{{{variables.token}}}}"
        KEY: "{{{{variables.key}}}}"
      command: [sh, -c, 'exec {SERVER}']
    health_check:
      ping: false
      urls: ["http://{{{{ip}}}}:8080/?token={{{{variables.token}}}}"]
      timeout: 60
"""
VARIABLES = "variables: {token: !secret env:TOKEN, key: !secret file:keys/id}\n"


def description(name: str, nodes: dict[str, str], **numbers: int) -> str:
    return infrastructure(name, nodes, **numbers) + VARIABLES


def environment(pid: int) -> dict[str, str]:
    """The environment of a process, as the kernel has it."""
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(entry.split("=", 1) for entry in entries if entry)


def test_a_secret_arrives_and_shows_nowhere(watched: Watched) -> None:
    watched.write("nodes.yaml", PROCESSES)
    watched.write("infra.yaml", description("safe", {"web": "server"}).replace("max: 1", "max: 2"))
    files = ("infra.yaml", "--nodes", "nodes.yaml")
    planned = watched.run("plan", *files, "--format", "json")
    infra = watched.run("build", *files, "-vvv").last
    ((pid,),) = processes_of(infra).values()
    seen = environment(pid)
    assert seen["PASSWORD"] == PASSWORD and seen["LOGIN"] == f"user:{TOKEN}" and seen["KEY"] == PEM
    rendered = watched.run("render", *files, "--format", "json").json
    assert rendered["nodes"]["web"]["attributes"]["env"]["PASSWORD"] == "<secret env:DB_PASSWORD>"
    assert planned.json["plan"]["notes"] == []
    watched.run("scale", infra, "web=2")
    watched.run("maintain", infra)
    assert len(processes_of(infra)) == 2
    for look in ("status", "events", "graph", "logs", "plan -i"):
        for form in ("text", "json"):
            watched.run(*look.split(), infra, "--format", form)
    watched.run("list", "--format", "json")
    watched.search("log")
    watched.run("destroy", infra, "--yes")
    watched.search()


def test_what_an_instance_prints_is_hidden_or_not_shown(watched: Watched) -> None:
    watched.write(
        "nodes.yaml",
        """
'node_def:loud':
  - resource: {type: process}
    contextualisation:
      type: process
      env: {PASSWORD: !secret env:DB_PASSWORD, KEY: !secret file:keys/id}
      command: [sh, -c, 'echo "I know $PASSWORD and $KEY"; exec sleep 1000']
    health_check: {ping: false}
""",
    )
    watched.write("infra.yaml", infrastructure("loud", {"a": "loud"}))
    infra = watched.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
    wait_until(lambda: "I know" in watched.run("logs", infra).out, "the process printed")
    assert "I know <secret env:DB_PASSWORD> and <secret file:" in watched.run("logs", infra).out
    refused = watched.without_secrets("logs", infra, code=1)
    assert "env:DB_PASSWORD" in refused.err and "I know" not in refused.out
    watched.search("log")


def test_a_build_without_its_secret_creates_nothing_and_says_what_to_do(watched: Watched) -> None:
    watched.write("nodes.yaml", PROCESSES)
    watched.write("infra.yaml", description("bare", {"web": "server"}))
    files = ("infra.yaml", "--nodes", "nodes.yaml")
    (watched.folder / "keys" / "id").unlink()
    refused = watched.without_secrets("build", *files, "--format", "json", code=2)
    problems = refused.json["error"]["problems"]
    places = {(problem["location"]["file"], problem["location"]["line"]) for problem in problems}
    last = len((watched.folder / "infra.yaml").read_text().splitlines())
    assert places == {("infra.yaml", last), ("nodes.yaml", 7)}
    assert {problem["code"] for problem in problems} == {"OCC0603"}
    assert "export TOKEN=" in refused.out and "keys/id" in refused.out
    assert watched.records("attempt") == 0 and watched.records("infrastructure") == 0
    planned = watched.without_secrets("plan", *files)
    assert "warning: the secret env:TOKEN cannot be read" in planned.out
    legacy = watched.legacy("import", "nodes.yaml")
    assert legacy.code == 0
    assert "env:TOKEN" in watched.legacy("build", "infra.yaml", code=1, env={"TOKEN": ""}).err
    assert watched.records("attempt") == 0


def test_a_secret_that_is_too_short_to_hide_is_refused(watched: Watched) -> None:
    watched.write("nodes.yaml", PROCESSES)
    watched.write("infra.yaml", description("short", {"web": "server"}))
    refused = watched.run("build", "infra.yaml", "--nodes", "nodes.yaml", code=2, env={"TOKEN": "abc"})
    assert "fewer than 4 characters" in refused.err and "'abc'" not in refused.err


def test_a_maintainer_without_a_secret_looks_after_all_else(watched: Watched) -> None:
    quiet = """
'node_def:quiet':
  - resource: {type: process}
    contextualisation: {type: process, command: [sleep, '1000']}
    health_check: {ping: false}
"""
    watched.write("nodes.yaml", PROCESSES + quiet)
    nodes = infrastructure("split", {"free": "quiet", "web": "server"})
    nodes = nodes.replace("type: server, ", "type: server, variables: {token: !secret env:TOKEN, key: k}, ")
    watched.write("infra.yaml", nodes)
    infra = watched.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
    before = watched.slots(infra)
    # Its health cannot be asked for, which says nothing about it: it stays.
    status = json.loads(watched.without_secrets("status", infra, "--format", "json").out)
    states = {slot["slot"]: slot for node in status["nodes"] for slot in node["slots"]}
    assert states["web/1"]["state"] == "unknown" and "env:TOKEN" in states["web/1"]["detail"]
    assert states["free/1"]["state"] == "ready"
    for (pid,) in processes_of(infra).values():
        os.kill(pid, 9)
    wait_until(lambda: not processes_of(infra), "both died")
    failed = watched.without_secrets("maintain", infra, code=1)
    assert "env:" in failed.err
    after = watched.slots(infra)
    assert after["free/1"]["state"] == "ready"
    assert after["free/1"]["node_id"] != before["free/1"]["node_id"]

    def complete() -> bool:
        # A pass says by its exit code when a slot that failed has to wait.
        maintain = watched.start("maintain", infra, stdout=DEVNULL, stderr=DEVNULL)
        return maintain.wait(timeout=PATIENCE) == 0

    wait_until(complete, "a pass with the secrets finished the job")
    assert watched.slots(infra)["web/1"]["state"] == "ready"
    # The server logs the address that the health check asks for.
    watched.search("log")


def test_a_rotated_secret_makes_nothing_outdated(watched: Watched) -> None:
    watched.write("nodes.yaml", PROCESSES)
    watched.write("infra.yaml", description("rotated", {"web": "server"}))
    infra = watched.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
    node_id = watched.slots(infra)["web/1"]["node_id"]
    fresh = {"DB_PASSWORD": "a-wholly-new-one"}
    watched.run("build", "-i", infra, "infra.yaml", "--nodes", "nodes.yaml", "--yes", env=fresh)
    slot = watched.slots(infra)["web/1"]
    assert slot["node_id"] == node_id and not slot["outdated"]


@contextmanager
def between(cloud: Cloud) -> Iterator[tuple[Cloud, dict[str, Any]]]:
    """The cloud behind a proxy that can swallow launches, or refuse them and repeat all they say."""
    mood: dict[str, Any] = {"launch": "pass", "launches": 0}

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            parameters = urllib.parse.parse_qs(body.decode())
            if parameters["Action"] == ["RunInstances"]:
                mood["launches"] += 1
                if mood["launch"] == "swallow":
                    mood["released"].wait(timeout=60)
                    return
                if mood["launch"] == "repeat":
                    self.refuse(body.decode(), parameters)
                    return
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            request = urllib.request.Request(cloud.endpoint + self.path, body, headers)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    self.answer(answer.status, answer.read())
            except urllib.error.HTTPError as error:
                self.answer(error.code, error.read())

        def refuse(self, body: str, parameters: dict[str, list[str]]) -> None:
            data = base64.b64decode(parameters["UserData"][0]).decode()
            said = f"{body} {parameters['UserData'][0]} {data} {data.encode()!r} {json.dumps(data)}"
            said = said.replace("&", "&amp;").replace("<", "&lt;")
            text = (
                "<Response><Errors><Error><Code>InvalidParameterValue</Code>"
                f"<Message>{said}</Message></Error></Errors><RequestID>r</RequestID></Response>"
            )
            self.answer(400, text.encode())

        def answer(self, code: int, text: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    mood["released"] = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield Cloud(endpoint, cloud.image, cloud.subnet, cloud.groups, cloud.key), mood
    finally:
        mood["released"].set()
        server.shutdown()
        server.server_close()


CONTEXT = (
    r"#cloud-config\nwrite_files:\n- content: |\n    {{variables.token}} {{variables.password}}\n"
    r"    {{variables.key | indent(4)}}\n"
)
EC2_VARIABLES = (
    "variables: {token: !secret env:TOKEN, password: !secret env:DB_PASSWORD, key: !secret file:keys/id}\n"
)


LOG_FILE = """
logging:
  version: 1
  handlers: {file: {class: logging.FileHandler, filename: home/occo.log, level: DEBUG}}
  root: {level: DEBUG, handlers: [file]}
"""


@contextmanager
def virtual_machines(watched: Watched) -> Iterator[tuple[Cloud, dict[str, Any]]]:
    """A description with a machine whose user data has secrets, on a stub that a key from outside opens."""
    auth = f"{{accesskey: {KEY}, secretkey: !secret env:CLOUD_KEY}}"
    watched.log_in(f"resource:\n  - {{type: ec2, auth_data: {auth}}}\n")
    with stub() as plain, between(plain) as (cloud, mood):
        watched.write("nodes.yaml", cloud.definition("vm", CONTEXT))
        watched.write("infra.yaml", infrastructure("vms", {"vm": "vm"}) + EC2_VARIABLES)
        yield cloud, mood
        for infra in watched.infras():
            watched.run("destroy", infra["infra_id"], "--yes")


def has_all(user_data: str) -> bool:
    return all(secret in user_data for secret in (TOKEN, PASSWORD, *PEM.split("\n")[1:3]))


def kill_during_launch(watched: Watched, mood: dict[str, Any]) -> str:
    """Kills a build whose launch has no answer; returns the infrastructure."""
    mood["launch"], mood["launches"] = "swallow", 0
    with running(watched.start("build", "infra.yaml", "--nodes", "nodes.yaml")) as build:
        wait_until(lambda: mood["launches"] > 0, "the launch is under way")
        watched.search()
        build.kill()
        watched.ended(*build.communicate())
    (infra,) = (record["infra_id"] for record in watched.infras())
    assert watched.records("request") == 1
    watched.search()
    return infra


def test_a_cloud_that_repeats_the_request_gives_nothing_away(watched: Watched) -> None:
    with virtual_machines(watched) as (cloud, mood):
        mood["launch"] = "repeat"
        failed = watched.run("build", "infra.yaml", "--nodes", "nodes.yaml", code=1)
        assert "<secret env:TOKEN>" in failed.err
        watched.search()
        watched.write("config.yaml", LOG_FILE)
        watched.legacy("import", "nodes.yaml")
        del watched.environment["OCCOPUS_LOG"]
        watched.legacy("build", "--cfg", "config.yaml", "infra.yaml", code=1)
        assert "<secret env:TOKEN>" in (watched.home / "occo.log").read_text(encoding="utf-8")
        watched.search()
        mood["launch"] = "pass"
        infra = watched.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
        ((instance,),) = cloud.instances(infra).values()
        assert has_all(cloud.user_data(instance["id"]))
        for table in ("attempt", "journal", "event", "generation"):
            assert watched.records(table) > 0
        watched.run("events", infra, "--format", "json")
        watched.search()


def test_a_killed_launch_is_repeated_from_a_sealed_request(watched: Watched) -> None:
    with virtual_machines(watched) as (_, mood):
        infra = kill_during_launch(watched, mood)
        key = watched.store.with_name("occopus.db.key")
        assert stat.S_IMODE(key.stat().st_mode) == 0o600 and len(key.read_bytes()) == 32
        # Without the variables, only the kept request knows the secrets, and what to hide.
        mood["launch"] = "repeat"
        gone = {"TOKEN": "", "DB_PASSWORD": ""}
        refused = watched.run("maintain", infra, code=1, env=gone)
        assert "<secret env:TOKEN>" in refused.err
        watched.search()
    assert watched.infras() == []


def test_a_killed_launch_is_completed_without_the_variables(watched: Watched) -> None:
    with virtual_machines(watched) as (cloud, mood):
        infra = kill_during_launch(watched, mood)
        mood["launch"] = "pass"
        watched.run("maintain", infra, env={"TOKEN": "", "DB_PASSWORD": ""})
        ((instance,),) = cloud.instances(infra).values()
        assert has_all(cloud.user_data(instance["id"]))
        assert watched.records("request") == 0
        watched.search()


def test_a_lost_key_is_reported_and_listings_settle_what_was_under_way(watched: Watched) -> None:
    with virtual_machines(watched) as (cloud, mood):
        infra = kill_during_launch(watched, mood)
        key = watched.store.with_name("occopus.db.key")
        key.unlink()
        mood["launch"] = "pass"
        told = watched.run("maintain", infra)
        assert str(key) in told.err and "found out by listing" in told.err
        # Nothing was there: it was launched anew, under a key made when nothing was sealed any more.
        assert [len(same) for same in cloud.instances(infra).values()] == [1]
        assert len(key.read_bytes()) == 32
        watched.search()


def test_credentials_that_lack_their_secret_stop_the_build(watched: Watched) -> None:
    with virtual_machines(watched) as (_, mood):
        refused = watched.run("build", "infra.yaml", "--nodes", "nodes.yaml", code=2, env={"CLOUD_KEY": ""})
        assert "env:CLOUD_KEY" in refused.err
        assert mood["launches"] == 0


def test_a_container_has_its_secrets_and_the_store_has_not(watched: Watched) -> None:
    docker: Engine = engine()
    name, tag = BUSYBOX.split(":")
    watched.write(
        "nodes.yaml",
        f"""
'node_def:box':
  - resource: {{type: docker, endpoint: '{docker.endpoint}', origin: null, image: {name}, tag: {tag}}}
    contextualisation:
      type: docker
      env: ["TOKEN={{{{variables.token}}}}"]
      command: [sh, -c, 'sleep 1000']
    health_check: {{ping: false}}
""",
    )
    watched.write("infra.yaml", description("boxes", {"box": "box"}))
    infra = watched.run("build", "infra.yaml", "--nodes", "nodes.yaml").last
    ((container,),) = docker.containers(infra).values()
    assert f"TOKEN={TOKEN}" in docker.inspect(container)["Config"]["Env"]
    watched.run("destroy", infra, "--yes")
    watched.search()
