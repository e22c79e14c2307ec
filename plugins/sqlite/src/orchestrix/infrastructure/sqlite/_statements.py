"""Statements of the application's own, each as a function of a connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from orchestrix.infrastructure.sqlite._operations import Read
from orchestrix.infrastructure.sqlite._sql import QUERIES
from orchestrix_core.validation import check_statement

__all__ = ["execute", "fetch"]

_NOT_HERE: Final = ("ATTACH", "DETACH", "PRAGMA", "VACUUM")
"""They change the connection, which others use after this."""


class _Arguments(dict[str, Any]):
    """The values of `$1`, `$2` and so on; knows which of them no statement has asked for."""

    def __init__(self, values: Sequence[Any]) -> None:
        super().__init__((str(number), value) for number, value in enumerate(values, 1))
        self.unused = dict.fromkeys(self)

    def __getitem__(self, name: str) -> Any:
        self.unused.pop(name, None)
        return super().__getitem__(name)


def execute(statement: str, arguments: Sequence[Any]) -> Read[int]:
    """Run one statement; return how many rows it changed."""
    check_statement(statement, *_NOT_HERE)

    def run(connection: sqlite3.Connection) -> int:
        before = connection.total_changes
        _rows(connection, statement, arguments)
        if connection.total_changes == before:  # for one that changes no rows, an old count stays
            return 0
        (changed,) = connection.execute(QUERIES["changes"]).fetchone()
        return int(changed)

    return run


def fetch(statement: str, arguments: Sequence[Any]) -> Read[list[sqlite3.Row]]:
    """Run one query; return its rows."""
    check_statement(statement, *_NOT_HERE)
    return lambda connection: _rows(connection, statement, arguments)


def _rows(
    connection: sqlite3.Connection, statement: str, arguments: Sequence[Any]
) -> list[sqlite3.Row]:
    values = _Arguments(arguments)
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    try:
        rows: list[sqlite3.Row] = cursor.execute(statement, values).fetchall()
    except (sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.Warning) as error:
        msg = f"the statement or its arguments cannot be used (SQLite: {error}): {statement!r}"
        raise ValueError(msg) from error
    except OverflowError as error:
        msg = f"an argument is beyond SQLite's integers, which have 64 bits: {statement!r}"
        raise ValueError(msg) from error
    finally:
        cursor.close()
    if values.unused:
        names = ", ".join(f"${name}" for name in values.unused)
        msg = f"arguments were given for {names}, which the statement does not have: {statement!r}"
        raise ValueError(msg)
    return rows
