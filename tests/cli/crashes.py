"""Killing builds at seeded journal records and checking what a pass makes of it."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from occopus_cli import Cli, wait_until

RUNS = 10


def crash_everywhere(
    folder: Path,
    definitions: str,
    description: str,
    resources: Callable[[str], dict[str, list]],
    auth: str | None = None,
    make: Callable[[Path], Cli] = Cli,
) -> None:
    """Ten builds, each killed when a seeded number of journal records is written, then one pass.

    Afterwards the described state holds; every resource (as `resources` lists them for an infrastructure,
    by node id) is in the status, and none is there twice; a destroy leaves nothing.
    """
    seed = int(os.environ.get("OCCOPUS_SEED") or random.SystemRandom().randrange(2**32))
    slots = description.count("min: 1") + 2 * description.count("min: 2")
    # Each instance has an intent and an outcome.
    numbers = sorted(random.Random(seed).choices(range(1, 2 * slots), k=RUNS))
    print(f"OCCOPUS_SEED={seed}: killed at journal records {numbers}")

    def crash(run: int) -> None:
        home = folder / f"run{run}"
        home.mkdir()
        cli = make(home)
        cli.write("nodes.yaml", definitions)
        cli.write("infra.yaml", description)
        if auth is not None:
            cli.log_in(auth)
        build = cli.start("build", "infra.yaml", "--nodes", "nodes.yaml")
        wait_until(
            lambda: cli.records("journal") >= numbers[run] or build.poll() is not None, "the journal record"
        )
        build.kill()
        build.communicate()
        (infra,) = (record["infra_id"] for record in cli.infras())
        # A pass says by its exit code when something has to wait for a later one.
        wait_until(
            lambda: cli.start("maintain", infra, stdout=None, stderr=None).wait(timeout=300) == 0,
            "a pass finished the job",
            patience=300,
        )
        status = cli.status(infra)
        assert status["health"] == "ready", status
        known = sorted(slot["node_id"] for node in status["nodes"] for slot in node["slots"])
        assert len(known) == slots
        there = resources(infra)
        assert sorted(there) == known, f"killed at record {numbers[run]}"
        assert all(len(same) == 1 for same in there.values()), there
        cli.run("destroy", infra, "--yes")
        assert resources(infra) == {}

    with ThreadPoolExecutor(RUNS) as pool:
        list(pool.map(crash, range(RUNS)))
