"""Where dead letters stand: by stream, then by position, so that one look finds the first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, unquote

from orchestrix_core.documents import Document

__all__ = ["DUE", "first_letters", "key_of", "prefix_of", "stream_of"]

DUE: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""When a letter is due that is to be handled again: at any time, whatever the clocks say."""


def prefix_of(aggregate_id: str) -> str:
    """Return what the keys of a stream's letters begin with, and those of no other."""
    return quote(aggregate_id, safe="") + "/"


def key_of(aggregate_id: str, position: int) -> str:
    """Return the key of an event's letter: in the order of the events within a stream."""
    return f"{prefix_of(aggregate_id)}{position:020}"


def stream_of(key: str) -> str:
    """Return the stream of a letter."""
    return unquote(key.partition("/")[0])


async def first_letters(store: Any, collection: str, prefix: str = "") -> AsyncIterator[Document]:
    """Yield the first letter of each stream, without reading the rest of them."""
    after = ""
    while found := await store.find_documents(collection, prefix=prefix, after=after, limit=1):
        yield found[0]
        after = prefix_of(stream_of(found[0].key)) + "~"  # behind every position of the stream
