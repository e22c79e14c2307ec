"""Appends that meet: late commits, roll-backs, stale reads, and positions in commit order."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import asyncpg
import pytest

from orchestrix.infrastructure.postgres import PostgreSQLEventStore
from orchestrix.infrastructure.postgres._append import (
    StreamAppend,
    arguments,
    one_each,
    one_event,
    rows_of,
)
from orchestrix.infrastructure.postgres._sql import QUERIES, fill
from orchestrix_core import ConcurrencyError, JSONSerializer, StorageError

from ._conditions import PATIENCE, observe, until
from ._functions import replace_functions

APPEND = fill(QUERIES["append"], "public", "json")
APPEND_ONE = fill(QUERIES["append_one"], "public", "json")
APPEND_EACH = fill(QUERIES["append_each"], "public", "json")
LOCK = "    PERFORM pg_advisory_xact_lock("


def open_store(dsn, **settings):
    return PostgreSQLEventStore(dsn, pool_min_size=1, pool_max_size=3, **settings)


class Transaction:
    """An append whose begin, statement and end come when the test says so."""

    def __init__(self, connection):
        self._connection = connection
        self._transaction = connection.transaction()

    async def begin(self):
        """Take a transaction id, long before anything is written."""
        await self._transaction.start()
        return int(await self._connection.fetchval("SELECT pg_current_xact_id()::text"))

    async def append(self, stream, events, expected=None, *, apart=False):
        """
        Append as the store does; return whether the version was the expected one.

        With `apart`, the events after the first go to streams of their own.
        """
        rows = rows_of(JSONSerializer(), events, "json")
        writes = [StreamAppend(stream, expected, rows)]
        if apart:
            writes = [StreamAppend(stream + "+" * n, expected, [r]) for n, r in enumerate(rows)]
        appends = [[write] for write in writes]
        if event := one_event(appends):
            return await self._connection.fetchval(APPEND_ONE, *event) is None
        if columns := one_each(appends):
            return await self._connection.fetch(APPEND_EACH, *columns) == []
        return await self._connection.fetch(APPEND, *arguments(appends, careful=False)) == []

    async def commit(self):
        await self._transaction.commit()

    async def roll_back(self):
        await self._transaction.rollback()


@asynccontextmanager
async def transactions(dsn, count):
    connections = [await asyncpg.connect(dsn) for _ in range(count)]
    try:
        yield [Transaction(connection) for connection in connections]
    finally:
        for connection in connections:
            connection.terminate()


class Reader:
    """Reads the log again and again, each time after the highest position it has seen."""

    def __init__(self, store):
        self._store = store
        self._after = 0
        self.seen = []

    async def read(self):
        for record in await self._store.read_log(self._after):
            self.seen.append(record.event.id)
            self._after = record.position
        return self.seen


async def commit_in_opposite_order(dsn, notes):
    """Write 'early' first and commit it last, if that can be done; return what a reader sees."""
    async with open_store(dsn) as store, transactions(dsn, 2) as (early, late), observe(dsn) as o:
        reader = Reader(store)
        assert await early.begin() < await late.begin()
        await early.append("a", notes("early"))
        writing = asyncio.create_task(late.append("b", notes("late")))
        await until(lambda: _is_done_or_waits(writing, o))
        if writing.done():  # nobody made it wait
            await late.commit()
            await reader.read()
            await early.commit()
        else:
            assert await reader.read() == []
            await early.commit()
            await writing
            await reader.read()
            await late.commit()
        return await reader.read()


async def _is_done_or_waits(task, observer):
    return task.done() or bool(await observer.others("wait_event_type = 'Lock'"))


async def test_a_late_commit_is_read_once_and_in_order(dsn, notes):
    assert await commit_in_opposite_order(dsn, notes) == ["early", "late"]


async def test_positions_drawn_without_the_lock_would_lose_an_event(dsn, notes):
    """The scenario above is one that loses events, if nothing is done about it."""
    await replace_functions(
        dsn,
        (LOCK, "    PERFORM concat("),
        ("coalesce((SELECT e.position", "nextval('numbers') + 0 * coalesce((SELECT e.position"),
        first="CREATE SEQUENCE numbers",
    )
    assert await commit_in_opposite_order(dsn, notes) == ["late"]


async def test_early_transaction_ids_do_not_matter(dsn, notes):
    """An old transaction that writes late: its id is lower, its position higher."""
    async with open_store(dsn) as store, transactions(dsn, 1) as (old,):
        reader = Reader(store)
        await old.begin()
        await store.save("a", notes("1"), 0)
        assert await reader.read() == ["1"]
        await old.append("a", notes("2"), 1)
        assert await reader.read() == ["1"]
        await old.commit()
        await store.save("a", notes("3"), 2)
        assert await reader.read() == ["1", "2", "3"]


async def test_rolled_back_appends_stall_nobody(dsn, notes):
    async with open_store(dsn) as store, transactions(dsn, 1) as (doomed,), observe(dsn) as o:
        records = store.subscribe()
        await doomed.begin()
        await doomed.append("a", notes("lost", "too"))
        saving = asyncio.create_task(store.save("a", notes("1"), 0))
        await o.waiting()
        await doomed.roll_back()
        await saving
        async with asyncio.timeout(PATIENCE):
            record = await anext(records)
        assert (record.event.id, record.version) == ("1", 1)
        await records.aclose()


async def wait_behind_a_commit(dsn, notes, expected):
    """Save to a stream while somebody else's first event for it is written, then committed."""
    async with open_store(dsn) as store, transactions(dsn, 1) as (first,), observe(dsn) as o:
        await first.begin()
        await first.append("a", notes("1"), 0)
        saving = asyncio.create_task(store.save("a", notes("2"), expected))
        await o.waiting()
        await first.commit()
        await saving
        return [event.id for event in await store.load("a")]


