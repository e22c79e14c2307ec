"""
The library `eventsourcing`: its `EventStore`, JSON transcoder and mapper, and its SQLite recorder.

The same order, as its kind of domain event, with the transcodings that its documentation gives and
one for the lines. It sets WAL and leaves `synchronous` at SQLite's default, FULL. Where it is not
installed, nobody is compared with it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from benchmarks._events import LINES, NOTE, PLACED_AT, TOTAL, OrderLine
from benchmarks._measure import Prepare, Start
from benchmarks._orders import directory, places

try:
    from eventsourcing.domain import DomainEvent
    from eventsourcing.persistence import (
        DatetimeAsISO,
        DecimalAsStr,
        EventStore,
        JSONTranscoder,
        Mapper,
        Transcoding,
        UUIDAsHex,
    )
    from eventsourcing.sqlite import SQLiteAggregateRecorder, SQLiteDatastore
except ImportError:
    INSTALLED = False
else:
    INSTALLED = True

    @dataclasses.dataclass(frozen=True)
    class PeerOrderPlaced(DomainEvent):
        order_id: str
        total: Decimal
        placed_at: datetime
        lines: tuple[OrderLine, ...]
        note: str | None

    class OrderLineAsDict(Transcoding):
        type = OrderLine
        name = "order_line"

        def encode(self, obj: OrderLine) -> dict[str, Any]:
            return {"sku": obj.sku, "quantity": obj.quantity, "price": obj.price}

        def decode(self, data: dict[str, Any]) -> OrderLine:
            return OrderLine(**data)


def appending(size: int) -> Start:
    """Write transactions of `size` events."""

    @contextmanager
    def start(count: int) -> Iterator[Prepare]:
        with directory() as folder, _opened(Path(folder, "events.db")) as store:
            ids: dict[int, UUID] = {}

            def work(part: int) -> int:
                for stream, version in places(part, count, size):
                    id = ids.setdefault(stream, uuid4())
                    store.put([made(id, version + n) for n in range(1, size + 1)])
                return count

            yield lambda part: lambda: work(part)

    return start


def loading(size: int) -> Start:
    """Read a stream of `size` events."""

    @contextmanager
    def start(count: int) -> Iterator[Prepare]:
        with directory() as folder, _opened(Path(folder, "events.db")) as store:
            id = uuid4()
            store.put([made(id, n) for n in range(1, size + 1)])
            yield lambda part: lambda: len(list(store.get(id)))

    return start


@contextmanager
def _opened(path: Path) -> Iterator[EventStore[UUID]]:
    datastore = SQLiteDatastore(str(path))
    recorder = SQLiteAggregateRecorder(datastore)
    recorder.create_table()
    try:
        yield EventStore(mapper(), recorder)
    finally:
        datastore.close()


def mapper() -> Mapper[UUID]:
    """Return what turns orders into what is stored, and back."""
    transcoder = JSONTranscoder()
    for transcoding in (UUIDAsHex(), DecimalAsStr(), DatetimeAsISO(), OrderLineAsDict()):
        transcoder.register(transcoding)
    return Mapper(transcoder)


def made(id: UUID, version: int) -> PeerOrderPlaced:
    """Make the order as an event of the peer."""
    return PeerOrderPlaced(
        originator_id=id,
        originator_version=version,
        timestamp=PeerOrderPlaced.create_timestamp(),
        order_id="order-4711",
        total=TOTAL,
        placed_at=PLACED_AT,
        lines=LINES,
        note=NOTE,
    )
