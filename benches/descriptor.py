"""What loading, checking and ordering a description costs, and that it grows with its size only.

Takes the program `load` (core/descriptor/examples/load.rs). Counts instructions rather than seconds,
because they hardly depend on the machine or on what else it does: with `perf`, or, where the kernel
has no counter for them, with valgrind's callgrind. Fails when ten times the nodes cost more than
twelve times the instructions, or when 10,000 nodes need 300 MB or more.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, NamedTuple

MOST_GROWTH = 12.0
MOST_MEGABYTES = 300.0
LAYERS = 50


def chain(nodes: int) -> list[tuple[int, int]]:
    return [(node, node - 1) for node in range(1, nodes)]


def star(nodes: int) -> list[tuple[int, int]]:
    return [(node, 0) for node in range(1, nodes)]


def layered(nodes: int) -> list[tuple[int, int]]:
    """Each node depends on two of the layer before, so that 10,000 nodes have about 20,000 edges."""
    width = nodes // LAYERS
    edges = []
    for node in range(width, nodes):
        first = node // width * width - width
        edges += [(node, first + (node + step) % width) for step in (0, 1)]
    return edges


SHAPES: dict[str, Callable[[int], list[tuple[int, int]]]] = {"chain": chain, "layered": layered, "star": star}


def description(nodes: int, edges: list[tuple[int, int]]) -> str:
    lines = ["user_id: bench", "infra_name: bench", "variables: {image: base, size: 3}", "nodes:"]
    for node in range(nodes):
        lines += [
            f"- &N{node}",
            f"  name: node-{node}",
            "  type: bench_node",
            "  scaling: {min: 1, max: 3}",
            f"  variables: {{index: {node}}}",
        ]
    lines.append("dependencies:")
    lines += [f"- connection: [*N{one}, *N{other}]" for one, other in edges]
    return "\n".join(lines) + "\n"


class Cost(NamedTuple):
    instructions: int
    megabytes: float


def perf_works() -> bool:
    probe = ["perf", "stat", "-x,", "-e", "instructions:u", "true"]
    if not shutil.which("perf"):
        return False
    done = subprocess.run(probe, capture_output=True, text=True)
    return done.returncode == 0 and done.stderr.split(",")[0].isdigit()


def instructions(command: list[str], folder: Path) -> int:
    report = folder / "count"
    if PERF:
        count = ["perf", "stat", "-x,", "-e", "instructions:u", "-o", str(report)]
        subprocess.run(count + command, check=True, stdout=subprocess.DEVNULL)
        rows = [line for line in report.read_text().splitlines() if "instructions" in line]
        return int(rows[0].split(",")[0])
    count = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={report}"]
    subprocess.run(count + command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    totals = [line for line in report.read_text().splitlines() if line.startswith("totals:")]
    return int(totals[0].split()[1])


PERF = perf_works()
SIZES = (100, 1_000, 10_000)


def measure(program: str, shape: str, nodes: int, folder: Path) -> tuple[Cost, int]:
    """The cost of everything, and the instructions of a bare pass of the YAML parser."""
    path = folder / f"{shape}-{nodes}.yaml"
    path.write_text(description(nodes, SHAPES[shape](nodes)))
    shown = subprocess.run([program, str(path)], check=True, capture_output=True, text=True).stdout
    assert shown.startswith(f"{nodes} nodes"), shown
    kilobytes = int(shown.split()[-2])
    cost = Cost(instructions([program, str(path)], folder), kilobytes / 1024)
    return cost, instructions([program, "--events", str(path)], folder)


def main() -> int:
    program = sys.argv[1]
    failures = []
    print("| shape | nodes | million instructions | per node | growth | parser | memory |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        for shape in SHAPES:
            before = 0
            for nodes in SIZES:
                cost, parser = measure(program, shape, nodes, Path(name))
                growth = ""
                if before:
                    ratio = cost.instructions / before
                    growth = f"{ratio:.1f}"
                    if ratio > MOST_GROWTH:
                        failures.append(f"{shape} of {nodes} nodes: growth {ratio:.1f} > {MOST_GROWTH:.0f}")
                if cost.megabytes >= MOST_MEGABYTES:
                    failures.append(f"{shape} of {nodes} nodes: {cost.megabytes:.0f} MB")
                print(
                    f"| {shape} | {nodes:,} "
                    f"| {cost.instructions / 1e6:,.1f} | {cost.instructions // nodes:,} "
                    f"| {growth} | {cost.instructions / parser:.1f} | {cost.megabytes:.0f} MB |",
                    flush=True,
                )
                before = cost.instructions
    print(f"\nInstructions counted by {'perf' if PERF else 'callgrind'}.")
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
