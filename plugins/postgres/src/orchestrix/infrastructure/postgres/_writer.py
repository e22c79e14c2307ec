"""
Writes what several tasks append in one round trip: group commit, on the client's side.

What comes while a statement is under way goes into the next one. A store at rest writes at once,
and nobody waits for company.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import asyncpg

from orchestrix.infrastructure.postgres._append import (
    Append,
    arguments,
    one_each,
    one_event,
    outcomes,
)
from orchestrix.infrastructure.postgres._database import Connection, Database, is_usable
from orchestrix.infrastructure.postgres._errors import ConnectionLostError
from orchestrix_core import StoreClosedError

__all__ = ["Writer"]

_MOST_TOGETHER: Final = 256  # appends in one statement
_LARGEST_TOGETHER: Final = 4 * 2**20  # characters in one statement, but for a single append
_LARGEST_QUEUE: Final = 32 * 2**20  # characters that wait, before those who bring more wait too
_OVERHEAD: Final = 200  # what an append counts for beside its documents
_ATTEMPTS: Final = 5


class Request(NamedTuple):
    """An append that waits; its future is its caller's."""

    append: Append
    size: int
    future: asyncio.Future[None]


class Writer:
    """`committed` is called after each commit that stored something."""

    def __init__(self, database: Database, name: str, committed: Callable[[], None]) -> None:
        self._database = database
        self._name = name
        self._committed = committed
        self._requests: deque[Request] = deque()
        self._size = 0
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._rest = asyncio.Event()  # nothing is under way
        self._rest.set()
        self._ended = False

    async def write(self, append: Append) -> None:
        """
        Return when the append is stored, or raise why it is not.

        Cancelled, all or nothing of it is stored.
        """
        if self._rest.is_set() and not self._ended:
            await self._write_alone(append)
        else:
            await self._write_with_others(append)

    async def end(self) -> None:
        """Write what was submitted, then end."""
        self._ended = True
        self._room.set()
        await self._rest.wait()

    async def _write_alone(self, append: Append) -> None:
        """Write what comes to a store at rest in its caller's task, at once."""
        self._rest.clear()
        try:
            async with self._database.connection() as connection:
                (error,) = await self._outcomes(connection, (append,))
        finally:
            if self._requests:
                self._task = asyncio.create_task(self._run(), name="orchestrix-postgres-writer")
            else:
                self._rest.set()
        if error is not None:
            raise error

    async def _write_with_others(self, append: Append) -> None:
        size = _OVERHEAD + sum(len(row[4]) for write in append for row in write.rows)
        while self._requests and self._size + size > _LARGEST_QUEUE and not self._ended:
            self._room.clear()
            await self._room.wait()
        if self._ended:
            raise StoreClosedError(self._name)
        request = Request(append, size, asyncio.get_running_loop().create_future())
        self._requests.append(request)
        self._size += size
        if self._rest.is_set():  # it came to rest while this waited for room
            self._rest.clear()
            self._task = asyncio.create_task(self._run(), name="orchestrix-postgres-writer")
        await request.future

    async def _run(self) -> None:
        """Write what came meanwhile, until the store is at rest again."""
        try:
            while self._requests:
                try:
                    async with self._database.connection() as connection:
                        await self._write_queue(connection)
                except Exception as error:  # no connection; the next may have more luck
                    for request in self._next():
                        _settle(request, error)
        finally:
            for request in self._requests:  # the event loop is about to end
                request.future.cancel()
            self._requests.clear()
            self._task = None
            self._rest.set()

    async def _write_queue(self, connection: Connection) -> None:
        while is_usable(connection) and (batch := self._next()):
            try:
                found = await self._outcomes(connection, [request.append for request in batch])
            except asyncio.CancelledError:
                for request in batch:
                    request.future.cancel()
                raise
            for request, error in zip(batch, found, strict=True):
                _settle(request, error)
            # Those it answered come first: what they append next goes along.
            await asyncio.sleep(0)

    def _next(self) -> list[Request]:
        """Take from the queue what goes out together."""
        batch: list[Request] = []
        size = 0
        while self._requests and len(batch) < _MOST_TOGETHER:
            if batch and size + self._requests[0].size > _LARGEST_TOGETHER:
                break
            request = self._requests.popleft()
            self._size -= request.size
            if not request.future.cancelled():
                batch.append(request)
                size += request.size
        self._room.set()
        return batch

    async def _outcomes(
        self, connection: Connection, appends: Sequence[Append]
    ) -> Sequence[Exception | None]:
        """Write; when that fails as a whole, then one by one, so that a bad append is alone."""
        generation = self._database.generation
        try:
            with self._database.translation:
                refusals = await self._call(connection, appends)
        except ConnectionLostError as error:
            await self._database.renew(generation)
            return [await self._outcome_again(append, error) for append in appends]
        except Exception as error:
            if len(appends) == 1:
                return [error]
            alone = [await self._outcomes(connection, [append]) for append in appends]
            return [outcome for (outcome,) in alone]
        if len(refusals) < len(appends):
            self._committed()
        return outcomes(appends, refusals)

    async def _outcome_again(self, append: Append, lost: Exception) -> Exception | None:
        """Repeat, over another connection, what may be stored already, where that is safe."""
        unknown = ConnectionLostError(_UNKNOWN.format(self._database.where))
        unknown.__cause__ = lost
        if not _is_repeatable(append):
            return unknown
        try:
            async with self._database.connection() as connection:
                with self._database.translation:
                    refusals = await self._call(connection, [append])
        except (ConnectionLostError, StoreClosedError):
            return unknown
        except Exception as error:
            return error
        self._committed()
        return outcomes([append], refusals)[0]

    async def _call(self, connection: Connection, appends: Sequence[Append]) -> Sequence[Any]:
        """
        Call one of the server's functions; return a row for each append that was not stored.

        With care, once an id turns out to be stored already.
        """
        careful = False
        for attempt in range(_ATTEMPTS):
            try:
                return await self._call_once(connection, appends, careful=careful)
            except asyncpg.UniqueViolationError:
                if careful:
                    raise
                careful = True
            except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError):
                if attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError  # the last attempt returns or raises

    async def _call_once(
        self, connection: Connection, appends: Sequence[Append], *, careful: bool
    ) -> Sequence[Any]:
        """Choose the leanest function that will do."""
        run = self._database.run
        if not careful and (event := one_event(appends)):
            actual = (await run(connection, "append_one", event))[0][0]
            if actual is None:
                return ()
            if actual >= 0:
                return ((0, event[0], actual, None),)
            careful = True  # a conflict, unless it is the very same as what is stored
        elif not careful and (columns := one_each(appends)):
            refused = await run(connection, "append_each", columns)
            return [(n - 1, columns[0][n - 1], actual, None) for n, actual in refused]
        return await run(connection, "append", arguments(appends, careful=careful))


_UNKNOWN: Final = (
    "{}: the connection was lost while this was written: it is stored whole or not at all; to be "
    "sure, save with an expected_version, and repeat the very same save"
)


def _is_repeatable(append: Append) -> bool:
    """Tell whether the server would know a repetition for what it is."""
    return all(write.expected is not None for write in append if write.rows)


def _settle(request: Request, error: Exception | None) -> None:
    if request.future.done():  # cancelled while it was written
        return
    if error is None:
        request.future.set_result(None)
    else:
        request.future.set_exception(error)
