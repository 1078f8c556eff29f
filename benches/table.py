"""Puts what it reads into a page, between the marks `<!-- NAME -->` and `<!-- /NAME -->`, and shows it.

For results that are the same on every machine, so that the page shows when they have changed.
"""

import re
import sys
from pathlib import Path


def main() -> None:
    page, name = Path(sys.argv[1]), sys.argv[2]
    table = sys.stdin.read().strip()
    print(table)
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    text, replaced = marks.subn(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", page.read_text())
    if replaced != 1:
        raise SystemExit(f"{page} must have the marks <!-- {name} --> and <!-- /{name} --> once")
    page.write_text(text)


if __name__ == "__main__":
    main()
