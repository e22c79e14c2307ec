"""Disks that are full, files that are not ours: a clear error, and nothing has changed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from contextlib import closing

import pytest

from orchestrix.infrastructure.sqlite import SQLiteEventStore, SQLiteSyncEventStore
from orchestrix.infrastructure.sqlite._schema import APPLICATION_ID, SCHEMA_VERSION
from orchestrix_core import StorageError, StreamWrite


def limit_pages(store, pages):
    """Let the store's writer believe that the disk ends here; `None` gives it all the room."""
    writer = store._database.require_open()
    writer.execute(f"PRAGMA max_page_count = {pages or 2**31}")


def ids(events):
    return [event.id for event in events]


def fill(store, notes):
    """Append until the disk is full; return the ids that were acknowledged."""
    stored = []

    def append():
        batch = [f"e{len(stored) + i}" for i in range(20)]
        store.save("a", notes(*batch), len(stored))
        stored.extend(batch)

    with pytest.raises(StorageError, match="disk is full") as caught:
        deque(iter(append, "never"))
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    return stored


def test_full_disk_stores_nothing_half_and_recovers(path, notes):
    with SQLiteSyncEventStore(path) as store:
        limit_pages(store, 24)
        stored = fill(store, notes)
        assert stored
        assert ids(store.load("a")) == stored
        writes = [StreamWrite(s, notes(*(f"{s}{i}" for i in range(40))), 0) for s in "bc"]
        with pytest.raises(StorageError, match="disk is full"):
            store.save_all(writes)
        assert store.load("b") == store.load("c") == []
        limit_pages(store, None)
        store.save_all(writes)
        store.save("a", notes("more"), len(stored))
        assert ids(store.load("a")) == [*stored, "more"]
        assert store.integrity_check() == []


async def test_a_save_too_large_for_the_disk_does_not_fail_its_neighbours(path, notes):
    async with SQLiteEventStore(path) as store:
        limit_pages(store, 24)
        large = notes(*(f"large-{i}" for i in range(400)))
        outcomes = await asyncio.gather(
            *(store.save(f"s{i}", notes(f"{i}"), 0) for i in range(3)),
            store.save("large", large, 0),
            *(store.save(f"s{i}", notes(f"{i}"), 0) for i in range(3, 6)),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes if outcome] == [StorageError]
        assert isinstance(outcomes[3], StorageError)
        assert len(await store.read_log()) == 6
        limit_pages(store, None)
        await store.save("large", large, 0)
        assert len(await store.load("large")) == 400
        assert await store.integrity_check() == []


def test_file_size_limit_of_the_system(path, start):
    child = start("outgrow_limit", path, 400_000)
    (word, text, intact) = child.next()
    assert (word, intact) == ("full", True)
    assert str(path) in text
    assert child.next() == ["recovered", True, []]


def test_no_sqlite_database(path):
    for content in (b"hello", b"hello world\n" * 1000):
        path.write_bytes(content)
        with pytest.raises(StorageError, match="not an SQLite database"):
            SQLiteSyncEventStore(path).initialize()
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", ["delete", "wal"])
@pytest.mark.parametrize("application_id", [0, 4711])
def test_database_of_another_application(path, mode, application_id):
    with closing(sqlite3.connect(path)) as foreign:
        foreign.execute(f"PRAGMA journal_mode = {mode}")
        foreign.execute(f"PRAGMA application_id = {application_id}")
        foreign.execute("CREATE TABLE theirs (x)")
        foreign.execute("INSERT INTO theirs VALUES (1)")
        foreign.commit()
        content = path.read_bytes()
        with pytest.raises(StorageError, match="another application"):
            SQLiteSyncEventStore(path).initialize()
        assert path.read_bytes() == content
        assert foreign.execute("SELECT x FROM theirs").fetchall() == [(1,)]


