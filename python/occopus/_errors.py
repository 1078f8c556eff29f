"""From the errors of the compiled part to the exceptions of this package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from . import _native
from .errors import from_native


@contextmanager
def typed_errors() -> Iterator[None]:
    """Raise the typed exceptions of this package for errors of the compiled part."""
    try:
        yield
    except _native.Failure as failure:
        kind, message, details = failure.args
        raise from_native(kind, message, details) from None
