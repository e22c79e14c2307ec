"""Several processes on one file: they take turns, and a reader misses nothing."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from time import monotonic
from types import SimpleNamespace

import pytest

from orchestrix.infrastructure.sqlite import (
    SQLiteEventStore,
    SQLiteSyncEventStore,
    _database,
)
from orchestrix_core import StorageError

WRITERS, STREAMS, APPENDS = 3, 2, 60


def test_writers_with_retries_and_a_reader(path, start):
    total = WRITERS * APPENDS
    with SQLiteSyncEventStore(path):
        reader = start("follow", path, total)
        assert reader.next() == ["reading"]
        writers = [start("contend", path, f"w{i}", STREAMS, APPENDS) for i in range(WRITERS)]
        assert {writer.next()[0] for writer in writers} == {"done"}
        (_, seen) = reader.next()
    positions, streams, versions, ids = zip(*seen, strict=True)
    assert list(positions) == sorted(set(positions)), "the log went back"
    assert sorted(ids) == sorted(f"w{i}-{n}" for i in range(WRITERS) for n in range(APPENDS))
    for stream in set(streams):
        mine = [v for s, v in zip(streams, versions, strict=True) if s == stream]
        assert mine == list(range(1, len(mine) + 1)), "lost, doubled or out of order"
    for writer in range(WRITERS):
        for stream in range(STREAMS):
            mine = [int(i.split("-")[1]) for i in ids if i.startswith(f"w{writer}-")]
            mine = [n for n in mine if n % STREAMS == stream]
            assert mine == sorted(mine), "one writer's events changed their order"


def test_sixteen_processes_open_a_new_file_at_once(path, start):
    children = [start("open_once", path, f"p{i}") for i in range(16)]
    assert [child.next() for child in children] == [["opened"]] * 16
    with SQLiteSyncEventStore(path) as store:
        assert [info.version for info in store.streams()] == [1] * 16
        assert store.integrity_check() == []


def test_opening_waits_for_another_that_makes_the_file(path, monkeypatch):
    """SQLite itself gives up at once when it cannot change the mode of a new file."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        if other.in_transaction:
            other.execute("ROLLBACK")

    monkeypatch.setattr(_database, "time", SimpleNamespace(sleep=sleep, monotonic=monotonic))
    with SQLiteSyncEventStore(path) as store:
        assert store.head() == 0
    assert waits
    other.close()


def test_a_write_looks_for_gaps_that_others_leave(path, monkeypatch, notes):
    """SQLite's own waiting looks ten times a second, and a neighbour's gaps are far shorter."""
    with SQLiteSyncEventStore(path) as store, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        waits = []

        def sleep(seconds):
            waits.append(seconds)
            other.rollback()

        monkeypatch.setattr(_database, "time", SimpleNamespace(sleep=sleep, monotonic=monotonic))
        store.save("a", notes("1"), 0)
        assert waits == [0.001]


def test_opening_gives_up_after_busy_timeout(tmp_path):
    for number, lock in enumerate(("IMMEDIATE", "EXCLUSIVE")):
        path = tmp_path / f"{number}.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute(f"BEGIN {lock}")
            with pytest.raises(StorageError, match="busy_timeout"):
                SQLiteSyncEventStore(path, busy_timeout=0.05).initialize()
        with SQLiteSyncEventStore(path) as store:
            assert store.head() == 0


def test_a_lock_held_by_another_process_is_a_clear_error(path, start, notes):
    with SQLiteSyncEventStore(path, busy_timeout=0.05) as store:
        holder = start("hold_lock", path)
        assert holder.next() == ["locked"]
        with pytest.raises(StorageError, match=r"busy_timeout \(0\.05 s\).*SQLITE_BUSY") as caught:
            store.save("a", notes("1"), 0)
        assert str(path) in str(caught.value)
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        assert store.load("a") == []
        holder.kill()
        holder.rest()
        store.save("a", notes("1"), 0)
        assert [event.id for event in store.load("a")] == ["1"]


async def test_a_lock_fails_every_save_of_a_group_but_not_the_store(path, start, notes):
    async with SQLiteEventStore(path, busy_timeout=0.05) as store:
        holder = start("hold_lock", path)
        assert holder.next() == ["locked"]
        saves = (store.save(f"s{i}", notes(f"{i}"), 0) for i in range(5))
        outcomes = await asyncio.gather(*saves, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {StorageError}
        holder.kill()
        holder.rest()
        saves = (store.save(f"s{i}", notes(f"{i}"), 0) for i in range(5))
        outcomes = await asyncio.gather(*saves, return_exceptions=True)
        assert outcomes == [None] * 5


def test_a_late_commit_is_never_behind_a_reader(path, notes):
    """
    The order that loses events elsewhere: one writer draws its position, another commits first.

    Here the second cannot draw one before the first has committed or rolled back.
    """
    first = sqlite3.connect(path, isolation_level=None)
    with SQLiteSyncEventStore(path) as store:
        store.save("a", notes("1"), 0)
        for end in ("COMMIT", "ROLLBACK"):
            first.execute("BEGIN IMMEDIATE")
            first.execute(
                "INSERT INTO events (aggregate_id, version, event_id, type, schema_version,"
                " document) SELECT ?, 1, ?, type, 1, document FROM events LIMIT 1",
                (end, end),
            )
            seen = store.head()
            assert len(store.read_log(limit=9)) == seen, "readers wait for nobody"
            second = threading.Thread(target=store.save, args=(f"b-{end}", notes(f"2-{end}"), 0))
            second.start()
            assert store.read_log(after=seen) == [], "nothing overtakes the one that was first"
            first.execute(end)
            second.join()
            late = [record.aggregate_id for record in store.read_log(after=seen)]
            assert late == ([end, f"b-{end}"] if end == "COMMIT" else [f"b-{end}"])
    first.close()


def test_readers_do_not_block_the_writer(path, notes):
    reader = sqlite3.connect(path, isolation_level=None)
    with SQLiteSyncEventStore(path, busy_timeout=0.05) as store:
        store.save("a", notes("1"), 0)
        reader.execute("BEGIN")
        count = "SELECT COUNT(*) FROM events"
        assert reader.execute(count).fetchone() == (1,)
        store.save("a", notes("2"), 1)
        assert reader.execute(count).fetchone() == (1,), "a reader keeps the state it began with"
        reader.execute("COMMIT")
        assert reader.execute(count).fetchone() == (2,)
    reader.close()


def test_a_store_that_crossed_a_fork_says_so(path, start):
    (word, text) = start("use_after_fork", path).next()
    assert word == "refused"
    assert "open a store in each process" in text
