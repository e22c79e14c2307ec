"""The projections of an application as a part of it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

from orchestrix_core._collecting import Append
from orchestrix_core.components import Component
from orchestrix_core.documents import Transaction
from orchestrix_core.instrumentation import Instrumentation
from orchestrix_core.projections import Projection, Projections
from orchestrix_core.records import StreamWrite
from orchestrix_core.subscriptions import Worker

__all__ = ["Projecting"]


class Projecting(Component):
    """All projections together, since they share what follows them and what each append does."""

    def __init__(
        self, store: Any, projections: Sequence[Projection], watch: Instrumentation
    ) -> None:
        self.projections = Projections(store, projections, instrumentation=watch)
        self.name = f"projection {', '.join(self.projections.all)}"

    @property
    def inline(self) -> bool:
        """Whether any of them changes with each append."""
        return bool(self.projections.inline)

    async def start(self) -> None:
        """See to it that each projection has a view."""
        await self.projections.prepare()

    async def work(self, worker: Worker, stopping: asyncio.Event) -> None:
        """Have the worker keep the live views up to date."""
        following = asyncio.ensure_future(self.projections.follow(worker))
        stopped = asyncio.ensure_future(stopping.wait())
        try:
            await asyncio.wait({following, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()
        finally:
            for task in (following, stopped):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def following(self) -> Collection[str]:
        """Return the names of the subscriptions of the live views."""
        return await self.projections.subscriptions()

    async def append(
        self, transaction: Transaction, writes: Sequence[StreamWrite], proceed: Append
    ) -> None:
        """Append, and let the inline ones hear it."""
        await self.projections.around(transaction, writes, proceed)
