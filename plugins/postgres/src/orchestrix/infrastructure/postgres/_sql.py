"""Reads the `.sql` files: named queries, the schema, and the numbered migrations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Final

__all__ = ["MIGRATIONS", "QUERIES", "SCHEMA", "fill", "parse_queries"]

_FOLDER = files(__package__) / "sql"
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_NUMBERED = re.compile(r"^(\d{4})_\w+\.sql$")
_SENT: Final = {"json": "json_send(document)", "jsonb": "textsend(document::text)"}


def parse_queries(text: str) -> dict[str, str]:
    """Split a file into its blocks; each begins with `-- name: ...`, and holds one statement."""
    _, *parts = _NAME.split(text)
    queries: dict[str, str] = {}
    for name, block in zip(parts[::2], parts[1::2], strict=True):
        lines = [line for line in block.strip().splitlines() if not line.startswith("--")]
        statement = "\n".join(lines)
        if name in queries or statement.find(";") != len(statement) - 1:
            msg = f"the query {name!r} must stand once and hold one statement"
            raise ValueError(msg)
        queries[name] = statement.removesuffix(";")
    return queries


def fill(text: str, schema: str, payload: str) -> str:
    """Put the schema's name, which has no quote in it, and the payload type in their places."""
    filled = text.replace(':"schema"', f'"{schema}"').replace(":document", _SENT[payload])
    return filled.replace(":payload", payload)


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
