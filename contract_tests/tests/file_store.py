"""
A sound store in a file, for one process at a time, and broken ones made of it.

It is a module of its own, because the contract imports it in other processes, too.
"""

from __future__ import annotations

import base64
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
from msgspec.structs import replace

from orchestrix.infrastructure.memory import InMemoryAsyncEventStore
from orchestrix_core import (
    Event,
    JSONSerializer,
    MessageRegistry,
    RawEvent,
    RecordedEvent,
    Snapshot,
    UpcastingError,
    decode_stored,
    stored_as,
)

RAW = JSONSerializer(MessageRegistry(), unknown="raw")


class FileStore(InMemoryAsyncEventStore):
    """A line of JSON for each save; memory, filled from the file, answers what is read."""

    def __init__(self, directory: Path, serializer: Any = None) -> None:
        super().__init__()
        self.file = directory / "events.jsonl"
        self.serializer = serializer or JSONSerializer()
        self._closed = True

    async def initialize(self):
        if self._closed:
            await super().initialize()
            for line in self.lines():
                await self.apply(json.loads(line))

    def lines(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []

    async def apply(self, entry: dict[str, Any]) -> None:
        if "state" in entry:
            entry["timestamp"] = datetime.fromisoformat(entry["timestamp"])
            await super().save_snapshot_async(Snapshot(**entry))
        else:
            known = {record.event.id for record in await super().read_log(0, 10**6)}
            events = [RAW.decode(t, v, base64.b64decode(data)) for t, v, data in entry["events"]]
            await super().save(entry["stream"], [e for e in events if e.id not in known])

    def write(self, entry: dict[str, Any]) -> None:
        with self.file.open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def encoded(self, event: Event) -> RawEvent:
        document = self.serializer.encode(event)
        raw = RAW.decode(*stored_as(event), document)
        assert isinstance(raw, RawEvent)
        return raw

    def decoded(self, record: RecordedEvent) -> RecordedEvent:
        raw, stream = record.event, record.aggregate_id
        assert isinstance(raw, RawEvent)
        what = (self.serializer, *stored_as(raw), raw.payload)
        event = decode_stored(
            *what, stream=stream, position=record.position, stream_version=record.version
        )
        return replace(record, event=event)

    async def save(self, aggregate_id, events, expected_version=None):
        raws = [self.encoded(event) for event in events]
        before = await self.head()
        await super().save(aggregate_id, raws, expected_version)
        if await self.head() > before:
            stored = [(*stored_as(raw), base64.b64encode(raw.payload).decode()) for raw in raws]
            self.write({"stream": aggregate_id, "events": stored})

    async def save_snapshot_async(self, snapshot):
        await super().save_snapshot_async(snapshot)
        self.write(attrs.asdict(snapshot) | {"timestamp": snapshot.timestamp.isoformat()})

    async def load(self, aggregate_id, from_version=0):
        records = await super().read_log(0, 10**6)
        own = [record for record in records if record.aggregate_id == aggregate_id]
        return [self.decoded(record).event for record in own[from_version or 0 :]]

    async def load_by_trace(self, trace_id):
        records = await super().read_log(0, 10**6)
        return [self.decoded(r).event for r in records if r.event.trace_id == trace_id]

    async def read_log(self, after=0, limit=1000, types=None):
        return [self.decoded(record) for record in await super().read_log(after, limit, types)]

    def subscribe(self, after=0):
        return self.decoding(super().subscribe(after))

    async def decoding(self, records):
        try:
            async for record in records:
                yield self.decoded(record)
        finally:
            await records.aclose()


class AcknowledgesBeforeItWrites(FileStore):
    def __init__(self, directory: Path, serializer: Any = None) -> None:
        super().__init__(directory, serializer)
        self.late: list[dict[str, Any]] = []

    def write(self, entry):
        self.late.append(entry)

    async def close(self):
        while self.late:
            super().write(self.late.pop(0))
        await super().close()


class ForgetsSnapshots(FileStore):
    async def save_snapshot_async(self, snapshot):
        await InMemoryAsyncEventStore.save_snapshot_async(self, snapshot)


class ReordersItsLog(FileStore):
    def lines(self):
        return sorted(super().lines(), key=lambda line: json.loads(line).get("stream", ""))


class DecodesOnLoadAlone(FileStore):
    async def load_by_trace(self, trace_id):
        return await InMemoryAsyncEventStore.load_by_trace(self, trace_id)

    async def read_log(self, after=0, limit=1000, types=None):
        return await InMemoryAsyncEventStore.read_log(self, after, limit, types)

    def subscribe(self, after=0):
        return InMemoryAsyncEventStore.subscribe(self, after)


class TakesTheVersionForThePosition(FileStore):
    def decoded(self, record):
        wrong = replace(record, position=record.version)
        return replace(super().decoded(wrong), position=record.position)


class DecodesBeforeItFilters(FileStore):
    async def read_log(self, after=0, limit=1000, types=None):
        records = await super().read_log(after, 10**6)
        return [r for r in records if types is None or stored_as(r.event)[0] in types][:limit]


class LeapsOverAGap(FileStore):
    def decoded(self, record):
        try:
            return super().decoded(record)
        except UpcastingError:
            return record


class EmptiesRawEvents(FileStore):
    def encoded(self, event):
        if isinstance(event, RawEvent):
            document = json.loads(event.payload)
            payload = json.dumps({n: v for n, v in document.items() if n != "reason"}).encode()
            raw = RAW.decode(*stored_as(event), payload)
            assert isinstance(raw, RawEvent)
            return raw
        return super().encoded(event)


class IgnoresTheGivenSerializer(FileStore):
    def __init__(self, directory: Path, serializer: Any = None) -> None:
        super().__init__(directory, None)
