"""For operators: is the file sound, and a copy of it while it is in use."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import NamedTemporaryFile

from orchestrix.infrastructure.sqlite._errors import Translation
from orchestrix.infrastructure.sqlite._operations import Read
from orchestrix.infrastructure.sqlite._sql import QUERIES
from orchestrix_core import StorageError

__all__ = ["backup", "problems"]


def problems(connection: sqlite3.Connection) -> list[str]:
    """Return what is wrong with the file, `[]` for a sound one; reads all of it."""
    try:
        found = [text for (text,) in connection.execute("PRAGMA integrity_check")]
        gaps = connection.execute(QUERIES["streams_with_gaps"]).fetchall()
        late = connection.execute(QUERIES["events_out_of_order"]).fetchall()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise  # locked, unreadable: not the file's fault
        return [str(error)]
    return [
        *(text for text in found if text != "ok"),
        *(f"stream {id!r} holds {count} events up to version {top}" for id, count, top in gaps),
        *(f"stream {id!r}: version {version} stands before an earlier one" for id, version in late),
    ]


def backup(source: Path, target: Path, *, overwrite: bool) -> Read[None]:
    """
    Copy the last committed state into `target`, which appears whole or not at all.

    One step and not many: SQLite starts a stepwise copy anew after each write of another
    connection, and a reader that takes its time stops no writer here.
    """
    _check_target(source, target, overwrite=overwrite)

    def run(connection: sqlite3.Connection) -> None:
        try:
            _copy(connection, target, overwrite=overwrite)
        except FileExistsError:
            raise
        except OSError as error:
            msg = f"{target}: the backup failed and left nothing behind: {error}"
            raise StorageError(msg) from error

    return run


def _check_target(source: Path, target: Path, *, overwrite: bool) -> None:
    if target.exists() and source.exists() and target.samefile(source):
        msg = f"target must not be the store's own file {str(source)!r}"
        raise ValueError(msg)
    if target.exists() and not overwrite:
        msg = f"{target} exists: choose another target, or allow it with overwrite=True"
        raise FileExistsError(msg)
    log = target.with_name(f"{target.name}-wal")
    if log.exists():
        msg = f"{target} is in use or was not closed ({log.name} exists): choose another target"
        raise StorageError(msg)


def _copy(connection: sqlite3.Connection, target: Path, *, overwrite: bool) -> None:
    with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
        temporary = Path(file.name)
    try:
        with Translation(target), closing(sqlite3.connect(temporary)) as copy:
            connection.backup(copy)
        if overwrite:
            temporary.replace(target)
        else:
            _rename_to_new(temporary, target)
        _sync_directory(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _rename_to_new(temporary: Path, target: Path) -> None:
    """Give the file its name unless the name was taken meanwhile, as a plain rename would not."""
    try:
        target.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:  # a file system without links, say a memory stick
        if target.exists():
            raise
        temporary.replace(target)


def _sync_directory(directory: Path) -> None:
    """Make the new name as durable as the file it names."""
    if os.name != "posix":  # elsewhere a directory cannot be opened
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
