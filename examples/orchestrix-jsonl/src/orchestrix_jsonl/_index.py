"""What the lines of the file say, in memory: streams, the log, event ids, snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from orchestrix_core import (
    ConcurrencyError,
    DuplicateEventError,
    SerializationError,
    StorageError,
)

__all__ = ["Append", "Commit", "Index", "Row", "StoredEvent", "StoredSnapshot", "one_line"]


def one_line(document: bytes, type: str) -> msgspec.Raw:
    """Return a document as it can stand in a line of JSON; a serializer may make another one."""
    try:
        return msgspec.Raw(msgspec.json.format(document, indent=-1))
    except msgspec.MsgspecError as error:
        raise SerializationError(type, f"what the serializer made is not JSON: {error}") from error


class StoredEvent(msgspec.Struct, frozen=True):
    """An event in the file; `data` is what the serializer made of it."""

    stream: str
    id: str
    type: str
    schema: int
    trace: str | None
    data: msgspec.Raw


class StoredSnapshot(msgspec.Struct, frozen=True):
    """A snapshot in the file."""

    stream: str
    version: int
    schema: int
    at: datetime
    state: msgspec.Raw


class Commit(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of the file: events that are stored together, or a snapshot."""

    events: tuple[StoredEvent, ...] = ()
    snapshot: StoredSnapshot | None = None


class Row(NamedTuple):
    """An event with its place: in the log, and in its stream."""

    position: int
    version: int
    event: StoredEvent


class Append(NamedTuple):
    """What is to be appended to one stream."""

    stream: str
    expected: int | None
    events: Sequence[StoredEvent]


class Index:
    """Grows commit by commit; positions and versions follow from the order of the file."""

    # -- begin: the index
    def __init__(self) -> None:
        self.log: list[Row] = []
        self.streams: dict[str, list[Row]] = {}
        self.snapshots: dict[str, StoredSnapshot] = {}
        self._ids: set[str] = set()

    def read(self, line: bytes) -> None:
        """Take in a commit that was read."""
        try:
            self.add(msgspec.json.decode(line, type=Commit))
        except msgspec.MsgspecError as error:
            raise StorageError(f"a line is of another version of this store: {error}") from error

    def add(self, commit: Commit) -> None:
        """Take in a commit."""
        for event in commit.events:
            stream = self.streams.setdefault(event.stream, [])
            row = Row(len(self.log) + 1, len(stream) + 1, event)
            self.log.append(row)
            stream.append(row)
            self._ids.add(event.id)
        if commit.snapshot is not None:
            self.snapshots[commit.snapshot.stream] = commit.snapshot

    def appended(self, appends: Sequence[Append]) -> Commit | None:
        """Return what is to be written; None when these very appends are stored already."""
        written = [append for append in appends if append.events]
        repeated = [append for append in appends if not self._is_new(append)]
        if repeated and len(repeated) < len(written):  # the rest is new: that was another save
            raise DuplicateEventError(repeated[0].events[0].id, repeated[0].stream)
        if repeated or not written:
            return None
        return Commit(events=tuple(event for append in written for event in append.events))

    def _is_new(self, append: Append) -> bool:
        """Whether to write it; False: it was the very same save, so nothing is to be done."""
        stream = self.streams.get(append.stream, [])
        ids = [event.id for event in append.events]
        known = [id for id in ids if id in self._ids]
        if known and (append.expected is None or ids != _ids(stream, append.expected, len(ids))):
            raise DuplicateEventError(known[0], append.stream)
        if not known and append.expected not in (None, len(stream)):
            raise ConcurrencyError(append.stream, append.expected, len(stream))
        return not known

    def newest(self, snapshot: StoredSnapshot) -> Commit | None:
        """Return what is to be written; None when a newer snapshot is kept already."""
        kept = self.snapshots.get(snapshot.stream)
        return None if kept and kept.version > snapshot.version else Commit(snapshot=snapshot)

    # -- end: the index


def _ids(stream: Sequence[Row], first: int, count: int) -> list[str]:
    return [row.event.id for row in stream[first : first + count]]
