"""Projections: a view is made anew beside the one that is read, and nobody sees a hole."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from orchestrix_contract_tests.contracts._projections import (
    Rows,
    Seen,
    Spread,
    expected_versions,
    keeping,
    rows_of,
    settled,
    statement,
    versions_of,
)
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.contracts._workers import (
    QUICK,
    Wrapped,
    fill,
    notes,
    repeating,
    until,
)
from orchestrix_contract_tests.domain import Noted, Opened
from orchestrix_contract_tests.driver import Driver, Stores, bounded
from orchestrix_core import (
    Document,
    Projection,
    ProjectionReader,
    RebuildError,
    RecordedEvent,
    Transaction,
    View,
    on,
    rebuild,
)
from orchestrix_core.projections import Progress, health
from orchestrix_core.subscriptions import DeadLetters, lags

__all__ = ["ProjectionRebuildContract", "ProjectionTableRebuildContract"]

STREAMS = "abcdefg"


class ProjectionRebuildContract(StoreContract, needs=("documents", "global_log", "async")):
    """`rebuild` of async projections."""

    async def test_new_view_replaces_the_old_one_under_readers_and_writers(
        self, store: Driver, stores: Stores
    ) -> None:
        """Projections: what a reader has seen never goes away; in the end nothing is missing."""
        writing, reading = await stores.rivals(store, 2)
        reader = ProjectionReader(reading.store, Seen)
        await fill(store, STREAMS, rounds=30)  # more than the switch itself may handle
        async with keeping(store, Seen) as kept:
            await settled(store, kept)
            assert len(await reader.find()) == len(STREAMS)
            async with _load(writing), _no_hole(reader):
                for generation in (2, 3):
                    assert await bounded(rebuild(store.store, Seen, grace=0), "rebuild") == (
                        generation
                    )
            await settled(store, kept)
        assert versions_of(await reader.find()) == await expected_versions(store)

    async def test_progress_is_told_to_the_end(self, store: Driver) -> None:
        """Projections: from nothing to all, never back."""
        told: list[Progress] = []
        await fill(store, STREAMS, rounds=30)  # more than the switch itself may handle
        assert await rebuild(store.store, Spread, progress=told.append) == 2
        head = await store.head()
        assert (told[-1].done, told[-1].total) == (head, head)
        done = [progress.done for progress in told]
        assert done == sorted(done)
        assert told[-1].rate > 0
        view = await ProjectionReader(store.store, Spread).find()
        assert versions_of(view) == await expected_versions(store)

    async def test_worker_elsewhere_changes_over(self, store: Driver, stores: Stores) -> None:
        """Projections: who keeps the view up to date does so with the new generation."""
        (other,) = await stores.rivals(store, 1)
        await fill(store, STREAMS)
        async with keeping(other, Seen) as kept:
            await settled(store, kept)
            await rebuild(store.store, Seen)
            await fill(store, STREAMS)
            await settled(store, kept)
            assert await kept.subscriptions() == ["Seen@2"]
            await until(lambda: _free(store, "Seen@1"))
        view = await ProjectionReader(store.store, Seen).find()
        assert versions_of(view) == await expected_versions(store)

    async def test_rebuild_that_was_broken_off_is_resumed(self, store: Driver) -> None:
        """Projections: what was done is not done again, and no number is lost."""
        far = asyncio.Event()
        handled: list[int] = []

        class Halting(Seen):
            async def noted(self, event: Noted, view: View, record: RecordedEvent) -> None:
                await super().noted(event, view, record)
                handled.append(record.position)
                if len(handled) == 1000:
                    far.set()
                    await asyncio.Event().wait()

        await fill(store, STREAMS, rounds=60)
        first = asyncio.create_task(rebuild(store.store, Halting))
        await bounded(far.wait(), "the handler")
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        (broken,) = await health(store.store, [Halting()])
        assert (broken.generation, broken.building) == (1, 2)
        kept = [lag.position for lag in await lags(store.store, ["Halting@2"])]
        handled.clear()
        assert await bounded(rebuild(store.store, Halting), "the rebuild") == 2
        assert min(handled) == kept[0] + 1 > 1
        view = await ProjectionReader(store.store, Halting).find()
        assert versions_of(view) == await expected_versions(store)

    async def test_two_at_once_do_it_together(self, store: Driver, stores: Stores) -> None:
        """Projections: one generation comes of it, and both say so."""
        others = await stores.rivals(store, 2)
        await fill(store, STREAMS, rounds=30)
        for _ in range(5):  # one may be done before the other has begun, and then there are two
            both = [rebuild(other.store, Spread) for other in others]
            first, second = await bounded(asyncio.gather(*both), "two rebuilds")
            if first == second:
                break
        assert first == second
        view = await ProjectionReader(store.store, Spread).find()
        assert versions_of(view) == await expected_versions(store)

    async def test_restart_leaves_what_was_begun(self, store: Driver) -> None:
        """Projections: a new number, an error for who was at it, and nothing left behind."""
        async with _halted(store) as (first, halting):
            held = Wrapped(store)
            held.partitions.clear()  # it begins anew, and stays there
            second = asyncio.create_task(rebuild(held, Quick, restart=True))
            await until(lambda: _is_building(store, 3))
            halting.thaw()
            with pytest.raises(RebuildError, match="began anew"):
                await bounded(first, "the first rebuild")
            held.thaw()
            assert await bounded(second, "the second rebuild") == 3
        assert await rebuild(store.store, Quick, grace=0) == 4
        assert await _left_of(store, "Halting") == ["Halting@4"]
        view = await ProjectionReader(store.store, Quick).find()
        assert versions_of(view) == await expected_versions(store)

    async def test_who_is_overtaken_tells_what_is_live(self, store: Driver) -> None:
        """Projections: another began anew, and was through with it before this one looked."""
        async with _halted(store) as (first, halting):
            assert await bounded(rebuild(store.store, Quick, restart=True), "the second") == 3
            halting.thaw()
            assert await bounded(first, "the first rebuild") == 3

    async def test_old_view_stays_for_a_while(self, store: Driver) -> None:
        """Projections: for the time of grace, or up to the next rebuild."""
        await fill(store, "a")
        async with keeping(store, Seen) as kept:
            await settled(store, kept)
            await rebuild(store.store, Seen, grace=3600)
            assert await _left_of(store, "Seen") == ["Seen@1", "Seen@2"]
            await rebuild(store.store, Seen, grace=0.01)
            await until(lambda: _is_all_that_is_left(store, "Seen@3"))
        assert await store.find_documents("Seen@1") == await store.find_documents("Seen@2") == []

    async def test_other_version_waits_for_its_rebuild(
        self, store: Driver, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Projections: a worker with another version leaves a view alone, and says so."""

        class Newer(Seen, name="Seen", version=2, partitions=2):
            async def noted(self, event: Noted, view: View, record: RecordedEvent) -> None:
                await view.put(record.aggregate_id, {"last": record.version})

        async def warned() -> bool:
            return "made by version 1, not 2" in caplog.text

        reader = ProjectionReader(store.store, Newer)
        await fill(store, "a")
        async with keeping(store, Seen) as old:
            await settled(store, old)
        await fill(store, "a")
        async with keeping(store, Newer) as new:
            await until(warned)
            (found,) = await health(store.store, [Newer()])
            assert (found.outdated, found.running, found.behind) == (True, False, 6)
            async with keeping(store, Seen):
                await settled(store, old)
                assert await reader.get("a") == {"versions": [*range(1, 13)]}
                await rebuild(store.store, Newer)
                await fill(store, "a")
                await settled(store, new)
                assert await reader.get("a") == {"last": 18}

    async def test_dead_letters_keep_a_worse_view_from_being_read(self, store: Driver) -> None:
        """Projections: unless the live view lacks the same; given up, the rest goes on."""

        class Picky(Projection):
            retry = QUICK
            poison = "none"

            @on(Opened)
            async def opened(self, event: Opened, view: View, record: RecordedEvent) -> None:
                if event.owner == self.poison:
                    msg = "cannot"
                    raise ValueError(msg)
                await view.put(f"{record.aggregate_id}-{event.owner}", {})

        picky = Picky()
        for stream in "ab":
            await store.save(stream, [Opened(owner=owner) for owner in ("one", "two", "three")])
        await rebuild(store.store, picky)
        picky.poison = "two"
        with pytest.raises(RebuildError, match=r"2 streams .* ValueError: cannot"):
            await bounded(rebuild(store.store, picky), "the rebuild")
        reader = ProjectionReader(store.store, Picky)
        assert len(await reader.find()) == 6
        letters = DeadLetters(store.store, "Picky@3")
        for letter in await letters.list():
            if letter.state == "failed":
                await letters.drop(letter.aggregate_id, letter.position)
        assert await bounded(rebuild(store.store, picky), "the rebuild") == 3
        assert list(await reader.find()) == ["a-one", "a-three", "b-one", "b-three"]

    async def test_same_dead_letters_as_before_do_not_matter(self, store: Driver) -> None:
        """Projections: the new view is no worse than the one that is read."""

        class Picky(Seen):
            retry = QUICK

            async def noted(self, event: Noted, view: View, record: RecordedEvent) -> None:
                if (record.aggregate_id, record.version) == ("b", 4):
                    raise ValueError
                await super().noted(event, view, record)

        await fill(store, "abc")
        async with keeping(store, Picky) as kept:
            await settled(store, kept)
            async with _load(store):
                assert await bounded(rebuild(store.store, Picky), "the rebuild") == 2
            await settled(store, kept)
        expected = await expected_versions(store)
        found = versions_of(await ProjectionReader(store.store, Picky).find())
        assert found == {**expected, "b": [1, 2, 3]}


