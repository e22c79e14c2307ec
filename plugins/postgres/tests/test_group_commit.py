"""Appends of one process go out together, and each still stands or falls alone."""

from __future__ import annotations

import asyncio

import pytest

from orchestrix.infrastructure.postgres import PostgreSQLEventStore, _writer
from orchestrix_core import (
    ConcurrencyError,
    DuplicateEventError,
    JSONSerializer,
    StorageError,
    StoreClosedError,
    StreamWrite,
)

from ._conditions import PATIENCE, observe, until


@pytest.fixture
async def store(dsn):
    async with PostgreSQLEventStore(dsn, pool_min_size=1, pool_max_size=3) as store:
        yield store


COUNT = {
    "append_one": lambda *event: 1,
    "append_each": lambda streams, *columns: len(streams),
    "append": lambda careful, appends, *columns: len(set(appends)),
}


@pytest.fixture
def statements(store, monkeypatch):
    """Return a list that gets the number of appends in each statement sent."""
    database, sent = store._opening.session._database, []
    run = database.run

    async def noted(connection, name, arguments):
        if name.startswith("append"):
            sent.append(COUNT[name](*arguments))
        return await run(connection, name, arguments)

    monkeypatch.setattr(database, "run", noted)
    return sent


async def behind(store, observer, notes, saves):
    """Submit saves while another one is under way; return what came of each."""
    async with observer.no_writes():
        first = asyncio.create_task(store.save("first", notes("first"), 0))
        await observer.waiting()
        tasks = [asyncio.create_task(store.save(*save)) for save in saves]
        await asyncio.sleep(0)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    await first
    return outcomes


async def test_a_store_at_rest_writes_at_once(store, statements, notes):
    for version in range(3):
        await store.save("a", notes(str(version)), version)
    assert statements == [1, 1, 1]


async def test_what_comes_meanwhile_goes_out_together(store, dsn, statements, notes):
    async with observe(dsn) as observer:
        saves = [(f"s{n}", notes(f"{n}"), 0) for n in range(20)]
        assert await behind(store, observer, notes, saves) == [None] * 20
    assert statements == [1, 20]
    records = await store.read_log()
    assert [record.event.id for record in records[1:]] == [str(n) for n in range(20)]


async def test_a_bad_append_never_fails_its_neighbours(store, dsn, statements, notes):
    await store.save("a", notes("1"), 0)
    async with observe(dsn) as observer:
        saves = [
            ("a", notes("2"), 1),
            ("a", notes("x"), 1),  # a conflict with the one before it
            ("a", notes("3"), None),
            ("b", notes("b1", "1"), 0),  # the second id is stored already
            ("b", notes("b2"), 0),
            ("c", notes("3"), 0),  # stored by a neighbour
            ("a", notes("1"), 0),  # the very same again
            ("a", notes("1"), None),  # which it must not be without a version
            ("d", [], 4),
            ("d", [], 0),
        ]
        outcomes = await behind(store, observer, notes, saves)
    kinds = [type(outcome) for outcome in outcomes]
    none, conflict, duplicate = type(None), ConcurrencyError, DuplicateEventError
    assert kinds == [
        *(none, conflict, none, duplicate, none, duplicate, none, duplicate, conflict, none)
    ]
    assert (outcomes[1].actual_version, outcomes[8].actual_version) == (2, 0)
    assert [e.id for e in await store.load("a")] == ["1", "2", "3"]
    assert [e.id for e in await store.load("b")] == ["b2"]
    assert [e.id for e in await store.load("c")] == []
    assert statements == [1, 1, 10]


async def test_a_stored_id_costs_its_group_a_second_call(store, dsn, statements, notes):
    await store.save("a", notes("1"), 0)
    async with observe(dsn) as observer:
        saves = [("b", notes("2"), 0), ("c", notes("1"), 0), ("b", notes("3"), 1)]
        outcomes = await behind(store, observer, notes, saves)
    assert [type(outcome) for outcome in outcomes] == [type(None), DuplicateEventError, type(None)]
    assert [event.id for event in await store.load("b")] == ["2", "3"]
    assert statements == [1, 1, 3, 3]


async def test_conflicts_need_no_second_call(store, dsn, statements, notes):
    async with observe(dsn) as observer:
        saves = [("a", notes(f"{n}"), 0) for n in range(8)]
        outcomes = await behind(store, observer, notes, saves)
    assert sum(outcome is None for outcome in outcomes) == 1
    assert statements == [1, 8]


