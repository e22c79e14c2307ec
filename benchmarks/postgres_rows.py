"""Appending to PostgreSQL when there is little, and when there is much."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from benchmarks import _postgres_ours
from benchmarks._events import OrderPlaced, order
from benchmarks._measure import Case, Comparison, Contestant, Prepare, Start
from benchmarks._orders import STREAM
from benchmarks._postgres import WARM, AsyncWork, dsn, in_schema, new_schema
from orchestrix_core import JSONSerializer

FEW, MANY, VERY_MANY = 10_000, 100_000, 1_000_000
_STRIDE = 7_919  # a prime, so that neighbours in time are none in the table

_FILL = """
    INSERT INTO events
        (position, aggregate_id, version, event_id, type, schema_version, trace_id, document)
    SELECT n, 'order-' || (n - 1) / {stream}, (n - 1) % {stream} + 1, made.id, $1, 1, NULL,
           replace($2, $3, made.id)::json
    FROM generate_series(1, $4::bigint) AS n,
    LATERAL (SELECT '01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0') AS id) AS made
"""


async def _fill(schema: str, rows: int) -> None:
    """Store orders as the store does, with ids that are older than all it will make."""
    async with _postgres_ours.opened(schema):
        pass  # makes the tables
    sample = order()
    document = JSONSerializer().encode(sample).decode()
    connection = await asyncpg.connect(dsn(), server_settings={"search_path": schema})
    try:
        type = OrderPlaced.__message_type__
        await connection.execute(
            _FILL.format(stream=STREAM), type, document, sample.id, rows, timeout=600
        )
        await connection.execute("VACUUM ANALYZE events", timeout=600)
        await connection.execute("CHECKPOINT", timeout=600)
    finally:
        await connection.close()


def _appending(size: int, streams: int, versions: dict[int, int]) -> AsyncWork[Any]:
    """Write to streams that lie all over the table, one transaction after the other."""

    async def work(store: _postgres_ours.Store, part: int, count: int) -> int:
        for number in range(part * count, (part + 1) * count, size):
            stream = number // size * _STRIDE % streams
            version = versions.get(stream, STREAM)
            events = [order() for _ in range(size)]
            await store.save(f"order-{stream}", events, version)
            versions[stream] = version + size
        return count

    return work


def _start(rows: int, size: int) -> Start:
    filled: list[str] = []
    versions: dict[int, int] = {}
    work = _appending(size, rows // STREAM, versions)

    @contextmanager
    def start(count: int) -> Iterator[Prepare]:
        if not filled:
            filled.append(new_schema(lambda schema: _fill(schema, rows)))
        with in_schema(filled[0], _postgres_ours.opened) as (store, run):
            run(work(store, WARM, count))
            yield lambda part: lambda: run(work(store, part, count))

    return start


def _case(name: str, size: int, count: int, slices: int, few: int, many: int) -> Case:
    contestants = [Contestant(f"{rows:,} rows", _start(rows, size)) for rows in (many, few)]
    ours, baseline = contestants
    return Case(
        name=name,
        count=count,
        slices=slices,
        step=size,
        contestants=contestants,
        comparisons=[Comparison(ours.name, baseline.name, 0.85)],
    )


def cases(few: int = FEW, many: int = MANY) -> list[Case]:
    """Return the cases: 1 and 100 events per transaction."""
    return [
        _case("postgres-rows-1", 1, 20, 20, few, many),
        _case("postgres-rows-100", 100, 100, 10, few, many),
    ]
