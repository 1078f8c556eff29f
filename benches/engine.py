"""What the engine itself costs, and that it grows with the work only.

Takes the program `cost` (core/sim/examples/cost.rs). Counts instructions as benches/descriptor.py does, of
one operation: the difference between doing it once and twice. Fails when ten times the work costs more than
twelve times the instructions, or when the bytes that the journal gets per instance are not constant.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from descriptor import PERF, instructions

MOST_GROWTH = 12.0
# The bytes per instance may differ by this part: numbers get longer.
MOST_DRIFT = 0.05
OPERATIONS = {
    "plan": ("plan of so many nodes, two dependencies each", (1_000, 10_000, 100_000)),
    "destroy": ("plan to destroy one instance of each of so many nodes", (1_000, 10_000)),
    "difference": ("comparison of two descriptions of so many nodes", (1_000, 10_000)),
    "build": ("build and destroy of so many instances, half of them behind the others", (100, 1_000)),
    "pass": ("pass over so many ready instances that changes nothing", (100, 1_000, 10_000)),
}
JOURNALS = (10, 100, 1_000)


def run(program: str, *words: object) -> str:
    command = [program, *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def megabytes(shown: str) -> float:
    return int(re.search(r"peak memory (\d+) kB", shown).group(1)) / 1024


def main() -> int:
    program = sys.argv[1]
    failures = []
    print("| operation | number | million instructions | per piece | growth | memory |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        for operation, (title, sizes) in OPERATIONS.items():
            before = 0
            for size in sizes:
                once, twice = (
                    instructions([program, operation, str(size), str(times)], Path(name)) for times in (1, 2)
                )
                cost = twice - once
                growth = cost / before if before else 0.0
                if growth > MOST_GROWTH:
                    failures.append(f"{operation} of {size}: growth {growth:.1f} > {MOST_GROWTH:.0f}")
                memory = megabytes(run(program, operation, size, 1))
                print(
                    f"| {title} | {size:,} | {cost / 1e6:,.1f} | {cost // size:,} | "
                    f"{f'{growth:.1f}' if growth else ''} | {memory:.0f} MB |",
                    flush=True,
                )
                before = cost
    print("\n| instances built | store batches | bytes written | of these journal |")
    print("| --- | --- | --- | --- |")
    journal = []
    for size in JOURNALS:
        shown = run(program, "journal", size)
        batches, written, journalled = map(float, re.findall(r"([\d.]+) (?:batches|bytes|journal)", shown))
        print(f"| {size:,} | {batches:.2f} each | {written:,.0f} each | {journalled:,.0f} each |")
        journal.append(journalled)
    if max(journal) > min(journal) * (1 + MOST_DRIFT):
        failures.append(f"the journal gets {journal} bytes per instance")
    print(f"\nInstructions counted by {'perf' if PERF else 'callgrind'}.")
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
