"""
The faults that the contract suite can make on a PostgreSQL store.

They need no more than the store itself does: a session holds the lock that appends need, and ends
sessions of the same user. A server is restarted only by a command that its owner has named.
"""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any, Final

import asyncpg
import attrs

from orchestrix.infrastructure.postgres._config import PostgreSQLConfig
from orchestrix.infrastructure.postgres._database import Connection, Database
from orchestrix.infrastructure.postgres._proxy import Address, Proxy
from orchestrix.infrastructure.postgres._store import PostgreSQLEventStore
from orchestrix_core import Fault, Secret, StorageError
from orchestrix_core.hookspecs import Faults

__all__ = ["RESTART", "faults"]

RESTART: Final = "ORCHESTRIX_TEST_POSTGRES_RESTART"
"""The environment variable with the command that restarts the server; it ends when that is up."""

_LOOK: Final = 0.01  # seconds between two looks at the server
_IMPATIENCE: Final = 0.3  # seconds that a call waits for a connection while there is none
_STANDING: Final = 3600.0  # seconds that a session may hold its lock for

Create = Callable[[PostgreSQLConfig], PostgreSQLEventStore]


def faults(config: PostgreSQLConfig, create: Create) -> Faults:
    """Return what can be done to a store with these settings."""
    database = Database(attrs.evolve(config, idle_timeout=_STANDING), "faults")
    command = os.environ.get(RESTART)
    restart = f"the server is not ours to restart: {RESTART} may name a command that does it"
    return {
        "connection_cut": partial(_ready, partial(_cut, database)),
        "lost_answer": Address(config.connection_string.reveal()).reason
        or partial(_lost_answer, config, create),
        "server_restart": restart
        if command is None
        else partial(_ready, partial(_restart, database, command)),
        "slow_commit": partial(_ready, partial(_slow_commit, database)),
        "pool_exhaustion": partial(_ready, _pool_exhaustion),
    }


@asynccontextmanager
async def _ready(strike: Any) -> AsyncIterator[Fault]:
    """Give a fault that takes no preparation."""
    yield Fault(strike=strike)


@asynccontextmanager
async def _session(database: Database) -> AsyncIterator[Connection]:
    """Give a session beside the store's."""
    session = await database.connect()
    try:
        yield session
    finally:
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):  # it may be dead
            await session.close()


async def _hold(database: Database, session: Connection) -> Any:
    """Let no append be committed; return the transaction whose end lets them go on."""
    transaction = session.transaction()
    await transaction.start()
    await session.execute(database.queries["hold_appends"])
    return transaction


async def _held(database: Database, session: Connection) -> list[int]:
    """Wait until an append has come as far as that; return the sessions."""
    while not (rows := await session.fetch(database.queries["held_appends"])):  # noqa: ASYNC110 - it is the server that is awaited
        await asyncio.sleep(_LOOK)
    return [row["pid"] for row in rows]


@asynccontextmanager
async def _slow_commit(database: Database, store: PostgreSQLEventStore) -> AsyncIterator[None]:
    async with _session(database) as session:
        transaction = await _hold(database, session)
        try:
            yield
        finally:
            await transaction.rollback()


@asynccontextmanager
async def _cut(database: Database, store: PostgreSQLEventStore) -> AsyncIterator[None]:
    async with _session(database) as session:
        transaction = await _hold(database, session)

        async def strike() -> None:
            for pid in await _held(database, session):
                await session.fetchval(database.queries["end_session"], pid)
                while await session.fetchval(database.queries["has_session"], pid):  # noqa: ASYNC110 - as above
                    await asyncio.sleep(_LOOK)
            await transaction.rollback()

        async with _meanwhile(strike()):
            yield


@asynccontextmanager
async def _restart(
    database: Database, command: str, store: PostgreSQLEventStore
) -> AsyncIterator[None]:
    async with _session(database) as session:
        await _hold(database, session)

        async def strike() -> None:
            await _held(database, session)
            process = await asyncio.create_subprocess_exec(*shlex.split(command))
            if status := await process.wait():
                msg = f"{RESTART}: the command ended with status {status}: {command}"
                raise StorageError(msg)
            await _answer(database)

        async with _meanwhile(strike()):
            yield


async def _answer(database: Database) -> None:
    """Wait until the server answers again."""
    while True:
        with suppress(OSError, asyncpg.PostgresError, StorageError):
            async with _session(database):
                return
        await asyncio.sleep(_LOOK)


@asynccontextmanager
async def _meanwhile(strike: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let the fault happen while the block runs, which ends no sooner."""
    task = asyncio.create_task(strike)
    try:
        yield
        await task
    finally:
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def _lost_answer(config: PostgreSQLConfig, create: Create) -> AsyncIterator[Fault]:
    async with Proxy.run(config.connection_string.reveal()) as (proxy, through):

        @asynccontextmanager
        async def strike(store: PostgreSQLEventStore) -> AsyncIterator[None]:
            proxy.lose_answer()
            yield
            await proxy.lost.wait()

        # One connection: what it has prepared before needs but one answer.
        settings = attrs.evolve(
            config, connection_string=Secret(through), pool_min_size=1, pool_max_size=1
        )
        yield Fault(strike=strike, create=partial(create, settings))


@asynccontextmanager
async def _pool_exhaustion(store: PostgreSQLEventStore) -> AsyncIterator[None]:
    """Take every connection, and let nobody wait for long meanwhile."""
    database = store._opened()._database
    config = database.config
    async with AsyncExitStack() as taken:
        for _ in range(config.pool_max_size):
            await taken.enter_async_context(database.connection())
        database.config = attrs.evolve(config, pool_timeout=_IMPATIENCE)
        try:
            yield
        finally:
            database.config = config
