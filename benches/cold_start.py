"""How long `occopus --version` takes, as a ratio to starting a Python interpreter.

The ratio says more than milliseconds do: it hardly depends on the machine. It does depend on what is
installed for that interpreter, so it is also given for one that looks at nothing installed (`-I -S`).
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
    commands = {
        "occopus --version": [sys.argv[1], "--version"],
        # The interpreter itself, not a wrapper that a version manager may have put into PATH.
        "python3 -c pass": [sys.executable, "-c", "pass"],
        "python3 -I -S -c pass": [sys.executable, "-I", "-S", "-c", "pass"],
    }
    for command in commands.values():
        seconds(command)  # fills the file cache
    # In turns, so that a busy moment of the machine hits all of them.
    rounds = [[seconds(command) for command in commands.values()] for _ in range(RUNS)]
    medians = [statistics.median(column) for column in zip(*rounds)]
    print("| | time | `occopus --version` takes |")
    print("| --- | --- | --- |")
    for name, median in zip(commands, medians):
        part = "" if median == medians[0] else f"{medians[0] / median:.2f} of it"
        print(f"| `{name}` | {median * 1000:.1f} ms | {part} |")


if __name__ == "__main__":
    main()
