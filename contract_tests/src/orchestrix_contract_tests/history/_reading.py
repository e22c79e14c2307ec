"""A worker's tasks that read the log while it grows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from random import Random
from time import monotonic
from typing import Any, Final

from orchestrix_contract_tests import driver
from orchestrix_contract_tests.driver import Driver
from orchestrix_contract_tests.history.operations import Row
from orchestrix_contract_tests.history.plan import Round
from orchestrix_contract_tests.history.recorder import Recorder
from orchestrix_core import RecordedEvent

__all__ = ["Pager", "Subscriber", "row_of"]

_PAGES: Final = (1, 7, 100, 1000)
_POLL: Final = 0.02
"""Seconds until an empty page is asked for again."""


def row_of(record: RecordedEvent) -> Row:
    """Return what a history says of a record."""
    return Row(record.position, record.aggregate_id, record.version, record.event.id)


class _Reader:
    """One who has read the log up to a position, and is told at last where it ends."""

    def __init__(self, store: Driver, recorder: Recorder, round: Round, what: str) -> None:
        self._store = store
        self._recorder = recorder
        self._after = round.base
        self._name = f"{round.name}.w{round.worker}.{what}"
        self._random = Random(f"{round.plan.seed} {self._name}")
        self._head: int | None = None
        self._told = asyncio.Event()

    def finish(self, head: int) -> None:
        """Say that nothing is written any more, and where the log ends."""
        self._head = head
        self._told.set()


class Pager(_Reader):
    """Reads page after page, each after the last position that it has seen."""

    async def run(self) -> None:
        """Read until a page is empty after the end was told, or reading leads no further."""
        while True:
            last = self._told.is_set()  # looked at before the read, so that the last one is last
            rows = await self._page(self._random.choice(_PAGES))
            if rows:
                before, self._after = self._after, rows[-1].position or 0
                if self._after <= before:
                    return  # it would go round in circles: what was seen tells enough
            elif last:
                return
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._told.wait(), _POLL)

    async def _page(self, limit: int) -> list[Row]:
        began = monotonic()
        rows = [row_of(record) for record in await self._store.read_log(self._after, limit)]
        self._recorder.read(self._name, self._after, limit, rows, began=began)
        return rows


class Subscriber(_Reader):
    """Takes what a subscription yields."""

    async def run(self) -> None:
        """Listen until the end has come; where it does not, that is one more look at nothing."""
        records = self._store.store.subscribe(after=self._after)
        self._moved = asyncio.Event()
        listening = asyncio.ensure_future(self._listen(records))
        told = asyncio.ensure_future(self._told.wait())
        try:
            await _first(listening, told)
            await self._end(listening)
        finally:
            listening.cancel()
            told.cancel()
            await asyncio.gather(listening, told, return_exceptions=True)
            await records.aclose()

    async def _listen(self, records: AsyncIterator[RecordedEvent]) -> None:
        began = monotonic()
        async for record in records:
            row = row_of(record)
            self._recorder.read(self._name, self._after, 1, [row], began=began)
            self._after = max(self._after, record.position)
            self._moved.set()
            began = monotonic()

    async def _end(self, listening: asyncio.Future[None]) -> None:
        began = monotonic()
        while not listening.done() and self._after < (self._head or 0):
            self._moved.clear()
            moved = asyncio.ensure_future(self._moved.wait())
            try:
                await _first(listening, moved, within=driver.PATIENCE)
                came = moved.done() or listening.done()
            finally:
                moved.cancel()
            if not came:
                self._recorder.read(self._name, self._after, 1, [], began=began)
                break
        if listening.done():
            listening.result()


async def _first(*tasks: asyncio.Future[Any], within: float | None = None) -> None:
    await asyncio.wait(tasks, timeout=within, return_when=asyncio.FIRST_COMPLETED)
