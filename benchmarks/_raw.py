"""
`sqlite3` by hand, as the baseline: same pragmas, same tables, same documents, and nothing else.

No checks, no versions looked up, no errors translated, one connection for everything.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks._events import OrderPlaced

Encode: TypeAlias = Callable[[OrderPlaced], bytes]
Row: TypeAlias = tuple[Any, ...]

_SCHEMA = files("orchestrix.infrastructure.sqlite") / "sql" / "schema.sql"
_INSERT = """
    INSERT INTO events (aggregate_id, version, event_id, type, schema_version, trace_id, document)
    VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_TYPE = OrderPlaced.__message_type__


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a file with the tables of the plugin."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(_SCHEMA.read_text(encoding="utf-8"))
        yield connection


def append(
    connection: sqlite3.Connection,
    encode: Encode,
    stream: str,
    version: int,
    events: Sequence[OrderPlaced],
) -> None:
    """Write events in a transaction of their own."""
    rows = [
        _row(stream, number, event, encode(event))
        for number, event in enumerate(events, version + 1)
    ]
    connection.execute("BEGIN IMMEDIATE")
    if len(rows) == 1:
        connection.execute(_INSERT, rows[0])
    else:
        connection.executemany(_INSERT, rows)
    connection.execute("COMMIT")


def _row(stream: str, version: int, event: OrderPlaced, document: bytes) -> Row:
    key = bytes.fromhex(event.id.replace("-", ""))
    return stream, version, key, _TYPE, 1, event.trace_id, document


def stream(connection: sqlite3.Connection, stream: str) -> list[bytes]:
    """Return the documents of a stream."""
    query = "SELECT document FROM events WHERE aggregate_id = ? ORDER BY version"
    return _documents(connection, query, stream)


def trace(connection: sqlite3.Connection, trace_id: str) -> list[bytes]:
    """Return the documents of a trace."""
    query = "SELECT document FROM events WHERE trace_id = ? ORDER BY position"
    return _documents(connection, query, trace_id)


def log(connection: sqlite3.Connection, after: int, limit: int) -> list[bytes]:
    """Return the documents of a page of the log."""
    query = "SELECT document FROM events WHERE position > ? ORDER BY position LIMIT ?"
    return _documents(connection, query, after, limit)


def _documents(connection: sqlite3.Connection, query: str, *arguments: Any) -> list[bytes]:
    return [document for (document,) in connection.execute(query, arguments).fetchall()]
