"""The store as plain functions."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Sequence
from pathlib import Path

from orchestrix.infrastructure.sqlite import _maintenance
from orchestrix.infrastructure.sqlite._config import SQLiteConfig, Synchronous
from orchestrix.infrastructure.sqlite._database import Database
from orchestrix.infrastructure.sqlite._operations import Operations, head
from orchestrix_core import (
    Event,
    JSONSerializer,
    RecordedEvent,
    Serializer,
    Snapshot,
    StreamInfo,
    StreamWrite,
)
from orchestrix_core.stores import Lifecycle

__all__ = ["SQLiteSyncEventStore"]


class SQLiteSyncEventStore(Lifecycle):
    """
    `SQLiteEventStore` without asyncio; may be used from several threads.

    The arguments are those of `SQLiteConfig`; a `serializer` takes the place of the default one,
    and of its `unknown`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: Synchronous = "full",
        busy_timeout: float = 30.0,
        readers: int = 2,
        create: bool = True,
        serializer: Serializer | None = None,
    ) -> None:
        config = SQLiteConfig(
            path=Path(path),
            synchronous=synchronous,
            busy_timeout=busy_timeout,
            readers=readers,
            create=create,
        )
        self._config = config
        self._database = Database(config, repr(self))
        self._operations = Operations(serializer or JSONSerializer())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._config.path)!r})"

    def initialize(self) -> None:
        """Open the file and create or upgrade its schema; a second call does nothing."""
        self._database.open()

    def close(self) -> None:
        """Wait for what runs and let go of the file; a second call does nothing."""
        self._database.close()

    def ping(self) -> bool:
        """Read from the file; `StorageError` says why that failed."""
        self._database.read(head)
        return True

    def about(self) -> dict[str, str]:
        """Return the version of SQLite, for reports."""
        return {"SQLite": sqlite3.sqlite_version}

    def save(
        self, aggregate_id: str, events: Sequence[Event], expected_version: int | None = None
    ) -> None:
        """Append all of `events` or none; durable when this returns."""
        self._database.write(self._operations.save(aggregate_id, events, expected_version))

    def save_all(self, writes: Sequence[StreamWrite]) -> None:
        """Append to several streams, all or none."""
        self._database.write(self._operations.save_all(writes))

    def load(self, aggregate_id: str, from_version: int | None = 0) -> list[Event]:
        """Return the events after the first `from_version`, in order; unknown: `[]`."""
        return self._database.read(self._operations.load(aggregate_id, from_version))

    def load_by_trace(self, trace_id: str) -> list[Event]:
        """Return the events with this `trace_id` over all streams, in log order."""
        return self._database.read(self._operations.load_by_trace(trace_id))

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep `snapshot` unless a newer one of the same aggregate is kept already."""
        self._database.write(self._operations.save_snapshot(snapshot))

    def load_snapshot(self, aggregate_id: str) -> Snapshot | None:
        """Return the newest snapshot of the aggregate, or None."""
        return self._database.read(self._operations.load_snapshot(aggregate_id))

    def read_log(
        self, after: int = 0, limit: int = 1000, types: Collection[str] | None = None
    ) -> list[RecordedEvent]:
        """Return up to `limit` events above position `after`; `types` keeps only these names."""
        return self._database.read(self._operations.read_log(after, limit, types))

    def head(self) -> int:
        """Return the highest committed position, 0 when the log is empty."""
        return self._database.read(head)

    def streams(self, after: str = "", limit: int = 1000) -> list[StreamInfo]:
        """Return up to `limit` streams with an id above `after`, in id order."""
        return self._database.read(self._operations.streams(after, limit))

    def integrity_check(self) -> list[str]:
        """Return what is wrong with the file, `[]` for a sound one; reads all of it."""
        return self._database.read(_maintenance.problems)

    def backup(self, target: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """
        Copy the last committed state to `target` while the store is in use.

        The copy appears whole or not at all, and opens as a store of its own.

        Raises:
            FileExistsError: `target` exists, and `overwrite` is not set.
        """
        source = self._config.path
        self._database.read(_maintenance.backup(source, Path(target), overwrite=overwrite))
