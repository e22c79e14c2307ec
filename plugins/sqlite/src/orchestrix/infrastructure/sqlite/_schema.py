"""Makes a file ours, brings an older one up to date, and leaves everyone else's alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from orchestrix.infrastructure.sqlite._errors import primary_code
from orchestrix.infrastructure.sqlite._sql import MIGRATIONS, QUERIES, SCHEMA, statements
from orchestrix_core import StorageError

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "inspect", "prepare"]

APPLICATION_ID: Final = 0x4F525854
"""`ORXT`: says in the file's header whose it is (`PRAGMA application_id`)."""
SCHEMA_VERSION: Final = max(MIGRATIONS)
OLDEST_SQLITE: Final = (3, 37)  # STRICT tables


def inspect(path: Path, busy_timeout: float) -> None:
    """
    Refuse a file that is not ours to open, before anything could change it.

    A read-only connection: an ordinary one may move the write-ahead log of another application
    into its database when it closes.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        msg = f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or later is needed"
        raise StorageError(msg)
    if not path.is_file() or path.stat().st_size == 0:
        return
    address = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, timeout=busy_timeout, uri=True)) as connection:
        try:
            _version(connection, path)
        except sqlite3.OperationalError as error:
            # Its maker died while making it; the connection that may write will put it right.
            if primary_code(error) not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
                raise


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Create the schema or migrate to it; any number of processes may try at the same time."""
    version = _version(connection, path)
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        msg = f"{path}: this file system offers no write-ahead log ({mode}): use a local disk"
        raise StorageError(msg)
    if version < SCHEMA_VERSION:
        _upgrade(connection, path)


def _upgrade(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN EXCLUSIVE")
    try:
        version = _version(connection, path)  # again: another process may have been faster
        scripts = [MIGRATIONS[step] for step in range(version + 1, SCHEMA_VERSION + 1)]
        for script in scripts if version else [SCHEMA]:
            for statement in statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the schema version of the file, 0 for an empty one."""
    # One statement, so that no other process's commit falls between the three.
    owner, version, objects = connection.execute(QUERIES["ownership"]).fetchone()
    if owner == 0 and version == 0 and objects == 0:
        return 0
    if owner != APPLICATION_ID:
        msg = (
            f"{path}: this is the database of another application "
            f"(application_id {owner:#x}); it was not touched: choose another path"
        )
        raise StorageError(msg)
    if version > SCHEMA_VERSION:
        msg = (
            f"{path}: written with schema {version}, newer than {SCHEMA_VERSION}, the newest known "
            "here; it was not touched: upgrade orchestrix-sqlite"
        )
        raise StorageError(msg)
    return int(version)