def test_an_abandoned_log_of_another_application_stays_where_it_is(path, tmp_path):
    """A writing connection would move it into the database, which is not ours to change."""
    elsewhere = tmp_path / "elsewhere.db"
    with closing(sqlite3.connect(elsewhere)) as foreign:
        foreign.execute("PRAGMA journal_mode = wal")
        foreign.execute("CREATE TABLE theirs (x)")
        log = elsewhere.with_name("elsewhere.db-wal")
        before = elsewhere.read_bytes(), log.read_bytes()
        path.write_bytes(before[0])
        path.with_name("events.db-wal").write_bytes(before[1])
    with pytest.raises(StorageError, match="another application"):
        SQLiteSyncEventStore(path).initialize()
    assert (path.read_bytes(), path.with_name("events.db-wal").read_bytes()) == before


async def test_a_missing_file_is_made_only_where_that_is_wanted(path):
    with pytest.raises(StorageError, match="there is no such file"):
        SQLiteSyncEventStore(path, create=False).initialize()
    with pytest.raises(StorageError, match="there is no such file"):
        await SQLiteEventStore(path, create=False).initialize()
    assert not path.exists()
    with SQLiteSyncEventStore(path):
        pass
    async with SQLiteEventStore(path, create=False) as store:
        assert await store.ping()


def test_newer_schema_is_refused(path):
    with SQLiteSyncEventStore(path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    content = path.read_bytes()
    with pytest.raises(StorageError, match=f"schema {SCHEMA_VERSION + 1}.*upgrade"):
        SQLiteSyncEventStore(path).initialize()
    assert path.read_bytes() == content


def test_the_file_says_whose_it_is(path):
    with SQLiteSyncEventStore(path):
        pass
    header = path.read_bytes()[:100]
    assert int.from_bytes(header[68:72], "big") == APPLICATION_ID
    assert int.from_bytes(header[60:64], "big") == SCHEMA_VERSION


def test_missing_directory(tmp_path):
    missing = tmp_path / "no" / "events.db"
    with pytest.raises(StorageError, match="its directory must exist") as caught:
        SQLiteSyncEventStore(missing).initialize()
    assert str(missing) in str(caught.value)


def test_a_directory_in_place_of_the_file(tmp_path):
    with pytest.raises(StorageError, match="cannot be opened"):
        SQLiteSyncEventStore(tmp_path).initialize()


def test_damage_is_told_and_found(path, notes):
    with SQLiteSyncEventStore(path) as store:
        store.save("a", notes(*(str(i) for i in range(2000))), 0)
    with path.open("r+b") as file:
        for page in range(4, 60):
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
    with SQLiteSyncEventStore(path) as store:
        assert store.integrity_check() != []
        with pytest.raises(StorageError, match=r"damaged.*backup"):
            store.load("a")


def test_integrity_check_looks_at_the_streams_too(path, notes):
    with SQLiteSyncEventStore(path) as store:
        store.save("gap", notes("g1", "g2", "g3"), 0)
        store.save("order", notes("o1", "o2"), 0)
        writer = store._database.require_open()
        writer.execute("DROP TRIGGER events_never_go")
        writer.execute("DROP TRIGGER events_never_change")
        writer.execute("DELETE FROM events WHERE event_id = 'g2'")
        for at, version in ((4, -1), (5, 1), (4, 2)):
            writer.execute("UPDATE events SET version = ? WHERE position = ?", (version, at))
        gap, order = store.integrity_check()
        assert "'gap' holds 2 events up to version 3" in gap
        assert "'order': version 2 stands before" in order


def test_events_are_facts(path, notes):
    with SQLiteSyncEventStore(path) as store:
        store.save("a", notes("1"), 0)
        with closing(sqlite3.connect(path)) as other:
            for change in ("DELETE FROM events", "UPDATE events SET version = 2"):
                with pytest.raises(sqlite3.IntegrityError, match="events are facts"):
                    other.execute(change)
        assert store.head() == 1
