"""What only the async store has: cancellation, writing together, live subscriptions."""

from __future__ import annotations

import asyncio
import sqlite3
import threading

import pytest

from orchestrix.infrastructure.sqlite import SQLiteEventStore, SQLiteSyncEventStore
from orchestrix_core import ConcurrencyError, DuplicateEventError, StoreClosedError

PATIENCE = 60.0  # no measure of speed: an end to waiting for what never comes


def ids(events):
    return [event.id for event in events]


async def until(condition):
    """Let the event loop turn until something holds that no `asyncio.Event` tells."""
    await asyncio.sleep(0)
    while not condition():  # noqa: ASYNC110  # what is awaited is the state of a thread
        await asyncio.sleep(0)


class Lock:
    """Another application's write lock, so that a save is under way for as long as it takes."""

    def __init__(self, path):
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("BEGIN IMMEDIATE")

    def release(self):
        self._connection.execute("ROLLBACK")
        self._connection.close()


async def test_cancelled_before_its_turn_nothing_is_stored(path, notes):
    async with SQLiteEventStore(path) as store:
        lock = Lock(path)
        first = asyncio.ensure_future(store.save("a", notes("1"), 0))
        await taken_up(store)
        second = asyncio.ensure_future(store.save("b", notes("2"), 0))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        lock.release()
        await first
        assert len(await store.read_log()) == 1
        await store.save("b", notes("2"), 0)


async def test_cancelled_while_it_is_written_it_is_whole(path, notes):
    async with SQLiteEventStore(path) as store:
        lock = Lock(path)
        save = asyncio.ensure_future(store.save("a", notes("1", "2"), 0))
        await taken_up(store)
        save.cancel()
        with pytest.raises(asyncio.CancelledError):
            await save
        lock.release()
        await store.save("a", notes("1", "2"), 0)
        assert ids(await store.load("a")) == ["1", "2"]
        assert await store.head() == 2


async def taken_up(store):
    """Return once the writer has taken what was submitted, and nothing else will come along."""
    await until(store._database._write_lock.locked)


async def test_saves_that_wait_are_written_together(path, notes):
    """Two commits for 51 saves: the first goes ahead of the others."""
    commits = []
    async with SQLiteEventStore(path) as store:
        writer = store._database.require_open()
        writer.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        lock = Lock(path)
        first = asyncio.ensure_future(store.save("first", notes("first"), 0))
        await taken_up(store)
        others = [asyncio.ensure_future(store.save(f"s{i}", notes(f"{i}"), 0)) for i in range(50)]
        await asyncio.sleep(0)
        lock.release()
        await asyncio.gather(first, *others)
        assert len(commits) == 2
        assert len(await store.read_log()) == 51


