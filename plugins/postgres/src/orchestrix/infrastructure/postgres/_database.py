"""
The connections to one database: a pool, and what every statement needs.

No connection is reset when it goes back to the pool, which would cost a round trip each time:
nothing here changes the state of a session. Settings and locks are those of a transaction, and
asyncpg itself ends a transaction that was left open.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import asyncpg

from orchestrix.infrastructure.postgres._config import NOT_AN_ADDRESS, PostgreSQLConfig
from orchestrix.infrastructure.postgres._errors import ConnectionLostError, Translation
from orchestrix.infrastructure.postgres._schema import SchemaStatus, drop, prepare, status
from orchestrix.infrastructure.postgres._sql import QUERIES, fill
from orchestrix_core import StorageError, StoreClosedError

__all__ = ["Connection", "Database", "is_usable"]

Connection: TypeAlias = Any
"""A connection of asyncpg, or its proxy from the pool; asyncpg's stubs know neither from here."""

_log = logging.getLogger(__name__)

_APPLICATION: Final = "orchestrix"
_CLOSING: Final = 10.0  # seconds that the server has to say goodbye


async def _keep_state(connection: Connection) -> None:
    """Stand in for the reset; see above."""


class Database:
    """What `config` names, from `open` to `close`."""

    def __init__(self, config: PostgreSQLConfig, name: str) -> None:
        self.config = config
        self._name = name  # what `StoreClosedError` calls the store
        self.where = _where(config.connection_string.reveal())
        self.translation = Translation(self.where)
        self.queries = {
            name: fill(text, config.schema, config.payload) for name, text in QUERIES.items()
        }
        self._pool: Any = None
        self._kept: Connection | None = None
        self._waiting = 0
        self.generation = 0  # how often all connections were given up

    async def open(self) -> None:
        """Look after the tables, then connect `pool_min_size` times."""
        with self.translation:
            connection = await self.connect()
            try:
                await prepare(connection, self.config)
            finally:
                await _close(connection)
            self._pool = await asyncpg.create_pool(
                min_size=self.config.pool_min_size,
                max_size=self.config.pool_max_size,
                reset=_keep_state,
                **self._arguments(),
            )

    async def close(self) -> None:
        """Wait for what runs, then close every connection."""
        pool, self._pool = self._pool, None
        kept, self._kept = self._kept, None
        if pool is not None:
            try:
                async with asyncio.timeout(_CLOSING):
                    if kept is not None:
                        await pool.release(kept)
                    await pool.close()
            except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                pool.terminate()
                _log.debug("%s: the pool was cut off: %s", self.where, type(error).__name__)

    async def status(self) -> SchemaStatus:
        """Return what stands in the schema, over a connection of its own."""
        with self.translation:
            connection = await self.connect()
            try:
                return await status(connection, self.config)
            finally:
                await _close(connection)

    async def prepare(self) -> None:
        """Create or upgrade the tables, over a connection of its own."""
        with self.translation:
            connection = await self.connect()
            try:
                await prepare(connection, self.config)
            finally:
                await _close(connection)

    async def drop(self) -> None:
        """Remove the schema with all that stands in it, over a connection of its own."""
        with self.translation:
            connection = await self.connect()
            try:
                await drop(connection, self.config)
            finally:
                await _close(connection)

    async def connect(self) -> Connection:
        """Return one more connection, which is the caller's to close."""
        try:
            return await asyncpg.connect(**self._arguments())
        except TimeoutError as error:
            msg = (
                f"{self.where}: no connection within pool_timeout ({self.config.pool_timeout:g} s)"
            )
            raise ConnectionLostError(msg) from error
        except OSError:
            raise
        except (ValueError, LookupError):  # its text and its cause quote parts of the address
            raise StorageError(f"{self.where}: {NOT_AN_ADDRESS}") from None

    def _arguments(self) -> dict[str, Any]:
        return {
            "dsn": self.config.connection_string.reveal(),
            "timeout": self.config.pool_timeout,
            "statement_cache_size": self.config.statement_cache_size,
            "max_cached_statement_lifetime": 0,  # they are few, and always the same
            "server_settings": self._server_settings(),
        }

    def _server_settings(self) -> dict[str, str]:
        settings = {"application_name": _APPLICATION}
        if self.config.statement_cache_size:  # without, it is a pooler, which refuses the rest
            milliseconds = max(1, round(self.config.idle_timeout * 1000))
            settings["idle_in_transaction_session_timeout"] = str(milliseconds)
        return settings

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """
        Lend a connection that nobody else uses meanwhile.

        The last one that came back is kept at hand for the next, unless somebody waits for one:
        for a single event, the pool's bookkeeping takes as long as the statement.
        """
        pool = self._pool
        if pool is None:
            raise StoreClosedError(self._name)
        connection = await self._take(pool)
        try:
            yield connection
        except BaseException:  # a statement may be under way still; the pool knows how to end it
            await pool.release(connection)
            raise
        if self._kept is None and not self._waiting and self._pool is pool:
            self._kept = connection
        else:
            await pool.release(connection)

    async def _take(self, pool: Any) -> Connection:
        kept, self._kept = self._kept, None
        if kept is not None:
            if is_usable(kept):
                return kept
            await pool.release(kept)
        self._waiting += 1
        try:
            return await self._acquire(pool)
        finally:
            self._waiting -= 1

    async def _acquire(self, pool: Any) -> Connection:
        try:
            async with asyncio.timeout(self.config.pool_timeout):
                with self.translation:
                    return await pool.acquire()
        except StorageError as error:
            if self._pool is not pool:  # closed while this waited
                raise StoreClosedError(self._name) from error
            raise
        except TimeoutError as error:
            msg = (
                f"{self.where}: no connection became free within pool_timeout "
                f"({self.config.pool_timeout:g} s): raise pool_max_size "
                f"({self.config.pool_max_size}) or pool_timeout, or do less at a time"
            )
            raise StorageError(msg) from error

    async def renew(self, generation: int) -> None:
        """
        Replace every connection when it is next asked for, after one was lost.

        A restart of the server ends all of them, and those at rest may still look alive. What
        `generation` was when the lost one was in use tells whether somebody else has done so since.
        """
        pool, kept = self._pool, self._kept
        if pool is None or generation != self.generation:
            return
        self.generation += 1
        self._kept = None
        await pool.expire_connections()
        if kept is not None:
            if is_usable(kept):
                kept.terminate()
            await pool.release(kept)

    async def fetch(self, name: str, *arguments: Any) -> list[Any]:
        """Run a statement that may be repeated: once more, when the connection was found dead."""
        generation = self.generation
        try:
            return await self._fetch(name, arguments)
        except ConnectionLostError:
            await self.renew(generation)
            return await self._fetch(name, arguments)

    async def _fetch(self, name: str, arguments: tuple[Any, ...]) -> list[Any]:
        async with self.connection() as connection:
            with self.translation:
                return await self.run(connection, name, arguments)

    async def run(self, connection: Connection, name: str, arguments: tuple[Any, ...]) -> list[Any]:
        """Run a statement; asyncpg's errors come out as they are."""
        try:
            return await self._run(connection, self.queries[name], arguments)
        except asyncpg.InternalClientError:
            connection.terminate()  # nobody shall meet it again
            raise

    async def _run(
        self, connection: Connection, query: str, arguments: tuple[Any, ...]
    ) -> list[Any]:
        if self.config.statement_cache_size:
            rows: list[Any] = await connection.fetch(query, *arguments)
            return rows
        # Without names, a statement is parsed in one step and run in the next; a pooler gives both
        # to the same server only within a transaction.
        async with connection.transaction(isolation="read_committed"):
            return list(await connection.fetch(query, *arguments))


def is_usable(connection: Connection) -> bool:
    """Tell whether a connection of the pool still lives."""
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:  # it died, and the pool has taken it back
        return False


async def _close(connection: Connection) -> None:
    try:
        await connection.close(timeout=_CLOSING)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()


def _where(dsn: str) -> str:
    """Return host, port and database of an address, and never its password."""
    parts = urlsplit(dsn)
    host = parts.netloc.rpartition("@")[2] or "local server"
    return f"{host}{parts.path}"
