"""The configuration that came with Occopus 1.10: its logging section and `dry_run`."""

from __future__ import annotations

import re
from pathlib import Path

from descriptions import DEFINITIONS, PAIR, infrastructure
from occopus_cli import ROOT, Cli, processes_of

SHIPPED = ROOT / "core" / "descriptor" / "tests" / "data" / "occopus_config.yaml"
CONSOLE = re.compile(r"\*\* \d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\t(?P<message>.*)")
FILE = re.compile(
    r"\*\* \d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\t(?P<level>[A-Z]+)\tMainProcess\t(?P<message>.*)"
)
EVENT = re.compile(r"(?P<infra>\S+) ;; (?P<event>[a-z]+) ;; \d+ ;; \{(?P<data>.*)\}")


def configuration(**changes: str) -> str:
    """The shipped configuration without its Redis, and with texts replaced."""
    text = SHIPPED.read_text(encoding="utf-8").replace("protocol: redis", "protocol: dict")
    for old, new in changes.items():
        assert f"{old}: " in text, old
        text = re.sub(rf"{old}: .*", f"{old}: {new}", text)
    return text


def descriptions(cli: Cli, description: str = PAIR) -> None:
    cli.write("nodes.yaml", DEFINITIONS)
    cli.write("infra.yaml", description)
    cli.legacy("import", "nodes.yaml")


def events(path: Path) -> list[tuple[str, dict[str, str]]]:
    """Names and data of the records of an event log."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        # The line break of the YAML leaves an empty line after each record.
        if not line:
            continue
        record = FILE.fullmatch(line)
        assert record and record["level"] == "INFO", line
        event = EVENT.fullmatch(record["message"])
        assert event, line
        data = dict(pair.split(": ") for pair in event["data"].split(", "))
        assert data["infra_id"] == event["infra"]
        found.append((event["event"], data))
    return found


def test_records_go_where_the_shipped_configuration_says(cli: Cli) -> None:
    cli.write("occopus_config.yaml", configuration())
    descriptions(cli)
    assert not (cli.folder / "occopus.log").exists(), "importing logs nothing"
    built = cli.legacy("build", "infra.yaml")
    infra = built.last
    console = [match["message"] for line in built.out.splitlines() if (match := CONSOLE.fullmatch(line))]
    assert console[0].startswith("Starting up; PID = ")
    assert f"Submitted infrastructure: '{infra}'" in console

    log = cli.folder / "occopus.log"
    records = [FILE.fullmatch(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert all(records)
    shown = [record["message"] for record in records if record and record["level"] != "DEBUG"]
    assert shown == console, "from INFO on, console and file have the same records"

    slots = cli.slots(infra)
    found = events(cli.folder / "occopus-events.log")
    names = [name for name, _ in found]
    assert names[0] == "infrastart" and names[-1] == "infraready"
    for name in ("nodecreating", "nodecreated"):
        of_nodes = [(data["node_name"], data["node_id"]) for kind, data in found if kind == name]
        assert sorted(of_nodes) == sorted(
            (slot.split("/")[0], entry["node_id"]) for slot, entry in slots.items()
        )
    for name in ("occopus.log", "occopus-data.log", "occopus-events.log"):
        assert (cli.folder / name).stat().st_mode & 0o777 == 0o600, name

    cli.legacy("destroy", "-i", infra)
    names = [name for name, _ in events(cli.folder / "occopus-events.log")]
    assert "infrastart" not in names, "mode w begins the file anew"
    assert names.count("nodedropping") == names.count("nodedropped") == 3
    assert names[-1] in ("infradrop", "infraupdated")


def test_levels_streams_and_formats_are_honoured(cli: Cli) -> None:
    cli.write(
        "occopus_config.yaml",
        """
logging:
  version: 1
  formatters:
    own: {format: '%(levelname)-8s|%(name)s|%(message)s'}
    timed: {format: '%(asctime)s', datefmt: '%H:%M'}
  handlers:
    loud: {class: logging.StreamHandler, formatter: own, level: WARNING}
    all: {class: logging.FileHandler, formatter: own, filename: logs/all.log}
    kept: {class: logging.FileHandler, formatter: timed, filename: kept.log}
    sys: {class: logging.handlers.SysLogHandler}
  root: {level: INFO, handlers: [loud, kept, sys]}
  loggers: {occo.eventlog: {handlers: [all], propagate: false}}
""",
    )
    cli.write("kept.log", "before\n")
    descriptions(cli, infrastructure("one", {"only": "quiet"}))
    built = cli.legacy("build", "infra.yaml")
    assert built.out == f"{built.last}\n", "no handler writes to stdout"
    warning = "WARNING |occo|[SchemaCheck] WARNING: no dependencies specified - using sequential ordering"
    assert warning in built.err.splitlines()
    assert "OCC0403" in built.err and "logging.handlers.SysLogHandler" in built.err
    assert "the log file 'logs/all.log' cannot be written" in built.err
    kept = (cli.folder / "kept.log").read_text(encoding="utf-8").splitlines()
    assert kept[0] == "before" and len(kept) > 3
    assert all(re.fullmatch(r"\d\d:\d\d", line) for line in kept[1:])


def test_a_dry_run_starts_nothing(cli: Cli) -> None:
    cli.write("occopus_config.yaml", configuration(dry_run="true"))
    descriptions(cli)
    built = cli.legacy("build", "infra.yaml")
    infra = built.last
    assert "    127.0.0.1" in built.out.replace("\t", "")
    omitted = [line for line in built.out.splitlines() if "Dry run (specified at " in line]
    assert len(omitted) == 3 and all(
        "omitting method execution for process create" in line for line in omitted
    )
    assert processes_of(infra) == {}
    assert not cli.store.exists(), "a dry run has a store of its own"
    cli.legacy("destroy", "-i", infra)
    assert cli.legacy("maintain", "-l").last == "No active infrastructure!"
