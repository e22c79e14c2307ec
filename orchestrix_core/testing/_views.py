"""Given events, then a projection's view is this: without a store, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime
from typing import Any, Self

from orchestrix_core.context import handling
from orchestrix_core.documents import Document, Transaction
from orchestrix_core.messages import Event
from orchestrix_core.projections import Generation, Projection, update, view_of
from orchestrix_core.records import RecordedEvent, StreamWrite
from orchestrix_core.testing._decisions import fail_with
from orchestrix_core.testing._differences import differences, show
from orchestrix_core.validation import check_id, decode_state, encode_body

__all__ = ["GivenProjection"]


class GivenProjection:
    """
    A projection that heard events; each `then...` raises an AssertionError that shows what differs.

    Attributes:
        views: every document of the view, by key.
    """

    def __init__(self, projection: Projection, events: Sequence[Event], id: str) -> None:
        if projection.tables:
            msg = (
                f"{projection.name} has tables, and there is no SQL without a store: run it on "
                "the store that it is for"
            )
            raise TypeError(msg)
        self._projection = projection
        documents = _Documents()
        run = copy_context().run
        with ThreadPoolExecutor(1) as thread:  # so that it works where an event loop runs already
            thread.submit(run, asyncio.run, self._hear(documents, events, id)).result()
        self.views: dict[str, dict[str, Any]] = documents.whole()

    async def _hear(self, documents: _Documents, events: Sequence[Event], id: str) -> None:
        view = view_of(documents, _generation(self._projection))
        for number, event in enumerate(events, 1):
            record = RecordedEvent(position=number, aggregate_id=id, version=number, event=event)
            with handling(event):
                await update(self._projection, event, view, record=record)

    def then_view(self, key: str, body: Mapping[str, Any] | None) -> Self:
        """Check one document; None: that there is none."""
        __tracebackhide__ = True
        actual = self.views.get(key)
        if body is None or actual is None:
            if body is not actual:
                there = ", ".join(map(repr, self.views)) or "none"
                expected, got = ("nothing" if one is None else show(one) for one in (body, actual))
                lines = [f"expected {expected}, got {got}", f"keys that are there: {there}"]
                fail_with(f"the view of {key!r} differs", lines)
        else:
            fail_with(f"the view of {key!r} differs", differences(dict(body), actual))
        return self

    def then_views(self, views: Mapping[str, Mapping[str, Any]]) -> Self:
        """Check the whole view: every document by its key."""
        __tracebackhide__ = True
        expected = {key: dict(body) for key, body in views.items()}
        fail_with("the view differs", differences(expected, self.views))
        return self


def _generation(projection: Projection) -> Generation:
    return Generation(
        projection=projection.name, number=1, version=1, inline=False, partitions=1, tables=()
    )


class _Documents(Transaction):
    """The documents of one collection, kept as a store keeps them: as JSON."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def whole(self) -> dict[str, dict[str, Any]]:
        return {key: decode_state(self._kept[key]) for key in sorted(self._kept)}

    async def get(self, collection: str, key: str) -> Document | None:
        check_id(key, "key")
        return self._document(collection, key) if key in self._kept else None

    def _document(self, collection: str, key: str) -> Document:
        body = decode_state(self._kept[key])
        return Document(collection=collection, key=key, body=body, revision=1)

    async def find(
        self,
        collection: str,
        *,
        prefix: str = "",
        after: str = "",
        due: datetime | None = None,
        limit: int = 1000,
    ) -> list[Document]:
        keys = sorted(key for key in self._kept if key.startswith(prefix) and key > after)
        return [self._document(collection, key) for key in keys[:limit]]

    async def put(
        self,
        collection: str,
        key: str,
        body: Mapping[str, Any],
        *,
        expect: int | None = None,
        due: datetime | None = None,
    ) -> int:
        check_id(key, "key")
        self._kept[key] = encode_body(body)
        return 1

    async def delete(self, collection: str, key: str, *, expect: int | None = None) -> bool:
        check_id(key, "key")
        return self._kept.pop(key, None) is not None

    async def append(self, writes: Sequence[StreamWrite]) -> None:
        msg = "a projection appends no events"
        raise NotImplementedError(msg)
