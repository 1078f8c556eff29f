"""How long `occopus --version` takes, as a ratio to starting a bare Python interpreter.

The ratio says more than milliseconds do: it hardly depends on the machine.
"""

import statistics
import subprocess
import sys
import time

RUNS = 50


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    occopus = [sys.argv[1], "--version"]
    # The interpreter itself, not a wrapper that a version manager may have put into PATH.
    python = [sys.executable, "-c", "pass"]
    for command in (occopus, python):
        seconds(command)  # fills the file cache
    # In turns, so that a busy moment of the machine hits both.
    pairs = [(seconds(occopus), seconds(python)) for _ in range(RUNS)]
    ours, bare = (statistics.median(column) for column in zip(*pairs))
    print(f"occopus --version   {ours * 1000:7.1f} ms  (median of {RUNS})")
    print(f"python3 -c pass     {bare * 1000:7.1f} ms")
    print(f"ratio               {ours / bare:7.2f}")


if __name__ == "__main__":
    main()