class ProjectionTableRebuildContract(
    StoreContract, needs=("documents", "global_log", "async", "sql")
):
    """`rebuild` of projections with tables."""

    async def test_new_tables_replace_the_old_ones_under_readers_and_writers(
        self, store: Driver, stores: Stores
    ) -> None:
        """Projections: a query never finds less than before, and never no table."""
        writing, reading = await stores.rivals(store, 2)
        reader = ProjectionReader(reading.store, Rows)
        await fill(store, STREAMS, rounds=30)

        most = 0

        async def watch() -> None:
            nonlocal most
            (row,) = await reader.fetch(statement("count"))
            assert row["many"] >= most
            most = row["many"]

        async with keeping(store, Rows) as kept:
            await settled(store, kept)
            async with _load(writing), repeating(watch):
                assert await bounded(rebuild(store.store, Rows, grace=0), "rebuild") == 2
                assert await bounded(rebuild(store.store, Rows, grace=0), "rebuild") == 3
            await settled(store, kept)
        assert await rows_of(store) == await expected_versions(store)


class Halting(Seen):
    pass


class Quick(Seen, name="Halting"):
    pass


@asynccontextmanager
async def _halted(store: Driver) -> AsyncIterator[tuple[asyncio.Task[int], Wrapped]]:
    """Have a rebuild that has got somewhere, but can neither go on nor look, until it thaws."""
    halting = Halted(store)
    await fill(store, STREAMS, rounds=30)
    first = asyncio.create_task(rebuild(halting, Halting))
    await bounded(halting.far.wait(), "the rebuild")
    try:
        yield first, halting
    finally:
        halting.thaw()
        await asyncio.wait([first])