async def test_who_waited_sees_what_it_waited_for(dsn, notes):
    with pytest.raises(ConcurrencyError) as caught:
        await wait_behind_a_commit(dsn, notes, 0)
    assert (caught.value.expected_version, caught.value.actual_version) == (0, 1)


@pytest.mark.parametrize("expected", [None, 1])
async def test_who_waited_goes_on_from_there(dsn, notes, expected):
    assert await wait_behind_a_commit(dsn, notes, expected) == ["1", "2"]


GROUPS = {"one": (1, False), "a stream": (2, False), "streams": (2, True)}
"""How many events there are, and whether they go to streams of their own: a function for each."""


async def append_behind_a_commit(dsn, notes, number, apart):
    """Append to a stream while somebody else's first event for it is written, then committed."""
    async with transactions(dsn, 2) as (first, second), observe(dsn) as o:
        await first.begin()
        await first.append("a", notes("1"))
        writing = asyncio.create_task(second.append("a", notes("2", "3")[:number], apart=apart))
        await o.waiting()
        await first.commit()
        return await writing


@pytest.mark.parametrize("group", GROUPS)
async def test_one_call_is_enough_for_who_waited(dsn, notes, group):
    assert await append_behind_a_commit(dsn, notes, *GROUPS[group])


@pytest.mark.parametrize("group", GROUPS)
async def test_versions_read_before_the_lock_would_be_stale(dsn, notes, group):
    """The scenario above is one that fails, if the versions are looked at before the wait."""
    await replace_functions(
        dsn,
        ("AS $$\nBEGIN", "AS $$\nDECLARE\n    known boolean;\nBEGIN"),
        ("AS $$\nDECLARE\n    head", "AS $$\nDECLARE\n    known boolean;\n    head"),
        (LOCK, f"    known := EXISTS (SELECT FROM events);\n{LOCK}"),
        ("SELECT e.version FROM", "SELECT e.version * known::integer AS version FROM"),
    )
    with pytest.raises(asyncpg.UniqueViolationError, match="events_aggregate_id_version_key"):
        await append_behind_a_commit(dsn, notes, *GROUPS[group])


async def test_a_version_gap_is_refused(dsn, notes):
    async with open_store(dsn) as store:
        await store.save("a", notes("1"), 0)
        with pytest.raises(ConcurrencyError) as caught:
            await store.save("a", notes("2"), 2)
        assert caught.value.actual_version == 1
        assert len(await store.load("a")) == 1


async def test_a_gap_left_by_foreign_hands_is_no_place_to_fill(dsn, notes):
    """The highest version counts, not the number of rows."""
    async with open_store(dsn) as store:
        await store.save("a", notes("1", "2", "3"), 0)
        connection = await asyncpg.connect(dsn)
        await connection.execute("ALTER TABLE events DISABLE TRIGGER USER")
        await connection.execute("DELETE FROM events WHERE version = 2")
        await connection.close()
        with pytest.raises(ConcurrencyError):
            await store.save("a", notes("4"), 2)
        await store.save("a", notes("4"), 3)


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
async def test_another_isolation_level_is_refused_by_name(dsn, notes, level):
    connection = await asyncpg.connect(dsn)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(
        f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = '{level}'"
    )
    await connection.close()
    async with open_store(dsn) as store:
        with pytest.raises(StorageError, match="default_transaction_isolation"):
            await store.save("a", notes("1"), 0)
    async with open_store(dsn, statement_cache_size=0) as store:  # which begins transactions itself
        await store.save("a", notes("1"), 0)


async def test_the_expected_version_may_be_any_number(dsn, notes):
    async with open_store(dsn) as store:
        for number in (2**63 - 1, 2**63, 10**30):
            with pytest.raises(ConcurrencyError) as caught:
                await store.save("a", notes("1"), number)
            assert caught.value.expected_version == number
