"""Times as the engine writes them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Optional


def time(text: str) -> datetime:
    """Read an RFC 3339 time; what is finer than microseconds is cut off."""
    # Before Python 3.11, only fractions of three or six digits can be read, and no "Z".
    exact = re.sub(r"\.(\d+)", lambda found: "." + found[1][:6].ljust(6, "0"), text)
    return datetime.fromisoformat(exact.replace("Z", "+00:00"))


def optional_time(text: Optional[str]) -> Optional[datetime]:
    """Read a time that may be missing."""
    return None if text is None else time(text)
