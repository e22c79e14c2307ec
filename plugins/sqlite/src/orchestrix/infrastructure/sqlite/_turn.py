"""A transaction's time on the thread that writes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any, TypeAlias

from orchestrix.infrastructure.sqlite._database import Database, in_savepoint
from orchestrix_core import StoreClosedError

__all__ = ["End", "Step", "Turn", "settle"]

Step: TypeAlias = Callable[[sqlite3.Connection], Any]


class End(Enum):
    """How a transaction ends."""

    COMMIT = 1
    UNDO = 2
    CLOSE = 3
    """The store is being closed under it."""


class _Undone(Exception):
    """Leaves the block of a transaction that shall not be committed."""


def settle(
    future: asyncio.Future[Any], error: BaseException | None = None, result: Any = None
) -> None:
    """Give an outcome, from another thread, to whoever still waits for it."""
    with suppress(RuntimeError):  # its event loop is closed: nobody is there to be told
        future.get_loop().call_soon_threadsafe(_settle, future, error, result)


def _settle(future: asyncio.Future[Any], error: BaseException | None, result: Any) -> None:
    if future.done():  # cancelled meanwhile
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


class Turn:
    """
    A place in the queue of writes. When it comes, the thread takes steps until one is an end.

    The steps are handed over one by one, by code that runs in an event loop meanwhile; whoever
    stands behind in the queue waits.

    Attributes:
        begun: done when the transaction has begun; cancelled before, it never does.
        wakes: whether a commit is of interest to who follows the log.
    """

    def __init__(self, store: str) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self.begun: asyncio.Future[None] = self._loop.create_future()
        self.wakes = False
        self._lock = Lock()
        self._over = False
        self._steps: SimpleQueue[tuple[Step | End, asyncio.Future[Any]]] = SimpleQueue()

    def submit(self, step: Step | End) -> asyncio.Future[Any]:
        """Hand over a step; its result comes by the future. Cancelled before, it is left out."""
        future: asyncio.Future[Any] = self._loop.create_future()
        with self._lock:
            if self._over:
                raise StoreClosedError(self._store)
            self._steps.put((step, future))
        return future

    def run(self, database: Database) -> bool:
        """Take the turn, on the thread; return whether the transaction was committed."""
        told: asyncio.Future[Any] = self.begun
        outcome: BaseException | None = None
        committed = False
        try:
            with database.transaction() as connection:
                settle(told)
                end, told = self._take_steps(database, connection)
                if end is not End.COMMIT or told.cancelled():
                    raise _Undone
                database.require_transaction(connection)
            committed = True
        except _Undone:
            pass
        except BaseException as error:  # it belongs to the caller, and the thread must go on
            outcome = error
        self._finish()
        settle(told, outcome)
        return committed

    def _take_steps(
        self, database: Database, connection: sqlite3.Connection
    ) -> tuple[End, asyncio.Future[Any]]:
        while True:
            step, future = self._steps.get()
            if isinstance(step, End):
                return step, future
            if future.cancelled():
                continue
            try:
                database.require_transaction(connection)
                with database.translation:
                    result = in_savepoint(connection, step)
            except BaseException as error:  # as above
                settle(future, error)
            else:
                settle(future, result=result)

    def _finish(self) -> None:
        """Refuse what comes too late, and what has come already."""
        with self._lock:
            self._over = True
        with suppress(Empty):
            while True:
                _, future = self._steps.get_nowait()
                settle(future, StoreClosedError(self._store))
