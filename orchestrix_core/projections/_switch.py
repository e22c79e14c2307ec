"""
The last step of a rebuild: a new generation becomes the live one, in one transaction.

What is still missing in it, a few events, is handled in that same transaction. Meanwhile nothing
can get ahead: an async projection's live generation cannot commit, since its checkpoints are held;
an inline one's cannot change, since nobody can append. So no reader goes back in time, and no event
is left out or handled twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import attrs

from orchestrix_core.context import handling
from orchestrix_core.documents import Document, Transaction
from orchestrix_core.errors import StorageError
from orchestrix_core.instrumentation import Instrumentation
from orchestrix_core.projections._pointers import Pointer, locked_pointer, retire, write_pointer
from orchestrix_core.projections._projection import Projection
from orchestrix_core.projections._updates import update
from orchestrix_core.projections._view import Generation, view_of
from orchestrix_core.records import RecordedEvent
from orchestrix_core.subscriptions import Subscription, partition_of
from orchestrix_core.subscriptions._aside import Aside
from orchestrix_core.subscriptions._checkpoints import CHECKPOINTS, checkpoint_key

__all__ = ["CLOSE", "NotYet", "Switch"]

CLOSE: Final = 500
"""So many events behind the end of the log, a generation may become the live one."""
_INLINE: Final = "every append"
_FOR_EVER: Final = 1e12  # seconds
_READ: Final = 5.0  # seconds for a read while others wait; then they go on, and it is tried again


class NotYet(Exception):
    """Something has moved meanwhile, or is too far behind: try again later."""


class Switch:
    """Makes the generation that is being built the live one."""

    def __init__(
        self,
        store: Any,
        projection: Projection,
        generation: Generation,
        subscription: Subscription,
        watch: Instrumentation,
        grace: float,
    ) -> None:
        self._store = store
        self._projection = projection
        self._generation = generation
        self._subscription = subscription
        self._watch = watch
        self._grace = grace

    async def attempt(self, check: Callable[[], Awaitable[None]]) -> None:
        """
        Do it, or raise and leave everything as it was.

        Args:
            check: raises where the generation is not as it should be; called as late as possible.

        Raises:
            NotYet: it has to wait for more of the log to be handled first.
        """
        # What can be read before is read before: from here to the end others have to wait.
        head = await self._store.head()
        seen = await self._checkpoints(self._store.get_document, self._generation)
        asides = [await self._aside(number) for number in range(len(seen))]  # as of `seen` or later
        await check()
        records = await self._missing(seen, head)
        async with self._store.transaction() as transaction:
            pointer, reached = await self._hold(transaction)
            if self._projection.inline or reached > head:
                more = await self._read_in_time(head)
                head = max(head, reached, *(record.position for record in more))
                records += more
            await self._catch_up(transaction, records, asides)
            await self._advance(transaction, seen, head)
            await self._point(transaction, pointer)

    async def _missing(self, seen: Sequence[Document], head: int) -> list[RecordedEvent]:
        """Return what is not handled yet of the log up to `head`."""
        positions = [found.body["position"] for found in seen]
        records = await self._read(min(positions))
        return [
            record
            for record in records
            if positions[partition_of(record.aggregate_id, len(positions))] < record.position
            and record.position <= head
        ]

    async def _read(self, after: int) -> list[RecordedEvent]:
        records = list(await self._store.read_log(after, CLOSE + 1, self._subscription.types))
        if len(records) > CLOSE:
            raise NotYet
        return records

    async def _read_in_time(self, after: int) -> list[RecordedEvent]:
        """Read beside the open transaction, for which others wait."""
        try:
            async with asyncio.timeout(_READ):
                return await self._read(after)
        except TimeoutError as error:
            msg = (
                f"the log could not be read within {_READ:.0f} s beside an open transaction: give "
                "the store one more connection, or rebuild in a process that does nothing else"
            )
            raise StorageError(msg) from error

    async def _hold(self, transaction: Transaction) -> tuple[Pointer, int]:
        """Keep the live generation where it is, and the pointer as it is; return both."""
        if self._projection.inline:
            await transaction.append([])
        pointer = await locked_pointer(transaction, self._projection.name)
        if pointer.building != self._generation:
            raise NotYet
        if self._projection.inline or pointer.live is None:
            return pointer, 0
        live = await self._checkpoints(transaction.get, pointer.live)
        return pointer, max((found.body["position"] for found in live), default=0)

    async def _checkpoints(self, get: Any, generation: Generation) -> list[Document]:
        """Return the checkpoints that are there: none where it never ran."""
        keys = [checkpoint_key(generation.full_name, n) for n in range(generation.partitions)]
        found = {key: await get(CHECKPOINTS, key) for key in sorted(keys)}
        return [found[key] for key in keys if found[key] is not None]

    async def _aside(self, partition: int) -> Aside:
        """Return what a partition has set aside: later events of the same streams wait there."""
        aside = Aside(self._store, self._subscription, partition)
        await aside.load()
        return aside

    async def _catch_up(
        self, transaction: Transaction, records: list[RecordedEvent], asides: Sequence[Aside]
    ) -> None:
        view = view_of(transaction, self._generation)
        for record in records:
            aside = asides[partition_of(record.aggregate_id, len(asides))]
            if record.aggregate_id not in aside.blocked:
                with handling(record.event):
                    await update(self._projection, record.event, view, self._watch, record)
            elif not await aside.park(transaction, record):
                raise NotYet

    async def _advance(self, transaction: Transaction, seen: Sequence[Document], head: int) -> None:
        """Move the checkpoints, unless a worker has; those of an inline projection for good."""
        now = await self._checkpoints(transaction.get, self._generation)
        if [found.body["position"] for found in now] != [found.body["position"] for found in seen]:
            raise NotYet
        for found in now:
            body = {**found.body, "position": max(head, found.body["position"])}
            if self._projection.inline:  # it is for the appends now: no worker may ever go on
                body |= {"owner": _INLINE, "epoch": body["epoch"] + 1, "lease": _FOR_EVER}
            await transaction.put(CHECKPOINTS, found.key, body)

    async def _point(self, transaction: Transaction, pointer: Pointer) -> None:
        switched = attrs.evolve(pointer, live=self._generation, building=None)
        await write_pointer(transaction, self._projection.name, switched)
        if pointer.live is not None:
            await retire(transaction, pointer.live, self._grace)
