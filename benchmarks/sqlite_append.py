"""Appending to SQLite, durably: our stores, `sqlite3` by hand, and the library `eventsourcing`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import _peer, _raw
from benchmarks._measure import Case, Comparison, Contestant, Prepare, Start
from benchmarks._orders import directory, transactions
from benchmarks.codec import encode_by_hand
from orchestrix.infrastructure.sqlite import SQLiteEventStore, SQLiteSyncEventStore
from orchestrix_core import JSONSerializer


def _sync_store(size: int) -> Start:
    @contextmanager
    def start(count: int) -> Iterator[Prepare]:
        with directory() as folder, SQLiteSyncEventStore(Path(folder, "events.db")) as store:

            def work(part: int) -> int:
                for stream, version, events in transactions(part, count, size):
                    store.save(stream, events, version)
                return count

            yield lambda part: lambda: work(part)

    return start


def _async_store(size: int) -> Start:
    @contextmanager
    def start(count: int) -> Iterator[Prepare]:
        with directory() as folder, asyncio.Runner() as runner:
            store = SQLiteEventStore(Path(folder, "events.db"))

            async def work(part: int) -> int:
                for stream, version, events in transactions(part, count, size):
                    await store.save(stream, events, version)
                return count

            run = runner.get_loop().run_until_complete
            run(store.initialize())
            try:
                yield lambda part: lambda: run(work(part))
            finally:
                run(store.close())

    return start


def _by_hand(size: int, encode: _raw.Encode) -> Start:
    @contextmanager
    def start(count: int) -> Iterator[Prepare]:
        with directory() as folder, _raw.opened(Path(folder, "events.db")) as connection:

            def work(part: int) -> int:
                for stream, version, events in transactions(part, count, size):
                    _raw.append(connection, encode, stream, version, events)
                return count

            yield lambda part: lambda: work(part)

    return start


def _case(size: int, count: int, slices: int, target: float) -> Case:
    peers = [Contestant("eventsourcing", _peer.appending(size))] if _peer.INSTALLED else []
    return Case(
        name=f"sqlite-append-{size}",
        count=count,
        slices=slices,
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
    return [_case(1, 10, 20, 0.85), _case(100, 500, 10, 0.75)]
