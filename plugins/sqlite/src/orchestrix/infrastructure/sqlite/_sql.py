"""Reads the `.sql` files: named queries, the schema, and the numbered migrations."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Final

__all__ = ["MIGRATIONS", "QUERIES", "SCHEMA", "parse_queries", "statements"]

_FOLDER = files(__package__) / "sql"
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_NUMBERED = re.compile(r"^(\d{4})_\w+\.sql$")


def parse_queries(text: str) -> dict[str, str]:
    """Split a file into its blocks; each begins with `-- name: ...`, and holds one statement."""
    _, *parts = _NAME.split(text)
    queries: dict[str, str] = {}
    for name, block in zip(parts[::2], parts[1::2], strict=True):
        found = list(statements(block))
        if name in queries or len(found) != 1:
            msg = f"the query {name!r} must stand once and hold one statement"
            raise ValueError(msg)
        queries[name] = found[0]
    return queries


def statements(script: str) -> Iterator[str]:
    """Yield the statements of a script, without the comments that stand before each."""
    statement = ""
    for line in script.splitlines(keepends=True):
        if not statement and (not line.strip() or line.startswith("--")):
            continue
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement.strip().removesuffix(";")
            statement = ""
    if statement:
        msg = f"this statement has no end: {statement.strip()!r}"
        raise ValueError(msg)


def _migrations() -> Iterator[tuple[int, str]]:
    for file in (_FOLDER / "migrations").iterdir():
        if found := _NUMBERED.match(file.name):
            yield int(found[1]), file.read_text(encoding="utf-8")


QUERIES: Final[Mapping[str, str]] = MappingProxyType(
    parse_queries((_FOLDER / "queries.sql").read_text(encoding="utf-8"))
)
SCHEMA: Final = (_FOLDER / "schema.sql").read_text(encoding="utf-8")
MIGRATIONS: Final[Mapping[int, str]] = MappingProxyType(dict(sorted(_migrations())))
"""By the schema version that each leads to, from 1."""