class Broken(JSONSerializer):
    """Writes what is no JSON for one event."""

    def encode(self, event):
        return b"{no json" if event.id == "bad" else super().encode(event)


async def test_what_the_server_cannot_read_is_alone_in_failing(dsn, notes):
    settings = {"pool_min_size": 1, "pool_max_size": 2, "serializer": Broken()}
    async with PostgreSQLEventStore(dsn, **settings) as store, observe(dsn) as observer:
        saves = [(f"s{n}", notes("bad" if n == 3 else f"{n}"), 0) for n in range(6)]
        outcomes = await behind(store, observer, notes, saves)
        assert [n for n, outcome in enumerate(outcomes) if outcome is not None] == [3]
        assert isinstance(outcomes[3], StorageError)
        assert len(await store.read_log()) == 6


async def test_save_all_stays_whole_in_a_group(store, dsn, notes):
    async with observe(dsn) as observer, observer.no_writes():
        first = asyncio.create_task(store.save("first", notes("first"), 0))
        await observer.waiting()
        good = store.save_all([StreamWrite("a", notes("1")), StreamWrite("b", notes("2"), 0)])
        bad = store.save_all([StreamWrite("c", notes("3")), StreamWrite("b", notes("4"), 0)])
        tasks = [asyncio.create_task(work) for work in (good, bad)]
        await asyncio.sleep(0)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    await first
    assert outcomes[0] is None
    assert isinstance(outcomes[1], ConcurrencyError)
    assert [r.event.id for r in await store.read_log()] == ["first", "1", "2"]


@pytest.mark.parametrize("when", ["waiting", "written"])
async def test_who_is_cancelled_takes_nobody_along(store, dsn, notes, when):
    async with observe(dsn) as observer, observer.no_writes():
        first = asyncio.create_task(store.save("first", notes("first"), 0))
        await observer.waiting()
        tasks = [
            asyncio.create_task(store.save(f"s{n}", notes(f"{n}", f"{n}+"), 0)) for n in (1, 2)
        ]
        await asyncio.sleep(0)
        if when == "written":  # the first leaves, so that the two are under way
            first.cancel()
            await asyncio.wait([first])
            await observer.waiting()
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])
    await tasks[1]
    await asyncio.wait([first])
    assert tasks[0].cancelled()
    stored = [event.id for event in await store.load("s1")]
    assert stored == ([] if when == "waiting" else ["1", "1+"])
    assert len(await store.load("s2")) == 2


async def test_who_brings_too_much_waits(store, dsn, notes, monkeypatch):
    monkeypatch.setattr(_writer, "_LARGEST_QUEUE", 2000)
    writer = store._opening.session.writer
    async with observe(dsn) as observer, observer.no_writes():
        tasks = [asyncio.create_task(store.save(f"s{n}", notes(f"{n}"), 0)) for n in range(50)]
        await observer.waiting()
        assert 0 < writer._size <= 2000
        assert len(writer._requests) < 10
        tasks[-1].cancel()  # one of those at the door
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert outcomes[:-1] == [None] * 49
    assert len(await store.read_log()) == 49
    assert writer._size == 0


async def test_an_append_larger_than_the_queue_is_let_in(store, notes, monkeypatch):
    monkeypatch.setattr(_writer, "_LARGEST_QUEUE", 10)
    monkeypatch.setattr(_writer, "_LARGEST_TOGETHER", 10)
    await asyncio.gather(*(store.save(f"s{n}", notes(f"{n}"), 0) for n in range(5)))
    assert len(await store.read_log()) == 5


async def test_closing_tells_those_at_the_door(store, dsn, notes, monkeypatch):
    monkeypatch.setattr(_writer, "_LARGEST_QUEUE", 1000)
    async with observe(dsn) as observer:
        async with observer.no_writes():
            tasks = [asyncio.create_task(store.save(f"s{n}", notes(f"{n}"), 0)) for n in range(20)]
            await observer.waiting()
            closing = asyncio.create_task(store.close())
            await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE):
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            await closing

        async def gone():
            return not await observer.others()

        await until(gone)
        stored = await observer.connection.fetchval("SELECT count(*) FROM events")
    assert 0 < stored < 20
    assert [isinstance(o, StoreClosedError) for o in outcomes].count(True) == 20 - stored
    assert outcomes.count(None) == stored
