"""Promise 4: one log over all streams, in commit order, from which no reader misses an event."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection
from itertools import product
from typing import Any

import pytest

from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_contract_tests.domain import Measured, Opened, deposits, unstorable
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_contract_tests.pytest_plugin import MISSING_PROPERTY
from orchestrix_core import (
    ConcurrencyError,
    DuplicateEventError,
    Event,
    RecordedEvent,
    SerializationError,
    StreamInfo,
)

__all__ = ["LogContract", "assert_ordered", "write_some"]

WRITERS, SAVES = 4, 12


class LogContract(StoreContract, needs=("global_log",)):
    """Positions grow in commit order; who resumes after the highest one seen misses nothing."""

    async def test_empty_log(self, store: Driver) -> None:
        """Promise 4: the head of an empty log is 0."""
        assert await store.head() == 0
        assert await store.read_log() == []

    async def test_log_holds_every_event_in_commit_order(self, store: Driver) -> None:
        """Promise 4: whatever the stream, the earlier save comes first."""
        expected: list[tuple[str, int, Event]] = []
        versions = {"b": 0, "a": 0, "c": 0}
        for stream in "bacbbca":
            events = deposits(2)
            await store.save(stream, events)
            for event in events:
                versions[stream] += 1
                expected.append((stream, versions[stream], event))
        records = await store.read_log()
        assert [(r.aggregate_id, r.version, r.event) for r in records] == expected
        assert_ordered(records)

    async def test_versions_count_from_one(self, store: Driver) -> None:
        """Promise 4: the first event of a stream is its version 1."""
        await store.save("acc", deposits(1))
        await store.save("acc", deposits(2))
        assert [record.version for record in await store.read_log()] == [1, 2, 3]

    async def test_head_is_the_highest_position(self, store: Driver) -> None:
        """Promise 4: the head moves with every save, and with nothing else."""
        for n in range(3):
            await store.save(f"acc-{n}", deposits(2))
            head = await store.head()
            assert (await store.read_log())[-1].position == head
            await store.save("acc-0", [])
            assert await store.head() == head

    async def test_reading_in_pages_gives_the_whole_log(self, store: Driver) -> None:
        """Promise 4: resuming after the last position of a page leaves no gap and no overlap."""
        for n in range(5):
            await store.save(f"acc-{n % 2}", deposits(3))
        whole = await store.read_log()
        for limit in (1, 4, 15, 16):
            assert await _in_pages(store, limit) == whole

    async def test_limit_and_after(self, store: Driver) -> None:
        """Promise 4: at most `limit` records, all above `after`; beyond the head: none."""
        await store.save("acc", deposits(5))
        whole = await store.read_log()
        assert await store.read_log(limit=2) == whole[:2]
        assert await store.read_log(after=whole[2].position) == whole[3:]
        assert await store.read_log(after=whole[1].position, limit=2) == whole[2:4]
        assert await store.read_log(after=whole[-1].position) == []
        assert await store.read_log(after=whole[-1].position + 10**6) == []

    @pytest.mark.parametrize("kind", [list, tuple, set, frozenset])
    async def test_types_keeps_only_these_stored_names(self, store: Driver, kind: Any) -> None:
        """Promise 4: the filter goes by stored name, and the limit counts what is kept."""
        for n in range(4):
            await store.save(
                f"acc-{n}", [Opened(owner="x"), Measured(value=float(n)), *deposits(1)]
            )
        names = kind(["contract.sensor.measured", "contract.account.opened"])
        wanted = [r for r in await store.read_log() if r.event.type in names]
        assert len(wanted) == 8
        assert await store.read_log(types=names) == wanted
        assert await store.read_log(types=names, limit=3) == wanted[:3]
        assert await store.read_log(wanted[2].position, 3, types=names) == wanted[3:6]

    @pytest.mark.parametrize("types", [[], ["contract.unheard.of"], ["contract.account%"]])
    async def test_types_that_nothing_has(self, store: Driver, types: Collection[str]) -> None:
        """Promise 4: no name, no events; names are compared, not matched."""
        await store.save("acc", deposits(2))
        assert await store.read_log(types=types) == []

    async def test_rolled_back_appends_never_stall_readers(self, store: Driver) -> None:
        """Promise 4: after any refused append, the next event is read at once."""
        stored = deposits(1)
        await store.save("acc", stored)
        for number, refusal in enumerate(
            (ConcurrencyError, DuplicateEventError, SerializationError)
        ):
            seen = await store.head()
            wrong = {1: stored, 2: [unstorable()]}.get(number, [])
            with pytest.raises(refusal):
                await store.save("acc", [*deposits(2), *wrong], 99 if number == 0 else None)
            events = deposits(1)
            await store.save(f"next-{number}", events)
            assert [record.event for record in await store.read_log(seen)] == events

    async def test_reader_misses_no_late_commit(self, store: Driver, stores: Stores) -> None:
        """Promise 4: a reader that resumes while others write sees every event, once, in order."""
        (reader,) = await stores.rivals(store, 1)
        writing = asyncio.ensure_future(write_some(store, stores))
        seen: list[RecordedEvent] = []
        finished = False
        while not finished:
            finished = writing.done()  # looked at before the read, so that the last read is last
            page = await _next_page(reader, seen, 7)
            seen += page
            finished = finished and not page
            await asyncio.sleep(0)
        await writing
        assert seen == await reader.read_log(limit=10_000)
        assert len(seen) == WRITERS * SAVES * 2
        assert_ordered(seen)

    async def test_racing_streams_agree_with_the_log(self, store: Driver, stores: Stores) -> None:
        """Promise 4: each stream, loaded, is the log reduced to it."""
        await write_some(store, stores)
        records = await store.read_log(limit=10_000)
        for stream in {record.aggregate_id for record in records}:
            own = [record.event for record in records if record.aggregate_id == stream]
            assert await store.load(stream) == own

    async def test_log_is_read_from_its_start_a_thousand_at_a_time(self, store: Driver) -> None:
        """Promise 4: that is what `read_log` does where nothing else is asked for."""
        events = deposits(1001)
        await store.save("acc", events)
        assert [record.event for record in await store.call("read_log")] == events[:1000]

    @pytest.mark.parametrize(
        ("argument", "value"),
        [*product(("after", "limit"), (-1, True, "1", 1.5)), ("limit", 0)],
    )
    async def test_bounds_must_be_whole_numbers(
        self, store: Driver, argument: str, value: Any
    ) -> None:
        """Promise 9: what is no position or count is a `ValueError` that names the argument."""
        with pytest.raises(ValueError, match=argument):
            await store.call("read_log", **{argument: value})

    @pytest.mark.parametrize("types", ["contract.account.opened", 7, [None]], ids=repr)
    async def test_types_must_be_a_collection_of_names(self, store: Driver, types: Any) -> None:
        """Promise 9: one name is not a collection of names."""
        with pytest.raises((ValueError, TypeError), match="types"):
            await store.read_log(types=types)

    @pytest.fixture
    def catalog(self, store: Driver, request: pytest.FixtureRequest) -> Driver:
        """Give the store if it can list its streams: `StreamCatalog` is optional."""
        if not hasattr(store.store, "streams"):
            request.node.user_properties.append((MISSING_PROPERTY, "streams()"))
            pytest.skip("the store has no method streams()")
        return store

    async def test_streams_are_listed_by_id(self, catalog: Driver) -> None:
        """`StreamCatalog`, which is optional: every stream with its version, in id order."""
        names = ["b", "a", "ä", "B", "b1", "😀"]
        for count, name in enumerate(names, start=1):
            await catalog.save(name, deposits(count))
        await catalog.save("empty", [])
        infos = [StreamInfo(aggregate_id=n, version=names.index(n) + 1) for n in sorted(names)]
        assert await catalog.call("streams") == infos
        assert await catalog.streams(limit=1) == infos[:1]
        assert await catalog.streams(after=infos[1].aggregate_id, limit=3) == infos[2:5]

    @pytest.mark.parametrize("limit", [0, -1, True, "1", 1.5])
    async def test_streams_are_asked_for_by_a_whole_number(
        self, catalog: Driver, limit: Any
    ) -> None:
        """Promise 9: what is no count is a `ValueError` that names the argument."""
        with pytest.raises(ValueError, match="limit"):
            await catalog.call("streams", limit=limit)


def assert_ordered(records: list[RecordedEvent]) -> None:
    """Assert that positions strictly grow, and that within a stream they follow versions."""
    positions = [record.position for record in records]
    assert positions == sorted(set(positions)), "positions must strictly increase"
    assert all(position > 0 for position in positions), "positions count from 1"
    for stream in {record.aggregate_id for record in records}:
        versions = [record.version for record in records if record.aggregate_id == stream]
        assert versions == list(range(1, len(versions) + 1)), f"versions of {stream!r}"


async def write_some(store: Driver, stores: Stores) -> None:
    """Let several writers append to shared and own streams, with refused appends in between."""
    rivals = await stores.rivals(store, WRITERS)
    await asyncio.gather(*(_write(rival, f"own-{n}") for n, rival in enumerate(rivals)))


async def _write(store: Driver, own: str) -> None:
    for n in range(SAVES):
        await store.save("shared" if n % 2 else own, deposits(2))
        if n % 4 == 0:
            with contextlib.suppress(ConcurrencyError):
                await store.save(own, deposits(1), 10**6)
        await asyncio.sleep(0)


async def _in_pages(store: Driver, limit: int) -> list[RecordedEvent]:
    records: list[RecordedEvent] = []
    while page := await _next_page(store, records, limit):
        assert len(page) <= limit
        records += page
    return records


async def _next_page(store: Driver, seen: list[RecordedEvent], limit: int) -> list[RecordedEvent]:
    """Read on, and make sure that it goes on: a page that overlaps would never end."""
    last = seen[-1].position if seen else 0
    page = await store.read_log(last, limit)
    assert all(record.position > last for record in page), "a page begins before its `after`"
    return page
