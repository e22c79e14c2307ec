"""The two threads that an async store may have: one writes, one watches other processes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from queue import Empty, SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import Final, TypeAlias

from orchestrix.infrastructure.sqlite._database import Database
from orchestrix.infrastructure.sqlite._operations import Write

__all__ = ["Watcher", "Writer"]

Request: TypeAlias = tuple[Write, "asyncio.Future[None]"]

_MOST_TOGETHER: Final = 256


class Writer:
    """
    Runs writes in the order in which they came, on a thread of its own.

    What came while a commit was under way is written together, in the next one. A store at rest
    writes at once, and nobody waits for company.
    """

    def __init__(self, database: Database, committed: Callable[[], None]) -> None:
        self._database = database
        self._committed = committed
        self._requests: SimpleQueue[Request | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="orchestrix-sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, operation: Write) -> asyncio.Future[None]:
        """Return a future of the running event loop; cancelled before its turn, nothing is done."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests.put((operation, future))
        return future

    def stop(self) -> None:
        """Write what was submitted, then end."""
        self._requests.put(None)
        self._thread.join()

    def _run(self) -> None:
        for batch in self._batches():
            wanted = [request for request in batch if not request[1].cancelled()]
            if wanted:
                self._write(wanted)

    def _batches(self) -> Iterator[list[Request]]:
        while (first := self._requests.get()) is not None:
            batch = [first]
            with suppress(Empty):
                while len(batch) < _MOST_TOGETHER:
                    following = self._requests.get_nowait()
                    if following is None:
                        yield batch
                        return
                    batch.append(following)
            yield batch

    def _write(self, requests: Sequence[Request]) -> None:
        outcomes = self._outcomes([operation for operation, _ in requests])
        for (_, future), outcome in zip(requests, outcomes, strict=True):
            with suppress(RuntimeError):  # its event loop is closed: nobody is there to be told
                future.get_loop().call_soon_threadsafe(_settle, future, outcome)
        self._committed()

    def _outcomes(self, operations: Sequence[Write]) -> Sequence[BaseException | None]:
        try:
            if len(operations) > 1:
                return self._database.write_together(operations)
            self._database.write(operations[0])
        except BaseException as error:  # it belongs to the callers, and this thread must go on
            return [error] * len(operations)
        return [None]


def _settle(future: asyncio.Future[None], outcome: BaseException | None) -> None:
    if future.done():  # cancelled while it was written
        return
    if outcome is None:
        future.set_result(None)
    else:
        future.set_exception(outcome)


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
