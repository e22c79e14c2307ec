"""One partition at work: what the log holds behind its position, page by page, as it grows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from orchestrix_core.errors import OrchestrixError, StoreClosedError
from orchestrix_core.records import RecordedEvent
from orchestrix_core.subscriptions._aside import Aside
from orchestrix_core.subscriptions._feed import Feed, Pages
from orchestrix_core.subscriptions._lease import Lease, LeaseLost, PositionMoved
from orchestrix_core.subscriptions._patience import AWAY, Freed, Patience, Stopped
from orchestrix_core.subscriptions._subscription import Subscription, partition_of
from orchestrix_core.subscriptions._work import Work

__all__ = ["Runner"]

_log = logging.getLogger(__name__)

_PAGES: Final = 20  # read at most for one batch, before the position is stored


class Runner:
    """
    Handles the events of one partition for as long as it holds the lease.

    Args:
        moved: called when the position has changed and is not stored yet.
    """

    def __init__(
        self,
        store: Any,
        subscription: Subscription,
        partition: int,
        lease: Lease,
        feed: Feed,
        pages: Pages,
        moved: Callable[[], None],
    ) -> None:
        self.subscription = subscription
        self.lease = lease
        self._store = store
        self._partition = partition
        self._feed = feed
        self._pages = pages
        self._moved = moved
        self._aside = Aside(store, subscription, partition)
        self._patience = Patience(store, lease, subscription.retry)
        self._work = Work(store, subscription, lease, self._aside, self._patience)
        self._sure = False  # that position and letters are as they are stored
        self._look = False
        self._awake = asyncio.Event()

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._patience.stopping.is_set()

    def stop(self) -> None:
        """Ask it to end after the event that is being handled."""
        self._patience.stopping.set()
        self._awake.set()

    def look(self) -> None:
        """Ask it to see whether dead letters are to be handled again."""
        if self._aside.blocked:
            self._look = True
            self._awake.set()

    async def run(self) -> None:
        """
        Work until `stop`.

        Raises:
            LeaseLost: another worker has the partition.
            StoreClosedError: the store was closed.
        """
        self._feed.wake(self._awake)
        failed = 0
        try:
            while not self.is_stopping:
                failed = 0 if await self._try(failed) else failed + 1
        except Stopped:
            pass
        finally:
            self._feed.forget(self._awake)

    async def _try(self, failed: int) -> bool:
        """Take one step; when it fails, say so, wait, and return False."""
        try:
            await self._step()
        except PositionMoved as moved:
            self.lease.position = self.lease.stored = moved.position
            self._sure = False
        except Freed:
            pass  # the stream is due now
        except (LeaseLost, StoreClosedError, Stopped):
            raise
        except Exception as error:
            self._sure = False
            self._complain(error, logging.DEBUG if failed else logging.WARNING)
            await self._patience.pause(AWAY.pause(failed + 1))
            return False
        return True

    def _complain(self, error: Exception, level: int) -> None:
        text = "partition %d of subscription %s waits: %s"
        trace = None if isinstance(error, OrchestrixError) else error
        _log.log(level, text, self._partition, self.subscription.name, error, exc_info=trace)

    async def _step(self) -> None:
        """Do what there is to do, or wait until there is something."""
        if not self._sure:
            await self.lease.look(self._store)
            await self._aside.load()
            self._sure = True
        if self._look:
            self._look = False
            await self._aside.look()
        for stream in sorted(self._aside.due):
            await self._work.replay(stream)
        self._awake.clear()
        if self._feed.head > self.lease.position:
            await self._advance(self._feed.head)
        elif not self.is_stopping and not self._look:
            await self._awake.wait()

    async def _advance(self, head: int) -> None:
        """Handle one batch, or pass over what is none of this partition's."""
        records, end = await self._next_batch(head)
        if records:
            await self._work.do(records, end)
        else:
            self.lease.position = end
        if self.lease.position > self.lease.stored:
            self._moved()
        await asyncio.sleep(0)  # a store in memory and a quick handler wait for nothing

    async def _next_batch(self, head: int) -> tuple[list[RecordedEvent], int]:
        """Return the next events, as many as a batch may have, and what is done after them."""
        size, records, end = self.subscription.batch, list[RecordedEvent](), self.lease.position
        for _ in range(_PAGES):
            page = await self._pages.behind(end, head)
            records += filter(self._is_ours, page.records)
            if len(records) > size:
                return records[:size], records[size - 1].position
            end = page.upto
            if end >= head or len(records) == size:
                break
        return records, end

    def _is_ours(self, record: RecordedEvent) -> bool:
        count = self.subscription.partitions
        return (
            count == 1 or partition_of(self.subscription.group_of(record), count) == self._partition
        )
