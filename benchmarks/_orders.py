"""How the cases of a database cut their orders into streams and transactions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks._events import OrderPlaced, order

STREAM = 100
"""Events in a stream that is written."""
LOADED = 1_000
"""Events in the stream that is loaded."""
PAGE = 1_000
"""Events in a page of the log."""
LOG_SLICES = 4
"""Slices that the log in PostgreSQL is read in; then the reader begins anew."""
CALLERS = 16
"""Who append to PostgreSQL at a time."""


def directory() -> TemporaryDirectory[str]:
    """Return a new directory beside the code, so on a disk, not in memory as /tmp may be."""
    return TemporaryDirectory(prefix=".data-", dir=Path(__file__).parent)


def places(part: int, count: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield, for each transaction of a slice, its stream and the version before."""
    for first in range(part * count, (part + 1) * count, size):
        yield divmod(first, STREAM)


def transactions(part: int, count: int, size: int) -> Iterator[tuple[str, int, list[OrderPlaced]]]:
    """Yield stream, version before, and new events; they are made when they are asked for."""
    for stream, version in places(part, count, size):
        yield f"order-{stream}", version, [order() for _ in range(size)]
