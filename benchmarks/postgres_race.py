"""Writers who race for one stream in PostgreSQL, and try again until they have won."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
import attrs

from benchmarks import _postgres_ours, _postgres_raw
from benchmarks._events import order
from benchmarks._measure import Case, Comparison, Contestant
from benchmarks._postgres import Open, writing
from orchestrix_core import ConcurrencyError

WRITERS = 8
_STREAM = "order-0"
_VERSION = "SELECT coalesce(max(version), 0) FROM events WHERE aggregate_id = $1"
_IDS = "SELECT version, event_id FROM events WHERE aggregate_id = $1 ORDER BY version"

Ids: TypeAlias = Callable[[Any], Awaitable[list[str]]]


@attrs.frozen
class Race:
    """What the writers share: something to write to, and the ids that they were told are stored."""

    opened: Any
    stored: list[str] = attrs.field(factory=list)


def _checked(open: Open[Any], ids: Ids) -> Open[Race]:
    """At the end, compare the stream with what the writers were told."""

    @asynccontextmanager
    async def opened(schema: str) -> AsyncIterator[Race]:
        async with open(schema) as found:
            race = Race(found)
            yield race
            stream = await ids(found)
            if sorted(stream) != sorted(race.stored):
                msg = f"{len(race.stored)} appends returned, and the stream has {len(stream)}"
                raise AssertionError(msg)

    return opened


async def _ours(race: Race, part: int, count: int) -> int:
    """Begin with the version of the last success; a conflict says which it is now."""
    store: _postgres_ours.Store = race.opened

    async def write() -> None:
        version = len(race.stored)
        for _ in range(count // WRITERS):
            event = order()
            while True:
                try:
                    await store.save(_STREAM, [event], version)
                    break
                except ConcurrencyError as conflict:
                    version = conflict.actual_version
            race.stored.append(event.id)
            version += 1

    await asyncio.gather(*(write() for _ in range(WRITERS)))
    return count


async def _by_hand(race: Race, part: int, count: int) -> int:
    """Ask for the version, insert the next, and begin again when that was taken."""

    async def write(raw: _postgres_raw.Raw) -> None:
        for _ in range(count // WRITERS):
            event = order()
            while True:
                version = await raw.connection.fetchval(_VERSION, _STREAM)
                try:
                    await raw.insert.fetch(*_postgres_raw.row(_STREAM, version + 1, event))
                    break
                except asyncpg.UniqueViolationError:
                    continue
            race.stored.append(event.id)

    await asyncio.gather(*map(write, race.opened[:WRITERS]))
    return count


async def _our_ids(store: _postgres_ours.Store) -> list[str]:
    return [event.id for event in await store.load(_STREAM)]


async def _ids_by_hand(raws: list[_postgres_raw.Raw]) -> list[str]:
    rows = await raws[0].connection.fetch(_IDS, _STREAM)
    if [row["version"] for row in rows] != list(range(1, len(rows) + 1)):
        msg = "the versions of the stream have a gap"
        raise AssertionError(msg)
    return [row["event_id"] for row in rows]


def cases() -> list[Case]:
    """Return the case."""
    ours = writing(_checked(_postgres_ours.opened, _our_ids), _ours)
    by_hand = writing(_checked(_postgres_raw.held, _ids_by_hand), _by_hand)
    return [
        Case(
            name=f"postgres-race-{WRITERS}",
            count=10 * WRITERS,
            slices=5,
            step=WRITERS,
            contestants=[
                Contestant("postgres", ours),
                Contestant("asyncpg, SELECT, INSERT", by_hand),
            ],
            comparisons=[Comparison("postgres", "asyncpg, SELECT, INSERT", 1.5)],
        )
    ]
