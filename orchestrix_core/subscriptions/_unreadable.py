"""
Events that a worker cannot decode: they fail at their turn, like those that a handler fails at.

Not so what a newer program has stored, an unknown type or a newer version of one: that waits for a
worker which can read it, since while programs are being replaced old workers meet it all the time.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from orchestrix_core.errors import OrchestrixError
from orchestrix_core.records import RecordedEvent

__all__ = ["UnreadableRecord", "read_log"]


class UnreadableRecord(RecordedEvent, frozen=True, kw_only=True):
    """
    What is known of an event that could not be decoded; its event is a `RawEvent`.

    Attributes:
        error: what reading it has raised.
    """

    error: OrchestrixError


async def read_log(
    store: Any, after: int, limit: int, types: Collection[str] | None = None
) -> list[RecordedEvent]:
    """
    Read a page of the log as the store does; an event that cannot be read ends the page.

    Raises:
        OrchestrixError: the page has one that a newer program may read, or that is damaged.
    """
    try:
        found: list[RecordedEvent] = await store.read_log(after, limit, types)
    except OrchestrixError as error:
        if error.record is None:
            raise
        bad = UnreadableRecord(**msgspec.structs.asdict(error.record), error=error)
        return [*await _readable(store, after, limit, types), bad]
    return found


async def _readable(
    store: Any, after: int, limit: int, types: Collection[str] | None
) -> list[RecordedEvent]:
    """Return the events before the first that cannot be read, which is one of the next `limit`."""
    found: list[RecordedEvent] = []
    few, many = 0, limit  # so many can be read, so many cannot
    while many - few > 1:
        some = (few + many) // 2
        try:
            found = await store.read_log(after, some, types)
        except OrchestrixError as error:
            if error.record is None:
                raise
            many = some
        else:
            few = some
    return found
