"""Reading from SQLite, typed events out: a stream, the log, traces."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection
from typing import TypeAlias

from benchmarks import _peer, _raw
from benchmarks._events import OrderPlaced, traced
from benchmarks._measure import Case, Comparison, Contestant, Prepare, Start
from benchmarks._orders import LOADED, STREAM, directory
from orchestrix.infrastructure.sqlite import SQLiteEventStore, SQLiteSyncEventStore
from orchestrix_core import Event, JSONSerializer

PAGE = 1_000
TRACE = 10

_serializer = JSONSerializer()
_encode, _decode = _serializer.encode, _serializer.decode

SyncRead: TypeAlias = Callable[[SQLiteSyncEventStore, int], int]
AsyncRead: TypeAlias = Callable[[SQLiteEventStore, int], Awaitable[int]]
RawRead: TypeAlias = Callable[[Connection, int], int]


def _typed(documents: list[bytes]) -> list[Event]:
    return [_decode(OrderPlaced.__message_type__, 1, document) for document in documents]


def _trace(number: int) -> str:
    return f"{number + 1:032x}"


def _streams(count: int, size: int) -> Iterator[tuple[str, list[OrderPlaced]]]:
    """Yield streams of `size` events, each ten of them with a trace of their own."""
    for first in range(0, count, size):
        numbers = range(first, min(first + size, count))
        yield f"order-{first // size}", [traced(_trace(number // TRACE)) for number in numbers]


def _fill(path: Path, count: int, size: int) -> None:
    with SQLiteSyncEventStore(path, synchronous="normal") as store:
        for stream, events in _streams(count, size):
            store.save(stream, events, 0)


def _sync(size: int, read: SyncRead) -> Start:
    @contextmanager
    def start(count: int) -> Iterator[Prepare]:
        with directory() as folder:
            path = Path(folder, "events.db")
            _fill(path, count, size)
            with SQLiteSyncEventStore(path) as store:
                yield lambda part: lambda: read(store, count)

    return start


def _async(size: int, read: AsyncRead) -> Start:
    @contextmanager
    def start(count: int) -> Iterator[Prepare]:
        with directory() as folder, asyncio.Runner() as runner:
            path = Path(folder, "events.db")
            _fill(path, count, size)
            store = SQLiteEventStore(path)

            async def work() -> int:
                return await read(store, count)

            run = runner.get_loop().run_until_complete
            run(store.initialize())
            try:
                yield lambda part: lambda: run(work())
            finally:
                run(store.close())

    return start


def _by_hand(size: int, read: RawRead) -> Start:
    @contextmanager
    def start(count: int) -> Iterator[Prepare]:
        with directory() as folder, _raw.opened(Path(folder, "events.db")) as connection:
            for first in range(0, count, size):
                numbers = range(first, min(first + size, count))
                events = [traced(_trace(number // TRACE)) for number in numbers]
                _raw.append(
                    connection, JSONSerializer().encode, f"order-{first // size}", 0, events
                )
            yield lambda part: lambda: read(connection, count)

    return start


def _load_sync(store: SQLiteSyncEventStore, count: int) -> int:
    return len(store.load("order-0"))


async def _load_async(store: SQLiteEventStore, count: int) -> int:
    return len(await store.load("order-0"))


def _load_by_hand(connection: Connection, count: int) -> int:
    return len(_typed(_raw.stream(connection, "order-0")))


def _load() -> Case:
    peers = [Contestant("eventsourcing", _peer.loading(LOADED))] if _peer.INSTALLED else []
    return Case(
        name=f"sqlite-load-{LOADED}",
        count=LOADED,
        slices=10,
        step=LOADED,
        contestants=[
            Contestant("sqlite, sync", _sync(LOADED, _load_sync)),
            Contestant("sqlite, async", _async(LOADED, _load_async)),
            *peers,
            Contestant("sqlite3, same serializer", _by_hand(LOADED, _load_by_hand)),
        ],
        comparisons=[
            *(Comparison("sqlite, sync", peer.name, 4) for peer in peers),
            *(Comparison("sqlite, async", peer.name, 4) for peer in peers),
            Comparison("sqlite, sync", "sqlite3, same serializer"),
        ],
    )


def _log_sync(store: SQLiteSyncEventStore, count: int) -> int:
    read = after = 0
    while page := store.read_log(after, PAGE):
        read, after = read + len(page), page[-1].position
    return read


async def _log_async(store: SQLiteEventStore, count: int) -> int:
    read = after = 0
    while page := await store.read_log(after, PAGE):
        read, after = read + len(page), page[-1].position
    return read


def _log_by_hand(connection: Connection, count: int) -> int:
    pages = (_raw.log(connection, after, PAGE) for after in range(0, count, PAGE))
    return sum(len(_typed(documents)) for documents in pages)


def _log() -> Case:
    return Case(
        name="sqlite-log",
        count=2 * PAGE,
        slices=5,
        step=2 * PAGE,
        contestants=[
            Contestant("sqlite, sync", _sync(STREAM, _log_sync)),
            Contestant("sqlite, async", _async(STREAM, _log_async)),
            Contestant("sqlite3, same serializer", _by_hand(STREAM, _log_by_hand)),
        ],
        comparisons=[
            Comparison("sqlite, sync", "sqlite3, same serializer"),
            Comparison("sqlite, async", "sqlite3, same serializer"),
        ],
    )


def _trace_sync(store: SQLiteSyncEventStore, count: int) -> int:
    return sum(len(store.load_by_trace(_trace(n))) for n in range(count // TRACE))


async def _trace_async(store: SQLiteEventStore, count: int) -> int:
    return sum([len(await store.load_by_trace(_trace(n))) for n in range(count // TRACE)])


def _trace_by_hand(connection: Connection, count: int) -> int:
    traces = (_raw.trace(connection, _trace(n)) for n in range(count // TRACE))
    return sum(len(_typed(documents)) for documents in traces)


def _traces() -> Case:
    return Case(
        name=f"sqlite-trace-{TRACE}",
        count=500,
        slices=20,
        step=TRACE,
        contestants=[
            Contestant("sqlite, sync", _sync(STREAM, _trace_sync)),
            Contestant("sqlite, async", _async(STREAM, _trace_async)),
            Contestant("sqlite3, same serializer", _by_hand(STREAM, _trace_by_hand)),
        ],
        comparisons=[
            Comparison("sqlite, sync", "sqlite3, same serializer"),
            Comparison("sqlite, async", "sqlite3, same serializer"),
        ],
    )


def cases() -> list[Case]:
    """Return the cases."""
    return [_load(), _log(), _traces()]
