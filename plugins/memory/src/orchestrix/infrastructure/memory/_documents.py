"""
Documents and drafts of changes to them: pure, synchronous, and all that a transaction changes.

A body is kept as JSON, so that what a reader gets is its own and nobody changes what is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, TypeAlias

import attrs

from orchestrix_core import Document, RevisionConflictError
from orchestrix_core.validation import (
    check_due,
    check_id,
    check_range,
    check_text,
    decode_state,
    encode_body,
)

__all__ = ["DocumentDraft", "Documents"]


@attrs.frozen
class _Stored:
    body: bytes
    revision: int
    due: datetime | None

    def opened(self, collection: str, key: str) -> Document:
        """Return it as a reader gets it."""
        return Document(
            collection=collection,
            key=key,
            body=decode_state(self.body),
            revision=self.revision,
            due=self.due,
        )


Rows: TypeAlias = Mapping[str, _Stored]
"""The documents of one collection, by key."""


class _Readable:
    """How documents are read, wherever the rows of a collection come from."""

    def _rows(self, collection: str) -> Rows:
        raise NotImplementedError

    def _row(self, collection: str, key: str) -> _Stored | None:
        check_id(collection, "collection")
        check_id(key, "key")
        return self._rows(collection).get(key)

    def get(self, collection: str, key: str) -> Document | None:
        """Return a document, or None."""
        stored = self._row(collection, key)
        return None if stored is None else stored.opened(collection, key)

    def find(
        self, collection: str, prefix: str, after: str, due: datetime | None, limit: int
    ) -> list[Document]:
        """Return up to `limit` documents: in the order of their keys, or as they are due."""
        check_id(collection, "collection")
        check_text(prefix, "prefix")
        check_text(after, "after")
        check_range(limit, "limit", least=1)
        moment = check_due(due)
        rows = self._rows(collection)
        keys = (key for key in rows if key > after and key.startswith(prefix))
        found = sorted(keys) if moment is None else _due(rows, keys, moment)
        return [rows[key].opened(collection, key) for key in found[:limit]]


def _due(rows: Rows, keys: Iterator[str], moment: datetime) -> list[str]:
    when = [(rows[key].due, key) for key in keys]
    due = [(at, key) for at, key in when if at is not None and at <= moment]
    return [key for _, key in sorted(due)]


class Documents(_Readable):
    """What is committed."""

    def __init__(self) -> None:
        self._collections: dict[str, dict[str, _Stored]] = {}

    def _rows(self, collection: str) -> Rows:
        return self._collections.get(collection, {})

    def draft(self) -> DocumentDraft:
        """Return an empty set of changes."""
        return DocumentDraft(self)

    def _apply(self, collection: str, changes: Mapping[str, _Stored | None]) -> None:
        rows = self._collections.setdefault(collection, {})
        for key, stored in changes.items():
            if stored is None:
                rows.pop(key, None)
            else:
                rows[key] = stored
        if not rows:
            del self._collections[collection]


class DocumentDraft(_Readable):
    """Changes; who reads through the draft sees them as if they were made, others do not."""

    def __init__(self, below: Documents) -> None:
        self._below = below
        self._changes: dict[str, dict[str, _Stored | None]] = {}

    def _rows(self, collection: str) -> Rows:
        changes = self._changes.get(collection)
        rows = self._below._rows(collection)
        if not changes:
            return rows
        return {key: row for key, row in {**rows, **changes}.items() if row is not None}

    def _row(self, collection: str, key: str) -> _Stored | None:
        changes = self._changes.get(collection, {})
        return changes[key] if key in changes else self._below._row(collection, key)

    def put(
        self,
        collection: str,
        key: str,
        body: Mapping[str, Any],
        expect: int | None,
        due: datetime | None,
    ) -> int:
        """Note a new body; return its revision."""
        revision = self._expected(collection, key, expect) + 1
        stored = _Stored(encode_body(body), revision, check_due(due))
        self._changes.setdefault(collection, {})[key] = stored
        return revision

    def delete(self, collection: str, key: str, expect: int | None) -> bool:
        """Note that the document is gone; return whether it was there."""
        there = self._expected(collection, key, expect) > 0
        if there:
            self._changes.setdefault(collection, {})[key] = None
        return there

    def _expected(self, collection: str, key: str, expect: int | None) -> int:
        """Return the revision that is there, 0 for none; refuse another than expected."""
        stored = self._row(collection, key)
        actual = 0 if stored is None else stored.revision
        if expect is not None and check_range(expect, "expect") != actual:
            raise RevisionConflictError(collection, key, expect, actual)
        return actual

    def commit(self) -> None:
        """Make every change at once."""
        for collection, changes in self._changes.items():
            self._below._apply(collection, changes)
