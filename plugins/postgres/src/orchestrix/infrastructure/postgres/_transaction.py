"""
Transactions: each has a connection of its own, from its first statement to its last.

The store's own statements are refused by what they return, so that they leave the transaction as it
was; an error in one of them is a failure of the server, and ends it. Statements of the application
may fail for any reason, so each stands behind a savepoint.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Final, TypeVar

import asyncpg

from orchestrix.infrastructure.postgres import _collections
from orchestrix.infrastructure.postgres._append import arguments as columns_of
from orchestrix.infrastructure.postgres._append import outcomes
from orchestrix.infrastructure.postgres._collections import Question
from orchestrix.infrastructure.postgres._database import Connection, Database
from orchestrix.infrastructure.postgres._errors import ConnectionLostError, is_unreachable
from orchestrix.infrastructure.postgres._operations import Operations
from orchestrix_core import Document, StorageError, StoreClosedError, StreamWrite
from orchestrix_core.documents import SQLTransaction
from orchestrix_core.validation import check_statement

__all__ = ["Transaction"]

T = TypeVar("T")

_ELSEWHERE: Final = (
    *("COPY", "DEALLOCATE", "DISCARD", "EXECUTE", "LISTEN", "LOAD"),
    *("PREPARE", "RESET", "SET", "UNLISTEN"),
)
"""They change the session, which others use after this, or need another protocol."""
_LOCAL: Final = re.compile(r"\s*SET\s+(LOCAL|CONSTRAINTS)\b", re.IGNORECASE)
_COUNTED: Final = re.compile(r"(?:INSERT \d+|UPDATE|DELETE|MERGE) (\d+)")


class _Undone(Exception):
    """Leaves the block of a transaction that shall not be committed."""


class Transaction(SQLTransaction):
    """One that is open."""

    def __init__(self, database: Database, operations: Operations, store: str) -> None:
        self._database = database
        self._operations = operations
        self._store = store
        self._turn = asyncio.Lock()  # a connection does one thing at a time
        self._connection: Connection = None
        self._stack: AsyncExitStack | None = None
        self._at_home = False  # the application's SQL looks in the store's schema first
        self._ended = False
        self._failed = False
        self._failure: Exception | None = None
        self._active = 0.0  # when the last call began, by the event loop's clock
        self.appended = False

    async def get(self, collection: str, key: str) -> Document | None:
        """Return a document, or None; nobody else changes it until the transaction ends."""
        return await self._ask(_collections.lock_and_get(collection, key))

    async def find(
        self,
        collection: str,
        *,
        prefix: str = "",
        after: str = "",
        due: datetime | None = None,
        limit: int = 1000,
    ) -> list[Document]:
        """Return documents as `find_documents` does, with the changes of this transaction."""
        return await self._ask(
            _collections.find(collection, prefix=prefix, after=after, due=due, limit=limit)
        )

    async def put(
        self,
        collection: str,
        key: str,
        body: Mapping[str, Any],
        *,
        expect: int | None = None,
        due: datetime | None = None,
    ) -> int:
        """Write a document whole, and return its new revision."""
        return await self._ask(_collections.put(collection, key, body, expect=expect, due=due))

    async def delete(self, collection: str, key: str, *, expect: int | None = None) -> bool:
        """Remove a document; return whether it was there."""
        return await self._ask(_collections.delete(collection, key, expect=expect))

    async def append(self, writes: Sequence[StreamWrite]) -> None:
        """
        Append to several streams, all or none; stored when the transaction is.

        From here to the end of the block, all other appends wait.
        """
        append = self._operations.append_all(writes)
        columns = columns_of([append], careful=True)  # so that nothing breaks a constraint
        refusals = await self._ask(Question("append", columns, lambda rows: rows))
        for error in outcomes([append], refusals):
            if error is not None:
                raise error
        self.appended = True

    async def execute(self, statement: str, *arguments: Any) -> int:
        """Run one statement, its parameters written `$1`, `$2`; return how many rows it changed."""

        async def run(connection: Connection) -> int:
            if arguments:
                status = await connection.execute(statement, *arguments)
            else:  # without any, asyncpg's execute would take several statements
                prepared = await connection.prepare(statement, name="")
                await prepared.fetch()
                status = prepared.get_statusmsg()
            counted = _COUNTED.fullmatch(status)
            return int(counted[1]) if counted else 0

        return await self._run(statement, run)

    async def fetch(self, statement: str, *arguments: Any) -> list[Any]:
        """Run one query and return its rows, whose values are found by index and by name."""

        async def run(connection: Connection) -> list[Any]:
            return list(await connection.fetch(statement, *arguments))

        return await self._run(statement, run)

    async def _ask(self, question: Question[T]) -> T:
        query = self._database.queries[question.name]
        async with self._step():
            rows = await self._connection.fetch(query, *question.arguments)
        return question.read(rows)

    async def _run(self, statement: str, run: Callable[[Connection], Awaitable[T]]) -> T:
        local = isinstance(statement, str) and _LOCAL.match(statement)
        check_statement(statement, *(() if local else _ELSEWHERE))
        try:
            return await self._in_savepoint(run)
        except asyncpg.InvalidCachedStatementError:  # a table was changed: prepare it anew
            return await self._in_savepoint(run)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            # A DataError of no kind is asyncpg's own, the server's are always of some.
            if type(error) is not asyncpg.DataError and isinstance(error, asyncpg.PostgresError):
                raise self._database.translation.storage_error(error) from error
            msg = f"the statement or its arguments cannot be used ({error}): {statement!r}"
            raise ValueError(msg) from error

    async def _in_savepoint(self, run: Callable[[Connection], Awaitable[T]]) -> T:
        refused: Exception | None = None
        async with self._step():
            if not self._at_home:
                query = self._database.queries["look_here_first"]
                await self._connection.fetch(query, self._database.config.schema)
                self._at_home = True
            try:
                async with self._connection.transaction():
                    return await run(self._connection)
            except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if is_unreachable(error) or not self._connection.is_in_transaction():
                    raise
                refused = error
        raise refused

    @asynccontextmanager
    async def _step(self) -> AsyncIterator[None]:
        """Have the connection for one call; an exception that leaves it ends the transaction."""
        self._require_block()
        async with self._turn:
            self._require_block()
            self._require_sound()
            now = asyncio.get_running_loop().time()
            idle, self._active = now - self._active, now
            try:
                with self._database.translation:
                    yield
            except BaseException as error:
                self._failed = True
                self._failure = error if isinstance(error, Exception) else None
                self._explain(error, idle)
                raise

    def _explain(self, error: BaseException, idle: float) -> None:
        """Say why the connection was lost, where the server has told nobody."""
        limit = self._database.config.idle_timeout
        if isinstance(error, ConnectionLostError) and idle >= limit:
            msg = (
                f"{self._database.where}: nothing was done in this transaction for {idle:.3g} s, "
                f"so the server has undone it after idle_timeout ({limit:g} s): do what takes long "
                "outside of a transaction, or raise idle_timeout"
            )
            raise ConnectionLostError(msg) from error

    def _require_block(self) -> None:
        if self._ended:
            msg = "the block of this transaction has ended: begin a new transaction"
            raise RuntimeError(msg)

    def _require_sound(self) -> None:
        if self._stack is None:
            raise StoreClosedError(self._store)
        if self._failed:
            why = "failed" if self._failure else "was cancelled"
            msg = (
                f"{self._database.where}: a call in this transaction {why}: nothing of the "
                "transaction was stored; repeat it"
            )
            raise StorageError(msg) from self._failure

    async def begin(self) -> None:
        """Take a connection and begin; once more, when the connection was found dead."""
        async with self._turn:
            generation = self._database.generation
            try:
                await self._begin()
            except ConnectionLostError:
                await self._database.renew(generation)
                await self._begin()

    async def _begin(self) -> None:
        self._active = asyncio.get_running_loop().time()
        async with AsyncExitStack() as stack:
            self._connection = await stack.enter_async_context(self._database.connection())
            with self._database.translation:
                await stack.enter_async_context(
                    self._connection.transaction(isolation="read_committed")
                )
            self._stack = stack.pop_all()

    async def commit(self) -> None:
        """End well, unless a call has failed."""
        self._ended = True
        generation = self._database.generation
        async with self._turn:
            self._require_sound()
            try:
                await self._leave()
            except ConnectionLostError as error:
                await self._database.renew(generation)
                raise ConnectionLostError(_UNKNOWN.format(self._database.where)) from error

    async def undo(self) -> None:
        """End, and leave nothing; also under a block that has not ended yet."""
        async with self._turn:
            if self._stack is not None:
                generation = self._database.generation
                with suppress(_Undone, StorageError):  # a lost connection has undone it as well
                    await self._leave(_Undone())
                if isinstance(self._failure, ConnectionLostError):
                    await self._database.renew(generation)

    async def _leave(self, why: Exception | None = None) -> None:
        stack, self._stack = self._stack or AsyncExitStack(), None
        with self._database.translation:
            async with stack:
                if why is not None:
                    raise why

    def end(self) -> None:
        """Refuse every later call."""
        self._ended = True


_UNKNOWN: Final = (
    "{}: the connection was lost while this transaction was committed: it is stored whole or not "
    "at all; look which before it is repeated"
)
