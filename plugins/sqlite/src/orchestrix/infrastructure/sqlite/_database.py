"""
The connections to one file: a single one that writes, and a few that read.

Plain and synchronous, and safe to use from several threads. Writers of one process take turns at a
lock here, those of several processes at SQLite's own (`BEGIN IMMEDIATE`). Readers see the last
commit and wait for nobody.

Waiting for another process's write is done here: SQLite's own way sleeps for up to 100 ms between
two tries, and so misses every gap that a busy neighbour leaves.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Lock
from typing import TypeVar

from orchestrix.infrastructure.sqlite._config import SQLiteConfig
from orchestrix.infrastructure.sqlite._errors import Translation, is_busy
from orchestrix.infrastructure.sqlite._operations import Read, Write
from orchestrix.infrastructure.sqlite._schema import inspect, prepare
from orchestrix_core import StorageError, StoreClosedError

__all__ = ["Database", "in_savepoint"]

T = TypeVar("T")

_WAL_LIMIT = 64 * 2**20  # bytes that the log of writes keeps on disk after a large append
_RETRY_SECONDS = 0.001


class Database:
    """`name` is what `StoreClosedError` calls the store."""

    def __init__(self, config: SQLiteConfig, name: str) -> None:
        self.config = config
        self._path = config.path.absolute()  # a later connection must not follow a chdir
        self._name = name
        self.translation = Translation(config.path, config.busy_timeout)
        self._lifecycle = Lock()
        self._write_lock = Lock()
        self._writer: sqlite3.Connection | None = None
        self._readers: SimpleQueue[sqlite3.Connection | None] = SimpleQueue()
        self._process = 0

    def open(self) -> None:
        """Open the file, creating or upgrading its schema; a second call does nothing."""
        with self._lifecycle, self.translation:
            if self._writer is not None:
                return
            if not (self.config.create or self._path.exists()):
                msg = f"{self._path}: there is no such file: check the path"
                raise StorageError(msg)
            inspect(self._path, self.config.busy_timeout)
            opened: list[sqlite3.Connection] = []
            try:
                for _ in range(self.config.readers + 1):
                    opened.append(self._connect())
                    if len(opened) == 1:
                        self._prepare(opened[0])
                    else:
                        opened[-1].execute("PRAGMA query_only = ON")
            except BaseException:
                _close(opened)
                raise
            self._start(*opened)

    def _start(self, writer: sqlite3.Connection, *readers: sqlite3.Connection) -> None:
        self._readers = SimpleQueue()
        for reader in readers:
            self._readers.put(reader)
        self._process = os.getpid()
        self._writer = writer

    def connect(self) -> sqlite3.Connection:
        """Return one more connection for reading; the caller closes it."""
        self.require_open()
        with self.translation:
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=self.config.busy_timeout,
            isolation_level=None,  # transactions begin and end where this module says so
            check_same_thread=False,  # the locks here see to it
        )
        try:
            connection.execute(f"PRAGMA synchronous = {self.config.synchronous}")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        self._patiently(lambda: prepare(connection, self._path))
        connection.execute("PRAGMA busy_timeout = 0")  # from here on, `_patiently` does it

    def _patiently(self, action: Callable[[], object]) -> None:
        """Try again while another process writes, for `busy_timeout` seconds at the longest."""
        deadline = time.monotonic() + self.config.busy_timeout
        while True:
            try:
                action()
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_SECONDS)
            else:
                return

    def _begin(self, connection: sqlite3.Connection) -> None:
        self._patiently(lambda: connection.execute("BEGIN IMMEDIATE"))

    def close(self) -> None:
        """Wait for what runs, then close every connection; a second call does nothing."""
        with self._lifecycle:
            with self._write_lock:
                writer, self._writer = self._writer, None
            if writer is None:
                return
            readers = [self._readers.get() for _ in range(self.config.readers)]
            self._readers.put(None)  # whoever still waits for a reader is told
            with self.translation:
                _close([*(reader for reader in readers if reader), writer])

    def require_open(self) -> sqlite3.Connection:
        """Return the connection that writes, which only `write` may use."""
        if self._writer is None:
            raise StoreClosedError(self._name)
        if self._process != os.getpid():
            msg = (
                f"{self.config.path}: {self._name} was opened before this process was forked, and "
                "SQLite connections must not cross a fork: open a store in each process"
            )
            raise StorageError(msg)
        return self._writer

    def read(self, operation: Read[T]) -> T:
        """Run a read on a connection that nobody else uses meanwhile."""
        self.require_open()
        readers = self._readers
        connection = readers.get()
        try:
            if connection is None:
                raise StoreClosedError(self._name)
            with self.translation:
                return operation(connection)
        finally:
            readers.put(connection)

    def write(self, operation: Write) -> None:
        """Run one write in a transaction of its own, durable when this returns."""
        with self.transaction() as connection:
            operation(connection)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the connection that writes; what the block changed is durable after its end."""
        with self._write_lock:
            connection = self.require_open()
            with self.translation:
                self._begin(connection)
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    _roll_back(connection)
                    raise

    def require_transaction(self, connection: sqlite3.Connection) -> None:
        """Refuse to go on where SQLite has ended a transaction by itself, as for a full disk."""
        if not connection.in_transaction:
            msg = (
                f"{self.config.path}: SQLite gave this transaction up when a statement in it "
                "failed; nothing of it was stored: repeat it"
            )
            raise StorageError(msg)

    def write_together(self, operations: Sequence[Write]) -> list[BaseException | None]:
        """
        Run several writes for the price of one commit; return what each of them raised.

        Each stands or falls alone. When the transaction itself fails (say, the disk is full), what
        it held is tried again one by one, so that a large write takes no small one with it.
        """
        with self._write_lock:
            connection = self.require_open()
            with self.translation:
                self._begin(connection)
            try:
                outcomes = [_in_savepoint(connection, operation) for operation in operations]
                connection.execute("COMMIT")
            except sqlite3.Error:
                _roll_back(connection)
            except BaseException:
                _roll_back(connection)
                raise
            else:
                return outcomes
        return [self._outcome(operation) for operation in operations]

    def _outcome(self, operation: Write) -> BaseException | None:
        try:
            self.write(operation)
        except Exception as error:
            return error
        return None


def _in_savepoint(connection: sqlite3.Connection, operation: Write) -> BaseException | None:
    try:
        in_savepoint(connection, operation)
    except sqlite3.Error:
        raise  # the disk, not this write: the transaction may be gone
    except Exception as error:
        return error
    return None


def in_savepoint(connection: sqlite3.Connection, step: Callable[[sqlite3.Connection], T]) -> T:
    """Run one step of a transaction; one that raises has changed nothing of it."""
    connection.execute("SAVEPOINT step")
    try:
        result = step(connection)
    except BaseException:
        if connection.in_transaction:  # SQLite ends it by itself after some errors
            connection.execute("ROLLBACK TO step")
            connection.execute("RELEASE step")
        raise
    connection.execute("RELEASE step")
    return result


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # SQLite ends it by itself after some errors
        connection.execute("ROLLBACK")


def _close(connections: Sequence[sqlite3.Connection]) -> None:
    for connection in connections:
        connection.close()