async def test_a_refused_save_does_not_fail_its_neighbours(path, notes):
    async with SQLiteEventStore(path) as store:
        await store.save("a", notes("1"), 0)
        lock = Lock(path)
        first = asyncio.ensure_future(store.save("first", notes("first"), 0))
        await taken_up(store)
        group = [
            store.save("b", notes("2"), 0),
            store.save("a", notes("3"), 7),  # a conflict
            store.save("c", notes("4", "1"), 0),  # an id that is stored, at the end
            store.save("d", notes("2"), 0),  # an id of a neighbour
            store.save("b", notes("5"), 1),
            store.save("b", notes("5"), 1),  # the same again
            store.save("b", notes("6"), 1),  # too late
        ]
        group = [asyncio.ensure_future(save) for save in group]
        await asyncio.sleep(0)
        lock.release()
        await first
        outcomes = await asyncio.gather(*group, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [
            type(None),
            ConcurrencyError,
            DuplicateEventError,
            DuplicateEventError,
            type(None),
            type(None),
            ConcurrencyError,
        ]
        stored = [(r.aggregate_id, r.version, r.event.id) for r in await store.read_log()]
        assert stored == [("a", 1, "1"), ("first", 1, "first"), ("b", 1, "2"), ("b", 2, "5")]


async def test_close_waits_for_what_runs(path, notes):
    store = SQLiteEventStore(path)
    await store.initialize()
    lock = Lock(path)
    saves = [asyncio.ensure_future(store.save(f"s{i}", notes(f"{i}"), 0)) for i in range(5)]
    await taken_up(store)
    closing = asyncio.ensure_future(store.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreClosedError):
        await store.load("a")
    assert not closing.done()
    lock.release()
    await closing
    assert await asyncio.gather(*saves) == [None] * 5
    with SQLiteSyncEventStore(path) as reopened:
        assert reopened.head() == 5


async def test_a_cancelled_close_still_closes(path, notes):
    store = SQLiteEventStore(path)
    await store.initialize()
    lock = Lock(path)
    save = asyncio.ensure_future(store.save("a", notes("1"), 0))
    await taken_up(store)
    closing = asyncio.ensure_future(store.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.sleep(0)
    lock.release()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await save
    with pytest.raises(StoreClosedError):
        store._database.require_open()
    assert not threads()


async def test_a_cancelled_initialize_leaves_nothing_open(path):
    store = SQLiteEventStore(path)
    opening = asyncio.ensure_future(store.initialize())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    with pytest.raises(StoreClosedError):
        await store.load("a")
    with pytest.raises(StoreClosedError):
        store._database.require_open()
    assert not threads()


def threads():
    names = ("orchestrix-sqlite-writer", "orchestrix-sqlite-watcher", "orchestrix-sqlite-reader")
    return [thread for thread in threading.enumerate() if thread.name.startswith(names)]


async def test_reusable_after_close_and_no_thread_is_left(path, notes):
    store = SQLiteEventStore(path)
    for version in range(3):
        async with store:
            await store.save("a", notes(f"{version}"), version)
            records = store.subscribe()
            assert (await anext(records)).event.id == "0"
            await records.aclose()
            assert threads()
        assert not threads()


async def waiting(store):
    """Return once a subscription has read all there is and waits."""
    await until(lambda: store._session.signal.is_awaited)


async def test_a_commit_of_this_process_wakes_without_polling(path, notes):
    async with SQLiteEventStore(path, poll_interval=3600.0) as store:
        records = store.subscribe()
        for number in range(20):
            coming = asyncio.ensure_future(anext(records))
            await waiting(store)
            await store.save("a", notes(f"{number}"), number)
            async with asyncio.timeout(PATIENCE):
                assert (await coming).event.id == f"{number}"
        await records.aclose()


async def test_a_commit_of_another_store_is_seen_in_time(path, notes):
    """In a look or two, of which there is one in each `poll_interval`: no clock is asked."""
    looks = []
    with SQLiteSyncEventStore(path) as other:
        async with SQLiteEventStore(path) as store:
            records = store.subscribe()
            coming = asyncio.ensure_future(anext(records))
            await waiting(store)
            watcher = store._session._watcher
            assert watcher._interval == 0.025
            watcher._connection.set_trace_callback(looks.append)
            for number in range(15):
                other.save("a", notes(f"{number}"), number)
                committed = len(looks)
                async with asyncio.timeout(PATIENCE):
                    assert (await coming).event.id == f"{number}"
                assert len(looks) - committed <= 2
                coming = asyncio.ensure_future(anext(records))
                await waiting(store)
            coming.cancel()
            await asyncio.wait([coming])
            await records.aclose()


async def test_no_wake_up_is_lost_between_the_look_and_the_wait(path, notes):
    """
    A commit right after the subscription has read, and before it waits.

    Neither polling nor a later commit could help here: the next event is the last.
    """
    async with SQLiteEventStore(path, poll_interval=3600.0) as store:
        session = store._session
        read, first = store._read, True

        async def read_then_commit(operation):
            nonlocal first
            page = await read(operation)
            if first:
                first = False
                await store.save("a", notes("1"), 0)
            return page

        store._read = read_then_commit
        records = store.subscribe()
        async with asyncio.timeout(PATIENCE):
            assert (await anext(records)).event.id == "1"
        assert not session.signal.is_awaited
        await records.aclose()


async def test_a_commit_elsewhere_before_the_watcher_first_looks(path, notes):
    """The watcher cannot know what it has not seen yet, so its first look wakes everyone."""
    async with SQLiteEventStore(path, poll_interval=0.01) as store:
        read, first = store._read, True

        async def read_then_commit(operation):
            nonlocal first
            page = await read(operation)
            if first:
                first = False
                with SQLiteSyncEventStore(path) as other:
                    other.save("a", notes("1"), 0)
            return page

        store._read = read_then_commit
        records = store.subscribe()
        async with asyncio.timeout(PATIENCE):
            assert (await anext(records)).event.id == "1"
        await records.aclose()


async def test_close_wakes_every_subscription(path):
    store = SQLiteEventStore(path)
    await store.initialize()
    waiters = [asyncio.ensure_future(anext(store.subscribe())) for _ in range(3)]
    await until(lambda: len(store._session.signal._waiting) == 3)
    await store.close()
    async with asyncio.timeout(PATIENCE):
        outcomes = await asyncio.gather(*waiters, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StoreClosedError}


async def test_the_event_loop_runs_while_a_save_waits_for_a_lock(path, notes):
    async with SQLiteEventStore(path) as store:
        lock = Lock(path)
        save = asyncio.ensure_future(store.save("a", notes("1"), 0))
        await taken_up(store)
        assert await store.load("a") == [], "and so do reads"
        lock.release()
        await save
