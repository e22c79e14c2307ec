"""What the tests wait for, and what they know of the server's other sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
import attrs

from orchestrix.infrastructure.postgres import PostgreSQLEventStore

T = TypeVar("T")

PATIENCE = 120.0  # no measure of speed: an end to waiting for what never comes

_OTHERS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


async def until(condition: Callable[[], Awaitable[T]]) -> T:
    """Ask until the answer is true; return it."""
    async with asyncio.timeout(PATIENCE):
        while not (answer := await condition()):  # noqa: ASYNC110 - what is awaited is elsewhere
            await asyncio.sleep(0.005)
    return answer


def be_impatient(store: PostgreSQLEventStore, seconds: float) -> None:
    """Change the `pool_timeout` of an open store: to open it may take longer, on a busy machine."""
    database = store._opening.session._database  # type: ignore[union-attr]  # it is open
    database.config = attrs.evolve(database.config, pool_timeout=seconds)


class Observer:
    """A session beside the store's, that looks at them and interferes."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    async def others(self, condition: str = "true") -> list[int]:
        """Return the process ids of the other sessions in this database."""
        # Within a transaction the first look would be the last.
        await self.connection.execute("SELECT pg_stat_clear_snapshot()")
        rows = await self.connection.fetch(f"{_OTHERS} AND {condition}")
        return [row["pid"] for row in rows]

    async def waiting(self, number: int = 1) -> list[int]:
        """Wait until so many sessions wait for a lock; return their process ids."""

        async def enough() -> list[int]:
            found = await self.others("wait_event_type = 'Lock'")
            return found if len(found) >= number else []

        return await until(enough)

    async def terminate(self, pids: list[int]) -> None:
        """End sessions, and wait until they are gone."""
        for pid in pids:
            # Waits itself; a session that is gone already is only a warning.
            await self.connection.fetchval("SELECT pg_terminate_backend($1, 60000)", pid)

    @asynccontextmanager
    async def no_writes(self) -> AsyncIterator[None]:
        """Hold every append where it inserts."""
        transaction = self.connection.transaction()
        await transaction.start()
        await self.connection.execute("LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE")
        try:
            yield
        finally:
            await transaction.rollback()

    @asynccontextmanager
    async def no_access(self) -> AsyncIterator[None]:
        """Hold every statement that needs the events."""
        transaction = self.connection.transaction()
        await transaction.start()
        await self.connection.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        try:
            yield
        finally:
            await transaction.rollback()


@asynccontextmanager
async def observe(dsn: str) -> AsyncIterator[Observer]:
    connection = await asyncpg.connect(dsn)
    try:
        yield Observer(connection)
    finally:
        await connection.close()
