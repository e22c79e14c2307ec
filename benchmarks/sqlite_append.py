"""Appending to SQLite, durably: our stores, `sqlite3` by hand, and the library `eventsourcing`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import _peer, _raw
from benchmarks._measure import Case, Comparison, Contestant, Start, Work
from benchmarks._orders import directory, transactions
from benchmarks.codec import encode_by_hand
from orchestrix.infrastructure.sqlite import SQLiteEventStore, SQLiteSyncEventStore
from orchestrix_core import JSONSerializer


def _sync_store(size: int) -> Start:
    @contextmanager
    def start(count: int) -> Iterator[Work]:
        with directory() as folder, SQLiteSyncEventStore(Path(folder, "events.db")) as store:

            def work() -> int:
                for stream, version, events in transactions(count, size):
                    store.save(stream, events, version)
                return store.head()

            yield work

    return start


def _async_store(size: int) -> Start:
    @contextmanager
    def start(count: int) -> Iterator[Work]:
        with directory() as folder, asyncio.Runner() as runner:
            store = SQLiteEventStore(Path(folder, "events.db"))

            async def work() -> int:
                for stream, version, events in transactions(count, size):
                    await store.save(stream, events, version)
                return await store.head()

            runner.run(store.initialize())
            try:
                yield lambda: runner.run(work())
            finally:
                runner.run(store.close())

    return start


def _by_hand(size: int, encode: _raw.Encode) -> Start:
    @contextmanager
    def start(count: int) -> Iterator[Work]:
        with directory() as folder, _raw.opened(Path(folder, "events.db")) as connection:

            def work() -> int:
                for stream, version, events in transactions(count, size):
                    _raw.append(connection, encode, stream, version, events)
                (head,) = connection.execute("SELECT MAX(position) FROM events").fetchone()
                return int(head)

            yield work

    return start


def _case(size: int, count: int, target: float) -> Case:
    peers = [Contestant("eventsourcing", _peer.appending(size))] if _peer.INSTALLED else []
    return Case(
        name=f"sqlite-append-{size}",
        count=count,
        step=size,
        contestants=[
            Contestant("sqlite, sync", _sync_store(size)),
            Contestant("sqlite3, same serializer", _by_hand(size, JSONSerializer().encode)),
            Contestant("sqlite, async", _async_store(size)),
            Contestant("sqlite3, json", _by_hand(size, encode_by_hand)),
            *peers,
        ],
        comparisons=[
            Comparison("sqlite, sync", "sqlite3, same serializer", target),
            Comparison("sqlite, async", "sqlite3, same serializer", target),
            Comparison("sqlite, sync", "sqlite3, json"),
            *(Comparison("sqlite, sync", peer.name) for peer in peers),
        ],
    )


def cases() -> list[Case]:
    """Return the cases: 1 and 100 events per transaction."""
    return [_case(1, 200, 0.85), _case(100, 10_000, 0.75)]
