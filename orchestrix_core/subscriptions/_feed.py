"""What the log holds beyond a position: one look at it for all that run in this process."""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final

import attrs

from orchestrix_core.errors import OrchestrixError, StoreClosedError
from orchestrix_core.records import RecordedEvent
from orchestrix_core.subscriptions._unreadable import UnreadableRecord, read_log

__all__ = ["Feed", "Page", "Pages"]

_log = logging.getLogger(__name__)

_PAUSE: Final = 0.5  # seconds between two tries to follow a log that cannot be followed
_KEPT: Final = 8  # pages


class Feed:
    """
    Wakes the partitions when the log has grown.

    Attributes:
        head: the highest position known to be committed.
    """

    def __init__(self, store: Any) -> None:
        self.head = 0
        self._store = store
        self._sleepers: set[asyncio.Event] = set()

    def wake(self, sleeper: asyncio.Event) -> None:
        """Set this event whenever the log has grown."""
        self._sleepers.add(sleeper)

    def forget(self, sleeper: asyncio.Event) -> None:
        """Take back `wake`."""
        self._sleepers.discard(sleeper)

    async def look(self) -> None:
        """Ask the store for the end of the log."""
        self._rise(await self._store.head())

    async def run(self) -> None:
        """Follow the log for ever, whatever happens to the store but being closed."""
        while True:
            known = self.head
            try:
                await self.look()
                await self._follow()
            except StoreClosedError:
                raise
            except OrchestrixError as error:
                # The store is away, or the log holds an event that this process does not know.
                _log.debug("not following the log: %s", error)
            if self.head == known:
                await asyncio.sleep(_PAUSE)

    async def _follow(self) -> None:
        records = self._store.subscribe(self.head)
        try:
            async for record in records:
                self._rise(record.position)
        finally:
            if hasattr(records, "aclose"):
                await records.aclose()

    def _rise(self, position: int) -> None:
        if position > self.head:
            self.head = position
            for sleeper in self._sleepers:
                sleeper.set()


@attrs.frozen
class Page:
    """
    A piece of the log.

    Attributes:
        after: it begins behind this position.
        upto: and holds every event, of those that were asked for, up to this one.
        records: the events.
    """

    after: int
    upto: int
    records: Sequence[RecordedEvent]

    def behind(self, position: int) -> Page:
        """Return what of it lies behind a position."""
        first = bisect_right(self.records, position, key=attrgetter("position"))
        return Page(position, self.upto, self.records[first:])


class Pages:
    """Reads the log by pages and keeps the last ones: partitions go through the same log."""

    def __init__(self, store: Any, types: frozenset[str] | None, size: int = 500) -> None:
        self._store = store
        self._types = types
        self._size = size
        self._kept: deque[Page] = deque(maxlen=_KEPT)
        self._reading = asyncio.Lock()

    async def behind(self, position: int, head: int) -> Page:
        """Return the next page behind a position; `head` is known to be committed."""
        async with self._reading:  # who waits here finds the page of who was before
            for page in reversed(self._kept):
                if page.after <= position < page.upto:
                    return page.behind(position)
            page = await self._read(position, head)
            if page.upto > position:
                self._kept.append(page)
            return page

    async def _read(self, position: int, head: int) -> Page:
        records = await read_log(self._store, position, self._size, self._types)
        last = records[-1].position if records else position
        if records and isinstance(records[-1], UnreadableRecord):
            return Page(position, last, records)
        # A page that is not full reached the end, which was `head` or beyond when it was read.
        return Page(position, last if len(records) == self._size else max(last, head), records)
