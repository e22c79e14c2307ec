"""The sync store from several threads, and what close does to those that still use it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from orchestrix.infrastructure.sqlite import SQLiteSyncEventStore
from orchestrix_core import ConcurrencyError, StoreClosedError


def test_many_threads_write_and_read(path, notes):
    with SQLiteSyncEventStore(path) as store, ThreadPoolExecutor(6) as pool:

        def work(name):
            for number in range(30):
                while True:
                    try:
                        version = len(store.load("a"))
                        store.save("a", notes(f"{name}-{number}"), version)
                        break
                    except ConcurrencyError:
                        continue

        for done in [pool.submit(work, name) for name in range(6)]:
            done.result()
        records = store.read_log()
        assert [record.version for record in records] == list(range(1, 181))
        assert len({record.event.id for record in records}) == 180


def test_a_reader_that_waits_when_the_store_closes_is_told(path):
    store = SQLiteSyncEventStore(path, readers=1)
    store.initialize()
    with ThreadPoolExecutor(4) as pool:
        reading = threading.Event()
        go_on = threading.Event()

        def slow(connection):
            reading.set()
            go_on.wait()
            return connection.execute("SELECT 1").fetchone()

        running = pool.submit(store._database.read, slow)
        reading.wait()
        waiting = [pool.submit(store.load, "a") for _ in range(2)]
        closing = pool.submit(store.close)
        while store._database._writer is not None:
            pass
        go_on.set()
        assert running.result() == (1,)
        closing.result()
        for call in waiting:
            with suppress(StoreClosedError):
                assert call.result(120) == []
    with pytest.raises(StoreClosedError):
        store.load("a")


def test_an_interrupted_save_leaves_the_store_usable(path, notes):
    with SQLiteSyncEventStore(path) as store:

        def interrupted(connection):
            connection.execute("SELECT 1")
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            store._database.write(interrupted)
        store.save("a", notes("1"), 0)
        assert store.head() == 1
