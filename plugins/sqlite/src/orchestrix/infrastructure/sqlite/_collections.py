"""
Documents, each operation on them as a function of a connection.

Arguments are checked and bodies are serialized when the operation is made, on the caller's side.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from orchestrix.infrastructure.sqlite._operations import Read
from orchestrix.infrastructure.sqlite._sql import QUERIES
from orchestrix_core import Document, RevisionConflictError
from orchestrix_core.validation import (
    check_due,
    check_id,
    check_range,
    check_text,
    decode_state,
    encode_body,
)

__all__ = ["delete_document", "find_documents", "get_document", "put_document"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LARGEST: Final = 2**63 - 1
_LAST: Final = chr(0x10FFFF)
_BEYOND: Final = b""  # SQLite sorts every blob after every text


def get_document(collection: str, key: str) -> Read[Document | None]:
    """Return one document, or None."""
    _check_place(collection, key)
    query = QUERIES["get_document"]

    def run(connection: sqlite3.Connection) -> Document | None:
        found = connection.execute(query, (collection, key)).fetchone()
        return None if found is None else _document(collection, *found)

    return run


def find_documents(
    collection: str, *, prefix: str, after: str, due: datetime | None, limit: int
) -> Read[list[Document]]:
    """Return a page of a collection, by key, or by when they are due."""
    check_id(collection, "collection")
    check_text(prefix, "prefix")
    check_text(after, "after")
    size = min(check_range(limit, "limit", 1), _LARGEST)
    moment = _stored(check_due(due))
    first = max(prefix, after + "\0" if after else "")
    due_by = () if moment is None else (moment,)
    query = QUERIES["find_due_documents" if due_by else "find_documents"]
    values = (collection, *due_by, first, _end_of(prefix), size)
    return lambda connection: [
        _document(collection, *row) for row in connection.execute(query, values).fetchall()
    ]


def put_document(
    collection: str, key: str, body: Mapping[str, Any], *, expect: int | None, due: datetime | None
) -> Read[int]:
    """Write a document whole; return its new revision."""
    _check_place(collection, key, expect)
    row = (collection, key, _encoded(body), _stored(check_due(due)))
    query = QUERIES["put_document"]

    def run(connection: sqlite3.Connection) -> int:
        _check_revision(connection, collection, key, expect)
        (revision,) = connection.execute(query, row).fetchone()
        return int(revision)

    return run


def delete_document(collection: str, key: str, *, expect: int | None) -> Read[bool]:
    """Remove a document; return whether it was there."""
    _check_place(collection, key, expect)
    query = QUERIES["delete_document"]

    def run(connection: sqlite3.Connection) -> bool:
        _check_revision(connection, collection, key, expect)
        return connection.execute(query, (collection, key)).rowcount > 0

    return run


def _check_revision(
    connection: sqlite3.Connection, collection: str, key: str, expect: int | None
) -> None:
    """Compare, while the write lock keeps everyone else from writing."""
    if expect is None:
        return
    found = connection.execute(QUERIES["document_revision"], (collection, key)).fetchone()
    actual = found[0] if found else 0
    if actual != expect:
        raise RevisionConflictError(collection, key, expect, actual)


def _check_place(collection: Any, key: Any, expect: Any = None) -> None:
    check_id(collection, "collection")
    check_id(key, "key")
    if expect is not None:
        check_range(expect, "expect")


def _encoded(body: Any) -> str:
    return encode_body(dict(body) if isinstance(body, Mapping) else body).decode()


def _end_of(prefix: str) -> str | bytes:
    """Return the first key after all that start with `prefix`."""
    stem = prefix.rstrip(_LAST)
    if not stem:
        return _BEYOND
    following = ord(stem[-1]) + 1
    return stem[:-1] + chr(0xE000 if following == 0xD800 else following)  # no surrogates


def _stored(due: datetime | None) -> int | None:
    return None if due is None else (due - _EPOCH) // _MICROSECOND


def _document(collection: str, key: str, body: str, revision: int, due: int | None) -> Document:
    return Document(
        collection=collection,
        key=key,
        body=decode_state(body.encode()),
        revision=revision,
        due=None if due is None else _EPOCH + due * _MICROSECOND,
    )
