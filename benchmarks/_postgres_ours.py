"""Our store on PostgreSQL, with the settings it has unless told otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks._events import order
from benchmarks._orders import CALLERS, LOG_SLICES, PAGE, STREAM, transactions
from benchmarks._postgres import AsyncWork, dsn
from orchestrix.infrastructure.postgres import PostgreSQLEventStore

Store = PostgreSQLEventStore


@asynccontextmanager
async def opened(schema: str) -> AsyncIterator[Store]:
    async with PostgreSQLEventStore(dsn(), schema=schema) as store:
        yield store


def appending(size: int) -> AsyncWork[Store]:
    """Write transactions of `size` events, one after the other."""

    async def work(store: Store, part: int, count: int) -> int:
        for stream, version, events in transactions(part, count, size):
            await store.save(stream, events, version)
        return count

    return work


async def append_together(store: Store, part: int, count: int) -> int:
    """Let callers write single events side by side, each to a stream of its own."""

    async def call(caller: int) -> None:
        for version in range(count // CALLERS):
            await store.save(f"order-{part}-{caller}", [order()], version)

    await asyncio.gather(*map(call, range(CALLERS)))
    return count


async def fill_stream(store: Store, count: int) -> None:
    await store.save("order-0", [order() for _ in range(count)], 0)


async def load(store: Store, part: int, count: int) -> int:
    return len(await store.load("order-0"))


async def fill_log(store: Store, count: int) -> None:
    for stream, version, events in transactions(0, LOG_SLICES * count, STREAM):
        await store.save(stream, events, version)


async def read_log(store: Store, part: int, count: int) -> int:
    """Read a slice of the log, page by page."""
    after = part % LOG_SLICES * count
    read = 0
    while read < count:
        page = await store.read_log(after, PAGE)
        after = page[-1].position
        read += len([record.event for record in page])
    return read
