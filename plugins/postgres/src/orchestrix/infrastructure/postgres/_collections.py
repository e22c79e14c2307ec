"""
Documents: what is sent to the server for each operation on them, and what its answer means.

Arguments are checked and bodies are serialized before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar

import attrs

from orchestrix.infrastructure.postgres._append import LARGEST, check_text
from orchestrix_core import Document, RevisionConflictError
from orchestrix_core.validation import (
    check_due,
    check_id,
    check_range,
    decode_state,
    encode_body,
)
from orchestrix_core.validation import check_text as check_unicode

__all__ = ["Question", "delete", "find", "get", "lock_and_get", "put"]

T = TypeVar("T")

_LONGEST: Final = 2000  # bytes: what the index holds for certain
_LAST: Final = chr(0x10FFFF)
_BEYOND: Final = _LAST * (_LONGEST // 4 + 1)  # above every key


@attrs.frozen
class Question(Generic[T]):
    """A statement of `queries.sql`, and how its rows are read."""

    name: str
    arguments: tuple[Any, ...]
    read: Callable[[list[Any]], T]


def get(collection: str, key: str) -> Question[Document | None]:
    """Ask for one document."""
    return _get("get_document", collection, key)


def lock_and_get(collection: str, key: str) -> Question[Document | None]:
    """Ask for one document, and keep others from changing it, or from making it."""
    return _get("lock_document", collection, key)


def _get(query: str, collection: str, key: str) -> Question[Document | None]:
    _check_place(collection, key)

    def read(rows: list[Any]) -> Document | None:
        return _document(collection, rows[0]) if rows else None

    return Question(query, (collection, key), read)


def find(
    collection: str, *, prefix: str, after: str, due: datetime | None, limit: int
) -> Question[list[Document]]:
    """Ask for a page of a collection, by key, or by when they are due."""
    _check_name(collection, "collection")
    for argument, value in (("prefix", prefix), ("after", after)):
        check_unicode(value, argument)
        check_text(value, argument)
    size = min(check_range(limit, "limit", 1), LARGEST)
    moment = check_due(due)
    first = max(prefix, after + "\1" if after else "")  # nothing is between: there is no NUL
    arguments = (collection, first, _end_of(prefix), size)

    def read(rows: list[Any]) -> list[Document]:
        return [_document(collection, row) for row in rows]

    if moment is None:
        return Question("find_documents", arguments, read)
    return Question("find_due_documents", (*arguments, moment), read)


def put(
    collection: str, key: str, body: Mapping[str, Any], *, expect: int | None, due: datetime | None
) -> Question[int]:
    """Have a document written whole; the answer is its new revision."""
    _check_place(collection, key, expect)
    text = encode_body(dict(body) if isinstance(body, Mapping) else body).decode()
    arguments = (collection, key, text, check_due(due), _sent(expect))
    return Question("put_document", arguments, lambda rows: _revision(rows, arguments, expect))


def delete(collection: str, key: str, *, expect: int | None) -> Question[bool]:
    """Have a document removed; the answer is whether it was there."""
    _check_place(collection, key, expect)
    arguments = (collection, key, _sent(expect))
    return Question(
        "delete_document", arguments, lambda rows: _revision(rows, arguments, expect) > 0
    )


def _revision(rows: list[Any], arguments: tuple[Any, ...], expect: int | None) -> int:
    """Return the revision that the server's function tells, if it is no refusal."""
    revision = int(rows[0][0])
    if revision < 0:
        collection, key = arguments[:2]
        raise RevisionConflictError(collection, key, expect or 0, -1 - revision)
    return revision


def _check_name(value: Any, argument: str) -> None:
    check_id(value, argument)
    check_text(value, argument)


def _check_place(collection: Any, key: Any, expect: Any = None) -> None:
    _check_name(collection, "collection")
    _check_name(key, "key")
    if len(collection.encode()) + len(key.encode()) > _LONGEST:
        msg = f"collection and key must be at most {_LONGEST} bytes long together"
        raise ValueError(msg)
    if expect is not None:
        check_range(expect, "expect")


def _sent(expect: int | None) -> int | None:
    """Beyond the server's integers no document has a revision, and the largest will do."""
    return None if expect is None else min(expect, LARGEST)


def _end_of(prefix: str) -> str:
    """Return a text above all keys that start with `prefix`, and below or at all others."""
    stem = prefix.rstrip(_LAST)
    if not stem:
        return _BEYOND
    following = ord(stem[-1]) + 1
    return stem[:-1] + chr(0xE000 if following == 0xD800 else following)  # no surrogates


def _document(collection: str, row: Any) -> Document:
    key, body, revision, due = row
    return Document(
        collection=collection,
        key=key,
        body=decode_state(body),
        revision=revision,
        due=due and due.replace(tzinfo=UTC),  # asyncpg leaves it out of the first and the last
    )
