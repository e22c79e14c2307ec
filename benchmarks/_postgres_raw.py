"""
asyncpg by hand, as the baseline: prepared statements, the same documents, and nothing else.

The table has our columns, constraints and indexes; its positions come from a sequence, so they are
in the order in which they were drawn, not in that of the commits, and a reader who goes by them can
miss an event that commits late. No version is looked up, no argument checked, no error translated,
nobody is notified.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple, TypeAlias

import asyncpg

from benchmarks._events import OrderPlaced, order
from benchmarks._orders import CALLERS, LOG_SLICES, PAGE, STREAM, transactions
from benchmarks._postgres import dsn
from orchestrix_core import Event, JSONSerializer

Row: TypeAlias = tuple[str, int, str, str, int, str | None, str]

_TABLE = """
    CREATE TABLE events (
        position       bigserial NOT NULL PRIMARY KEY,
        aggregate_id   text COLLATE "C" NOT NULL,
        version        bigint NOT NULL CHECK (version > 0),
        event_id       text COLLATE "C" NOT NULL UNIQUE,
        type           text NOT NULL,
        schema_version bigint NOT NULL,
        trace_id       text COLLATE "C",
        document       json NOT NULL,
        UNIQUE (aggregate_id, version)
    );
    CREATE INDEX ON events (trace_id, position) WHERE trace_id IS NOT NULL
"""
INSERT = """
    INSERT INTO events (aggregate_id, version, event_id, type, schema_version, trace_id, document)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_LOAD = "SELECT type, json_send(document) FROM events WHERE aggregate_id = $1 ORDER BY version"
_LOG = """
    SELECT position, type, json_send(document) FROM events WHERE position > $1
    ORDER BY position LIMIT $2
"""

_serializer = JSONSerializer()


class Raw(NamedTuple):
    """A connection and its prepared INSERT."""

    connection: Any
    insert: Any


@asynccontextmanager
async def pooled(schema: str) -> AsyncIterator[Any]:
    """Open a pool with a connection for each caller."""
    settings = {"search_path": schema}
    async with asyncpg.create_pool(
        dsn(), min_size=CALLERS, max_size=CALLERS, server_settings=settings
    ) as pool:
        if await pool.fetchval("SELECT to_regclass('events')") is None:
            await pool.execute(_TABLE)
        yield pool


@asynccontextmanager
async def held(schema: str) -> AsyncIterator[list[Raw]]:
    """Give each caller a connection of one pool to keep."""
    async with pooled(schema) as pool, AsyncExitStack() as stack:
        found = [await stack.enter_async_context(pool.acquire()) for _ in range(CALLERS)]
        yield [Raw(each, await each.prepare(INSERT)) for each in found]


@asynccontextmanager
async def opened(schema: str) -> AsyncIterator[Raw]:
    """Open one connection."""
    connection = await asyncpg.connect(dsn(), server_settings={"search_path": schema})
    try:
        if await connection.fetchval("SELECT to_regclass('events')") is None:
            await connection.execute(_TABLE)
        yield Raw(connection, await connection.prepare(INSERT))
    finally:
        await connection.close()


def row(stream: str, version: int, event: OrderPlaced) -> Row:
    """Return what an INSERT takes."""
    type = OrderPlaced.__message_type__
    document = _serializer.encode(event).decode()
    return stream, version, event.id, type, 1, event.trace_id, document


async def append_one_by_one(raw: Raw, part: int, count: int) -> int:
    for stream, version, events in transactions(part, count, 1):
        await raw.insert.fetch(*row(stream, version + 1, events[0]))
    return count


async def append_many(raw: Raw, part: int, count: int) -> int:
    """Write a hundred events with each `executemany`, which is one transaction."""
    for stream, version, events in transactions(part, count, 100):
        rows = [row(stream, number, event) for number, event in enumerate(events, version + 1)]
        await raw.insert.executemany(rows)
    return count


async def append_together(raws: list[Raw], part: int, count: int) -> int:
    """Let each caller use its own connection, which nobody takes from or gives to the pool."""

    async def call(caller: int, raw: Raw) -> None:
        for version in range(1, count // CALLERS + 1):
            await raw.insert.fetch(*row(f"order-{part}-{caller}", version, order()))

    await asyncio.gather(*(call(caller, raw) for caller, raw in enumerate(raws)))
    return count


async def append_pooled(pool: Any, part: int, count: int) -> int:
    """Let each caller take a connection from the pool for each event, as applications do."""

    async def call(caller: int) -> None:
        for version in range(1, count // CALLERS + 1):
            await pool.execute(INSERT, *row(f"order-{part}-{caller}", version, order()))

    await asyncio.gather(*map(call, range(CALLERS)))
    return count


async def fill_stream(raw: Raw, count: int) -> None:
    await raw.insert.executemany([row("order-0", n, order()) for n in range(1, count + 1)])


async def load(raw: Raw, part: int, count: int) -> int:
    decode = _serializer.decode
    rows = await raw.connection.fetch(_LOAD, "order-0")
    events: list[Event] = [decode(type, 1, document) for type, document in rows]
    return len(events)


async def fill_log(raw: Raw, count: int) -> None:
    for stream, version, events in transactions(0, LOG_SLICES * count, STREAM):
        rows = [row(stream, number, event) for number, event in enumerate(events, version + 1)]
        await raw.insert.executemany(rows)


async def read_log(raw: Raw, part: int, count: int) -> int:
    decode = _serializer.decode
    after = part % LOG_SLICES * count
    read = 0
    while read < count:
        rows = await raw.connection.fetch(_LOG, after, PAGE)
        events: list[Event] = [decode(type, 1, document) for _, type, document in rows]
        read, after = read + len(events), rows[-1][0]
    return read
