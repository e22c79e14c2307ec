"""
A sound store that keeps documents in a file, for several processes, and broken ones made of it.

It is a module of its own, because the contract imports it in other processes, too.
"""

from __future__ import annotations

import asyncio
import base64
import fcntl
import json
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
from file_store import FileStore  # type: ignore[import-not-found]  # beside this module

from orchestrix.infrastructure.memory import InMemoryAsyncEventStore
from orchestrix.infrastructure.memory._documents import _Stored
from orchestrix_core import OrchestrixError, stored_as


class DocumentFile(FileStore):  # type: ignore[misc]  # found beside this module
    """A line of JSON for each transaction, written under a lock that all processes share."""

    seen = 0

    async def initialize(self):
        if self._closed:
            await InMemoryAsyncEventStore.initialize(self)
            await self.refresh()

    async def refresh(self):
        for line in self.lines()[self.seen :]:
            self.seen += 1
            await self.apply(json.loads(line))

    async def apply(self, entry):
        for collection, key, stored in entry.get("changes", ()):
            self._documents._apply(collection, {key: self.opened(stored)})
        for stream in entry.get("streams", [entry]):  # it is one, without a transaction
            await super().apply(stream)

    def opened(self, stored: list[Any] | None) -> _Stored | None:
        if stored is None:
            return None
        body, revision, due = stored
        return _Stored(body.encode(), revision, due and datetime.fromisoformat(due))

    @asynccontextmanager
    async def transaction(self):
        with Path(f"{self.file}.lock").open("w") as lock:  # noqa: ASYNC230  # only made
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
            await self.refresh()
            async with super().transaction() as tx:
                encoding = Encoding(self, tx)
                yield encoding
                changes = [
                    (collection, key, stored and written(stored))
                    for collection, rows in tx._documents._changes.items()
                    for key, stored in rows.items()
                ]
                self.write({"changes": changes, "streams": encoding.streams})
                self.seen += 1

    async def find_documents(self, collection, **how):
        await self.refresh()
        return await super().find_documents(collection, **how)


def written(stored: _Stored) -> list[Any]:
    return [stored.body.decode(), stored.revision, stored.due and stored.due.isoformat()]


class Encoding:
    """A transaction of raw events."""

    def __init__(self, store: Any, tx: Any) -> None:
        self.store = store
        self.tx = tx
        self.streams: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tx, name)

    async def append(self, writes):
        for write in writes:
            raws = [self.store.encoded(event) for event in write.events]
            await self.tx.append([attrs.evolve(write, events=raws)])
            stored = [(*stored_as(raw), base64.b64encode(raw.payload).decode()) for raw in raws]
            self.streams.append({"stream": write.aggregate_id, "events": stored})


class WritesTheEventsLater(DocumentFile):
    """The documents first, and the events with the next transaction."""

    late: list[Any] = []  # noqa: RUF012  # replaced, never changed

    def write(self, entry):
        super().write(entry | {"streams": self.late})
        self.late = entry["streams"]


class AcknowledgesBeforeItWrites(DocumentFile):
    """What was acknowledged last is not in the file yet."""

    def __init__(self, directory: Path, serializer: Any = None) -> None:
        super().__init__(directory, serializer)
        self.late: list[Any] = []

    def write(self, entry):
        self.late.append(entry)
        if len(self.late) > 2:
            super().write(self.late.pop(0))

    async def close(self):
        while self.late:
            super().write(self.late.pop(0))
        await super().close()


class ForgetsWhatIsDue(DocumentFile):
    def opened(self, stored):
        return super().opened(stored and [*stored[:2], None])


class CountsFromOneAgain(DocumentFile):
    def opened(self, stored):
        return super().opened(stored and [stored[0], 1, stored[2]])


class ReadsTheFileOnce(DocumentFile):
    """What other processes wrote since it does not see."""

    opened_once = False

    async def refresh(self):
        if not self.opened_once:
            self.opened_once = True
            await super().refresh()


class SaysNotWhatItCannotRead(DocumentFile):
    """Whoever reads the log is told that an event cannot be read, and not which."""

    def decoded(self, record):
        try:
            return super().decoded(record)
        except OrchestrixError as error:
            error.record = None
            raise
