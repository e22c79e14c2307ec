"""The two threads that an async store may have: one writes, one watches other processes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from queue import Empty, SimpleQueue
from threading import Event as Flag
from threading import Lock, Thread
from typing import Final, NamedTuple

from orchestrix.infrastructure.sqlite._database import Database
from orchestrix.infrastructure.sqlite._operations import Write
from orchestrix.infrastructure.sqlite._turn import End, Turn, settle
from orchestrix_core import StoreClosedError

__all__ = ["Watcher", "Writer"]

_MOST_TOGETHER: Final = 256


class Request(NamedTuple):
    """A write that waits; its future is its caller's."""

    operation: Write
    future: asyncio.Future[None]


class Writer:
    """
    Runs writes in the order in which they came, on a thread of its own.

    What came while a commit was under way is written together, in the next one. A store at rest
    writes at once, and nobody waits for company. A transaction has the thread to itself, from when
    its turn comes until its end.
    """

    def __init__(self, database: Database, committed: Callable[[], None], store: str) -> None:
        self._database = database
        self._committed = committed
        self._store = store
        self._lock = Lock()
        self._ending = False
        self._turn: Turn | None = None
        self._requests: SimpleQueue[Request | Turn | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="orchestrix-sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, operation: Write) -> asyncio.Future[None]:
        """Return a future of the running event loop; cancelled before its turn, nothing is done."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests.put(Request(operation, future))
        return future

    def take(self, turn: Turn) -> None:
        """Let a transaction have its turn after what was submitted before."""
        self._requests.put(turn)

    def stop(self) -> None:
        """Undo the transaction that is open, write what was submitted, then end."""
        with self._lock:
            self._ending = True
            if self._turn is not None:
                with suppress(StoreClosedError):  # it has just ended
                    self._turn.submit(End.CLOSE)
        self._requests.put(None)
        self._thread.join()

    def _run(self) -> None:
        for work in self._works():
            if isinstance(work, Turn):
                self._give(work)
            elif wanted := [request for request in work if not request.future.cancelled()]:
                self._write(wanted)

    def _works(self) -> Iterator[list[Request] | Turn]:
        """Yield what is written together, and the transactions between, in order."""
        while (work := self._requests.get()) is not None:
            batch: list[Request] = []
            with suppress(Empty):
                while isinstance(work, Request):
                    batch.append(work)
                    if len(batch) == _MOST_TOGETHER:
                        break
                    work = self._requests.get_nowait()
            if batch:
                yield batch
            if work is None:
                return
            if isinstance(work, Turn):
                yield work

    def _give(self, turn: Turn) -> None:
        with self._lock:
            refused = self._ending
            self._turn = None if refused else turn
        if refused:
            settle(turn.begun, StoreClosedError(self._store))
        elif not turn.begun.cancelled() and turn.run(self._database) and turn.wakes:
            self._committed()
        with self._lock:
            self._turn = None

    def _write(self, requests: Sequence[Request]) -> None:
        outcomes = self._outcomes([operation for operation, _ in requests])
        for request, outcome in zip(requests, outcomes, strict=True):
            settle(request.future, outcome)
        self._committed()

    def _outcomes(self, operations: Sequence[Write]) -> Sequence[BaseException | None]:
        try:
            if len(operations) > 1:
                return self._database.write_together(operations)
            self._database.write(operations[0])
        except BaseException as error:  # it belongs to the callers, and this thread must go on
            return [error] * len(operations)
        return [None]


class Watcher:
    """
    Looks again and again whether another connection has committed, while anyone waits for it.

    `PRAGMA data_version` answers from shared memory, in microseconds, without reading the file.
    """

    def __init__(
        self, database: Database, is_awaited: Callable[[], bool], changed: Callable[[], None]
    ) -> None:
        self._connection = database.connect()
        self._interval = database.config.poll_interval
        self._is_awaited = is_awaited
        self._changed = changed
        self._end = Flag()
        self._thread = Thread(target=self._run, name="orchestrix-sqlite-watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, and close the connection."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        with closing(self._connection):
            # No version is known at first, so the first look always wakes: a commit that came
            # before it, but after the subscription had read, is not lost.
            last: int | None = None
            while not self._end.wait(self._interval):
                if self._is_awaited():
                    now = self._version()
                    if now is None or now != last:
                        last = now
                        self._changed()

    def _version(self) -> int | None:
        """Return a number that changes with each commit, None when that cannot be told."""
        try:
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:  # wake the subscriptions: their own read raises what is wrong
            return None
        return int(version)
