"""
The library `eventsourcing` on PostgreSQL: its `EventStore`, JSON transcoder, mapper and recorders.

Two recorders: of aggregates, which gives no positions, and of applications, which locks the table
so that positions come in commit order. Callers are threads, as its interface asks for. Settings are
its defaults, but for a connection for each caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

from benchmarks._measure import Prepare, Start
from benchmarks._orders import CALLERS, LOG_SLICES, PAGE, STREAM, places
from benchmarks._peer import INSTALLED as _INSTALLED
from benchmarks._postgres import WARM, dsn, new_schema

try:
    import psycopg.conninfo
    from eventsourcing.persistence import EventStore
    from eventsourcing.postgres import (
        PostgresAggregateRecorder,
        PostgresApplicationRecorder,
        PostgresDatastore,
    )
except ImportError:
    INSTALLED = False
else:
    INSTALLED = _INSTALLED

MISSING: Final = "eventsourcing on PostgreSQL: install eventsourcing[postgres] and psycopg[binary]"

if INSTALLED:
    from benchmarks._peer import made, mapper

Store: TypeAlias = "EventStore[UUID]"


@contextmanager
def _opened(schema: str, *, log: bool) -> Iterator[Store]:
    where: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(dsn())
    with PostgresDatastore(
        where.get("dbname", "postgres"),
        where.get("host", "localhost"),
        where.get("port", 5432),
        where.get("user", "postgres"),
        where.get("password", ""),
        pool_size=CALLERS,
        schema=schema,
    ) as datastore:
        recorder = (PostgresApplicationRecorder if log else PostgresAggregateRecorder)(datastore)
        datastore.pool.wait()
        recorder.create_table()
        yield EventStore(mapper(), recorder)


def _writing(work: Callable[[Store, int, int], None], *, log: bool) -> Start:
    @contextmanager
    def start(count: int) -> Iterator[Prepare]:
        with _opened(new_schema(), log=log) as store:

            def slice(part: int) -> int:
                work(store, part, count)
                return count

            slice(WARM)
            yield lambda part: lambda: slice(part)

    return start


def appending(size: int, *, log: bool) -> Start:
    """Write transactions of `size` events, one after the other."""
    ids: dict[int, UUID] = {}

    def work(store: Store, part: int, count: int) -> None:
        for stream, version in places(part, count, size):
            id = uuid4() if version == 0 else ids[stream]
            ids[stream] = id
            store.put([made(id, version + n) for n in range(1, size + 1)])

    return _writing(work, log=log)


def appending_together(*, log: bool) -> Start:
    """Let callers, each a thread, write single events side by side, to streams of their own."""
    callers = ThreadPoolExecutor(CALLERS)

    def call(store: Store, events: int) -> None:
        id = uuid4()
        for version in range(1, events + 1):
            store.put([made(id, version)])

    def work(store: Store, part: int, count: int) -> None:
        running = [callers.submit(call, store, count // CALLERS) for _ in range(CALLERS)]
        for each in running:
            each.result()

    return _writing(work, log=log)


def _reading(
    fill: Callable[[Store, int], None], read: Callable[[Store, int, int], int], *, log: bool
) -> Start:
    filled: dict[int, str] = {}

    @contextmanager
    def start(count: int) -> Iterator[Prepare]:
        if count not in filled:
            schema = new_schema()
            with _opened(schema, log=log) as store:
                fill(store, count)
            filled[count] = schema
        with _opened(filled[count], log=log) as store:
            read(store, WARM, count)
            yield lambda part: lambda: read(store, part, count)

    return start


def loading() -> Start:
    """Read a whole stream."""
    id = uuid4()

    def fill(store: Store, count: int) -> None:
        store.put([made(id, n) for n in range(1, count + 1)])

    return _reading(fill, lambda store, part, count: len(list(store.get(id))), log=False)


def reading_log() -> Start:
    """Read a slice of the notifications, page by page, and map them to events."""

    def fill(store: Store, count: int) -> None:
        for _ in range(LOG_SLICES * count // STREAM):
            id = uuid4()
            store.put([made(id, n) for n in range(1, STREAM + 1)])

    def read(store: Store, part: int, count: int) -> int:
        recorder: Any = store.recorder
        after, read = part % LOG_SLICES * count, 0
        while read < count:
            page = recorder.select_notifications(after, PAGE, inclusive_of_start=False)
            events = [store.mapper.to_domain_event(notification) for notification in page]
            read, after = read + len(events), page[-1].id
        return read

    return _reading(fill, read, log=True)
