"""Puts what it reads into a page, between the marks `<!-- NAME -->` and `<!-- /NAME -->`, and shows it."""

import re
import sys
from pathlib import Path


def main() -> None:
    page, name = Path(sys.argv[1]), sys.argv[2]
    lines = []
    for line in sys.stdin:
        print(line, end="", flush=True)
        lines.append(line)
    table = "".join(lines).strip()
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    text, replaced = marks.subn(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", page.read_text())
    if replaced != 1:
        raise SystemExit(f"{page} must have the marks <!-- {name} --> and <!-- /{name} --> once")
    page.write_text(text)


if __name__ == "__main__":
    main()
