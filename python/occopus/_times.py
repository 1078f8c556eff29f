"""Times as the engine writes them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Optional


def time(text: str) -> datetime:
    """Read an RFC 3339 time; what is finer than microseconds is cut off."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text).replace("Z", "+00:00"))


def optional_time(text: Optional[str]) -> Optional[datetime]:
    """Read a time that may be missing."""
    return None if text is None else time(text)