class Halted(Wrapped):
    """
    A store that is cut off with the first transaction of a partition, for reads as well.

    Attributes:
        far: set when it is.
    """

    def __init__(self, store: Driver) -> None:
        super().__init__(store)
        self.far = asyncio.Event()

    async def get_document(self, collection: str, key: str) -> Document | None:
        await self.others.wait()
        return await super().get_document(collection, key)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        if self.is_partition() and not self.far.is_set():
            self.freeze()
            self.far.set()
        async with super().transaction() as transaction:
            yield transaction


@asynccontextmanager
async def _load(store: Driver) -> AsyncIterator[None]:
    """Append again and again beside the block; views of long streams are slow, so not too fast."""
    streams = itertools.cycle(STREAMS)

    async def write() -> None:
        await store.save(next(streams), notes(1))
        await asyncio.sleep(0.01)

    async with repeating(write):
        yield


@asynccontextmanager
async def _no_hole(reader: ProjectionReader) -> AsyncIterator[None]:
    """Read beside the block: of each stream, what was seen is seen again, and never nothing."""
    most: dict[str, int] = {}

    async def watch() -> None:
        found = versions_of(await reader.find())
        one = await reader.get("a")
        found["a"] = one["versions"] if one is not None else []
        for stream in STREAMS:
            seen = found.get(stream, [])
            assert seen == list(range(1, len(seen) + 1)), "a part of a stream"
            assert len(seen) >= max(1, most.get(stream, 0)), "what was seen is gone"
            most[stream] = len(seen)

    async with repeating(watch):
        yield


async def _is_building(store: Driver, number: int) -> bool:
    (found,) = await health(store.store, [Halting()])
    return found.building == number


async def _free(store: Driver, name: str) -> bool:
    return [lag.owner for lag in await lags(store.store, [name])] == [None]


async def _left_of(store: Driver, name: str) -> list[str]:
    found = [lag.name for lag in await lags(store.store)]
    return sorted({each for each in found if each.startswith(f"{name}@")})


async def _is_all_that_is_left(store: Driver, full_name: str) -> bool:
    return await _left_of(store, full_name.partition("@")[0]) == [full_name]
