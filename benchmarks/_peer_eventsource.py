"""
The library `eventsource-py` (Python 3.13) on PostgreSQL: its `PostgreSQLEventStore`, on asyncpg.

The same order, as its kind of domain event, a pydantic model. Tables and engine are those that it
documents: `create_schema=True`, and an engine of SQLAlchemy with a connection for each caller. Its
positions come from a sequence; readers of its log leave out what may be overtaken.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import NAMESPACE_OID, UUID, uuid5

from benchmarks._events import LINES, NOTE, PLACED_AT, TOTAL
from benchmarks._orders import CALLERS, LOG_SLICES, PAGE, STREAM, places
from benchmarks._postgres import AsyncWork, dsn

try:
    from eventsource import DomainEvent, PostgreSQLEventStore, register_event
    from eventsource.domain import StreamId
    from eventsource.ports import ExpectedVersion, FeedReadOptions, Position
    from pydantic import BaseModel
    from sqlalchemy.ext.asyncio import create_async_engine
except ImportError:
    INSTALLED = False
else:
    INSTALLED = True

    class PeerLine(BaseModel):
        sku: str
        quantity: int
        price: Decimal

    @register_event
    class PeerOrder(DomainEvent):
        aggregate_type: str = "Order"
        order_id: str
        total: Decimal
        placed_at: datetime
        lines: tuple[PeerLine, ...]
        note: str | None

    _LINES = tuple(
        PeerLine(sku=line.sku, quantity=line.quantity, price=line.price) for line in LINES
    )

MISSING: Final = "eventsource-py: install eventsource-py, which needs Python 3.13"


def _made(id: UUID, version: int) -> Any:
    return PeerOrder(
        aggregate_id=id,
        aggregate_version=version,
        order_id="order-4711",
        total=TOTAL,
        placed_at=PLACED_AT,
        lines=_LINES,
        note=NOTE,
    )


@asynccontextmanager
async def opened(schema: str) -> AsyncIterator[Any]:
    _, rest = dsn().split("://", 1)
    engine = create_async_engine(
        f"postgresql+asyncpg://{rest}",
        pool_size=CALLERS,
        connect_args={"server_settings": {"search_path": schema}},
    )
    async with PostgreSQLEventStore(engine, create_schema=True, owns_engine=True) as store:
        yield store


async def _append(store: Any, stream: str, version: int, size: int) -> None:
    id = uuid5(NAMESPACE_OID, stream)
    events = [_made(id, version + n) for n in range(1, size + 1)]
    await store.append(StreamId(id, "Order"), events, ExpectedVersion.exact(version))


def appending(size: int) -> AsyncWork[Any]:
    """Write transactions of `size` events, one after the other."""

    async def work(store: Any, part: int, count: int) -> int:
        for stream, version in places(part, count, size):
            await _append(store, str(stream), version, size)
        return count

    return work


async def append_together(store: Any, part: int, count: int) -> int:
    """Let callers write single events side by side, each to a stream of its own."""

    async def call(caller: int) -> None:
        for version in range(count // CALLERS):
            await _append(store, f"{part}-{caller}", version, 1)

    await asyncio.gather(*map(call, range(CALLERS)))
    return count


async def fill_stream(store: Any, count: int) -> None:
    await _append(store, "0", 0, count)


async def load(store: Any, part: int, count: int) -> int:
    stream = StreamId(uuid5(NAMESPACE_OID, "0"), "Order")
    return len([envelope.event async for envelope in store.read_stream(stream)])


async def fill_log(store: Any, count: int) -> None:
    for stream, version in places(0, LOG_SLICES * count, STREAM):
        await _append(store, str(stream), version, STREAM)


async def read_log(store: Any, part: int, count: int) -> int:
    """Read a slice of the log, page by page."""
    after = Position(store_id=store.store_id, key=(part % LOG_SLICES * count,))
    read = 0
    while read < count:
        pages = store.read_all(after, FeedReadOptions(limit=PAGE))
        page = [(envelope.event, envelope.position) async for envelope in pages]
        read, after = read + len(page), page[-1][1]
    return read
