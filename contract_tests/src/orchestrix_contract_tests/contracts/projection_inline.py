"""Projections: inline ones change with the append itself, whoever appends, and never later."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from orchestrix_contract_tests.contracts._projections import Sums, expected_sums
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.contracts._workers import fill, notes, repeating
from orchestrix_contract_tests.domain import Noted, Opened
from orchestrix_contract_tests.driver import Driver, Stores, bounded
from orchestrix_core import (
    ConcurrencyError,
    DuplicateEventError,
    Event,
    OutdatedProjectionError,
    ProjectionReader,
    Projections,
    RebuildError,
    StreamWrite,
    Transaction,
    View,
    rebuild,
)
from orchestrix_core.projections import health

__all__ = ["ProjectionInlineContract"]


class ProjectionInlineContract(StoreContract, needs=("documents", "global_log", "async")):
    """Projections in the transaction of the append."""

    async def test_view_is_there_when_the_append_returns(self, store: Driver) -> None:
        """Projections: read your writes; what nobody hears changes nothing."""
        kept, reader = await _ready(store)
        for n in range(1, 4):
            event = Noted(notes={})
            await _append(store, kept, [event], n - 1)
            assert await reader.get("total") == {"count": n, "last": event.id}
        await _append(store, kept, [Opened(owner="x"), Noted(notes={})], 3)
        assert await reader.find() == await expected_sums(store)
        (found,) = await health(store.store, [Sums()])
        assert (found.inline, found.running, found.behind, found.generation) == (True, True, 0, 1)
        assert await kept.subscriptions() == []

    async def test_handler_that_fails_leaves_no_event(self, store: Driver) -> None:
        """Projections: the view and the events, all or nothing."""
        kept, reader = await _ready(store)
        await _append(store, kept, notes(1), 0)
        before = await reader.find()
        with pytest.raises(ValueError, match="poison"):
            await _append(store, kept, [*notes(2), Noted(notes={"poison": True})], 1)
        assert len(await store.load("a")) == 1
        assert await reader.find() == before

    async def test_conflict_leaves_the_view(self, store: Driver) -> None:
        """Projections: an append that is refused changes nothing."""
        kept, reader = await _ready(store)
        events = notes(2)
        await _append(store, kept, events, 0)
        before = await reader.find()
        with pytest.raises(ConcurrencyError):
            await _append(store, kept, notes(1), 1)
        with pytest.raises(DuplicateEventError):
            await _append(store, kept, events[1:], None)
        assert await reader.find() == before

    async def test_append_that_is_repeated_is_heard_once(self, store: Driver) -> None:
        """Projections: a safe retry appends nothing, and so changes nothing."""
        kept, reader = await _ready(store)
        first, second = notes(2), notes(3)
        await _append(store, kept, first, 0)
        await _append(store, kept, second, 2)
        await _append(store, kept, notes(1), None)
        for events, expected in ((first, 0), (second, 2), (first, 0)):
            await _append(store, kept, events, expected)
        assert await reader.find() == await expected_sums(store)

    async def test_rivals_are_heard_in_the_order_of_the_log(
        self, store: Driver, stores: Stores
    ) -> None:
        """Projections: the last event of the view is the last of the log, all are counted."""
        _, reader = await _ready(store)
        rivals = await stores.rivals(store, 2)

        async def write(rival: Driver, stream: str) -> None:
            mine = Projections(rival.store, [Sums])
            for version in range(15):
                await _append(rival, mine, notes(1), version, stream)

        both = asyncio.gather(*(write(rival, f"s{n}") for n, rival in enumerate(rivals)))
        await bounded(both, "appends")
        assert await reader.find() == await expected_sums(store)

    async def test_new_projection_hears_what_was_before(self, store: Driver) -> None:
        """Projections: made ready at start, from the whole log, however long."""
        await fill(store, "abcdefg", rounds=30)
        kept, reader = await _ready(store)
        await _append(store, kept, notes(1), None)
        assert await reader.find() == await expected_sums(store)

    async def test_append_before_it_is_ready_is_refused(self, store: Driver) -> None:
        """Projections: an event that the view would lack is not stored."""
        kept = Projections(store.store, [Sums])
        with pytest.raises(RebuildError, match="no view yet"):
            await _append(store, kept, notes(1), 0)
        assert await store.load("a") == []

    async def test_rebuild_under_appends_is_exact(self, store: Driver, stores: Stores) -> None:
        """Projections: at every moment the view counts exactly the events of the log."""
        kept, reader = await _ready(store)
        writing, reading = await stores.rivals(store, 2)
        theirs = Projections(writing.store, [Sums])
        looking = ProjectionReader(reading.store, Sums)
        far, versions = asyncio.Event(), itertools.count()

        async def write() -> None:
            version = next(versions)
            await _append(writing, theirs, notes(1), version)
            if version == 20:
                far.set()

        async def watch() -> None:
            before = await reading.head()
            total = await looking.get("total") or {"count": 0}
            assert before <= total["count"] <= await reading.head()

        async with repeating(write), repeating(watch):
            await bounded(far.wait(), "appends")
            for generation in (2, 3):
                found = await bounded(rebuild(store.store, Sums, grace=0), "the rebuild")
                assert found == generation
        await _append(store, kept, notes(1), None, "b")
        assert await reader.find() == await expected_sums(store)

    async def test_long_log_is_rebuilt_under_appends(self, store: Driver) -> None:
        """Projections: by a worker up to the end, by the switch from there."""
        await fill(store, "abcdefg", rounds=30)
        kept, reader = await _ready(store)

        async def write() -> None:
            await _append(store, kept, notes(1), None, "x")

        async with repeating(write):
            assert await bounded(rebuild(store.store, Sums), "the rebuild") == 2
        assert await reader.find() == await expected_sums(store)

    async def test_append_of_another_version_is_refused(self, store: Driver) -> None:
        """Projections: no program changes a view that it does not know the shape of."""

        class Newer(Sums, name="Sums", version=2):
            async def noted(self, event: Noted, view: View) -> None:
                await view.put("last", {"id": event.id})

        old, reader = await _ready(store)
        await _append(store, old, notes(1), 0)
        new = Projections(store.store, [Newer])
        for attempt in (new.prepare(), _append(store, new, notes(1), 1)):
            with pytest.raises(OutdatedProjectionError, match="version 1, but this is version 2"):
                await attempt
        await rebuild(store.store, Newer)
        with pytest.raises(OutdatedProjectionError):
            await _append(store, old, notes(1), 1)
        events = notes(1)
        await _append(store, new, events, 1)
        assert await reader.find() == {"last": {"id": events[0].id}}


async def _ready(store: Driver) -> tuple[Projections, ProjectionReader]:
    kept = Projections(store.store, [Sums])
    await bounded(kept.prepare(), "prepare")
    return kept, ProjectionReader(store.store, Sums)


async def _append(
    store: Driver,
    kept: Projections,
    events: Sequence[Event],
    expected: int | None,
    stream: str = "a",
) -> None:
    """Append as an application does that has inline projections."""

    async def proceed(transaction: Transaction, writes: Any) -> None:
        await transaction.append(writes)

    async with store.transaction() as transaction:
        await kept.around(transaction, [StreamWrite(stream, events, expected)], proceed)
