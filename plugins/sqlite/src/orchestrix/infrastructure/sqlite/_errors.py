"""The one place where an error of sqlite3 becomes one of ours."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import TracebackType

from orchestrix_core import StorageError

__all__ = ["Translation", "is_busy", "primary_code"]


def primary_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code; the extended ones keep it in their lowest byte."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether another connection was in the way, so that trying again may help."""
    return primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL)


_LOCKED = (
    "another writer held the lock for longer than busy_timeout ({timeout:g} s); nothing was "
    "written: try again, keep foreign transactions short, or raise busy_timeout"
)
_WHAT_TO_DO = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_FULL: "the disk is full; nothing was written: make room and save again",
    sqlite3.SQLITE_IOERR: (
        "reading or writing failed; nothing was written: look at the disk, its quota and its "
        "file size limit, then save again"
    ),
    sqlite3.SQLITE_CORRUPT: (
        "the file is damaged: run integrity_check() and restore a backup made with backup()"
    ),
    sqlite3.SQLITE_NOTADB: "this is not an SQLite database: choose another path",
    sqlite3.SQLITE_READONLY: (
        "the file or its directory cannot be written: give this process the right to write both"
    ),
    sqlite3.SQLITE_PERM: "access is denied: give this process the right to read and write it",
    sqlite3.SQLITE_CANTOPEN: (
        "the file cannot be opened: its directory must exist, and this process must be allowed to "
        "read and write both"
    ),
}


class Translation:
    """A reusable context manager: an error of sqlite3 inside leaves as `StorageError`."""

    def __init__(self, path: Path, busy_timeout: float = 0.0) -> None:
        self._path = path
        self._busy_timeout = busy_timeout

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, sqlite3.Error):
            raise self.storage_error(error) from error

    def storage_error(self, error: sqlite3.Error) -> StorageError:
        """Name the file, what SQLite said, and what to do."""
        advice = _WHAT_TO_DO.get(primary_code(error), "nothing was written")
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        what = advice.format(timeout=self._busy_timeout)
        return StorageError(f"{self._path}: {what} (SQLite: {error}, {name})")
