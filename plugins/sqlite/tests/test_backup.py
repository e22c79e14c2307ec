"""A copy of a store in use: whole, consistent, and never in anyone's way."""

from __future__ import annotations

import stat
import threading
from itertools import count

import pytest

from orchestrix.infrastructure.sqlite import SQLiteEventStore, SQLiteSyncEventStore
from orchestrix_core import Snapshot, StorageError, StreamWrite


def names(directory):
    return {file.name for file in directory.iterdir()}


def test_backup_while_writing_is_a_state_between_two_commits(path, tmp_path, notes):
    stop = threading.Event()
    started = threading.Event()
    with SQLiteSyncEventStore(path) as store:
        store.save("big", notes(*(f"big-{i}" for i in range(3000))), 0)

        def write():
            number = 0
            while not stop.is_set():
                pair = [StreamWrite(s, notes(f"{s}-{number}"), number) for s in "ab"]
                store.save_all(pair)
                number += 1
                started.set()

        writer = threading.Thread(target=write)
        writer.start()
        started.wait()
        heads = []
        for number in count():  # until something was written meanwhile, too
            heads.append(store.head())
            store.backup(tmp_path / f"copy-{number}.db")
            if number >= 4 and store.head() > heads[0]:
                break
        stop.set()
        writer.join()
        last = store.head()
    for number, head in enumerate(heads):
        with SQLiteSyncEventStore(tmp_path / f"copy-{number}.db") as copy:
            assert copy.integrity_check() == []
            assert head <= copy.head() <= last
            assert len(copy.load("a")) == len(copy.load("b")), "half of a save_all"
            assert len(copy.load("big")) == 3000
    assert names(tmp_path) == {"events.db", *(f"copy-{n}.db" for n, _ in enumerate(heads))}


async def test_the_async_store_makes_the_same(path, tmp_path, notes):
    snapshot = Snapshot(aggregate_id="a", version=1, state={"x": 1})
    async with SQLiteEventStore(path) as store:
        await store.save("a", notes("1"), 0)
        await store.save_snapshot(snapshot)
        await store.backup(tmp_path / "copy.db")
    async with SQLiteEventStore(tmp_path / "copy.db") as copy:
        assert [event.id for event in await copy.load("a")] == ["1"]
        assert await copy.load_snapshot("a") == snapshot
        await copy.save("a", notes("2"), 1)


def test_an_existing_file_is_kept_unless_told(path, tmp_path, notes):
    target = tmp_path / "copy.db"
    target.write_bytes(b"precious")
    with SQLiteSyncEventStore(path) as store:
        store.save("a", notes("1"), 0)
        with pytest.raises(FileExistsError, match="overwrite=True"):
            store.backup(target)
        assert target.read_bytes() == b"precious"
        store.backup(target, overwrite=True)
    with SQLiteSyncEventStore(target) as copy:
        assert copy.head() == 1


def test_a_name_taken_while_the_copy_was_made_is_kept(path, tmp_path, monkeypatch):
    target = tmp_path / "copy.db"
    with SQLiteSyncEventStore(path) as store:
        made = type(target).hardlink_to

        def taken(new, old):
            new.write_bytes(b"precious")
            made(new, old)

        monkeypatch.setattr(type(target), "hardlink_to", taken)
        with pytest.raises(FileExistsError):
            store.backup(target)
    assert target.read_bytes() == b"precious"
    assert names(tmp_path) == {"copy.db", "events.db"}


def test_a_target_in_use_is_not_overwritten(path, tmp_path, notes):
    """Its log of writes would be taken for the copy's."""
    target = tmp_path / "other.db"
    with SQLiteSyncEventStore(path) as store, SQLiteSyncEventStore(target) as other:
        other.save("a", notes("1"), 0)
        with pytest.raises(StorageError, match="is in use"):
            store.backup(target, overwrite=True)
        assert other.head() == 1


def test_the_store_itself_is_no_target(path):
    with SQLiteSyncEventStore(path) as store:
        with pytest.raises(ValueError, match="the store's own file"):
            store.backup(path, overwrite=True)
        assert store.head() == 0


def test_a_directory_that_is_not_there(path, tmp_path):
    missing = tmp_path / "no" / "copy.db"
    with (
        SQLiteSyncEventStore(path) as store,
        pytest.raises(StorageError, match="left nothing behind"),
    ):
        store.backup(missing)
    assert names(tmp_path) == {"events.db"}


def test_a_copy_is_for_its_owner_alone(path, tmp_path):
    with SQLiteSyncEventStore(path) as store:
        store.backup(tmp_path / "copy.db")
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
