"""
An append-only ledger of streams: pure, synchronous, and all that both memory stores are made of.

An event whose fields cannot change is kept as it is. An event that holds something mutable is
copied on its way in and on its way out, so that nobody changes what is stored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import islice

import attrs

from orchestrix_core import (
    ConcurrencyError,
    DuplicateEventError,
    Event,
    JSONSerializer,
    RecordedEvent,
    Snapshot,
    StreamInfo,
    StreamWrite,
    stored_as,
)
from orchestrix_core.validation import (
    check_append,
    check_id,
    check_range,
    check_snapshot,
    check_types,
    check_writes,
    decode_state,
    encode_state,
)

__all__ = ["Ledger", "LedgerDraft"]


class Ledger:
    """Streams, the log over them, and snapshots; not thread-safe."""

    def __init__(self, serializer: JSONSerializer) -> None:
        self._serializer = serializer
        self._codec = serializer.codec
        self._registry = serializer.registry
        self._streams: dict[str, list[Event]] = {}
        # The log at position - 1: stream and version, in two lists, since a tuple for each event
        # would have the garbage collector walk over everything stored again and again.
        self._log_streams: list[str] = []
        self._log_versions: list[int] = []
        self._ids: set[str] = set()
        self._mutable: set[str] = set()  # the streams that hold an event to copy
        self._traces: dict[str, list[int]] = {}
        self._traced = 0  # how much of the log the trace index knows
        self._snapshots: dict[str, tuple[Snapshot, bytes]] = {}

    @property
    def head(self) -> int:
        """The highest position."""
        return len(self._log_streams)

    def append(self, aggregate_id: str, events: Sequence[Event], expected: int | None) -> None:
        """Append to one stream, all or none."""
        batch = check_append(aggregate_id, events, expected)
        ids = [event.id for event in batch]
        if self._is_new(aggregate_id, ids, expected):
            self._write(aggregate_id, ids, *self._kept(batch))

    def append_all(self, writes: Sequence[StreamWrite]) -> None:
        """Append to several streams, all or none."""
        checked = [
            (id, [event.id for event in batch], batch, expected)
            for id, batch, expected in check_writes(writes)
        ]
        repeated = [(ids[0], id) for id, ids, _, n in checked if not self._is_new(id, ids, n)]
        if len(repeated) < sum(1 for _, ids, _, _ in checked if ids):
            kept = [(id, ids, *self._kept(batch)) for id, ids, batch, _ in checked]
            if repeated:  # only a part was stored before: that was another save
                raise DuplicateEventError(*repeated[0])
            for write in kept:
                self._write(*write)

    def draft(self) -> LedgerDraft:
        """Return an empty set of appends."""
        return LedgerDraft(self, Ledger(self._serializer))

    def lend(self, other: Ledger, aggregate_id: str, ids: Sequence[str]) -> None:
        """Let another ledger know what an append of these ids to this stream depends on."""
        if aggregate_id not in other._streams and aggregate_id in self._streams:
            other._streams[aggregate_id] = self._streams[aggregate_id].copy()
        other._ids.update(self._ids.intersection(ids))

    def copied(self, events: Iterable[Event]) -> list[Event]:
        """Return the events; those that can change, as copies."""
        return [self._copy(event) for event in events]

    def _is_new(self, aggregate_id: str, ids: list[str], expected: int | None) -> bool:
        """Whether to append; False: the very same append was stored before."""
        if not self._ids.isdisjoint(ids):
            self._refuse_unless_repeated(aggregate_id, ids, expected)
            return False
        if expected is not None:
            actual = len(self._streams.get(aggregate_id, ()))
            if expected != actual:
                raise ConcurrencyError(aggregate_id, expected, actual)
        return True

    def _refuse_unless_repeated(
        self, aggregate_id: str, ids: list[str], expected: int | None
    ) -> None:
        if expected is not None:
            there = self._streams.get(aggregate_id, [])[expected : expected + len(ids)]
            if ids == [event.id for event in there]:
                return
        raise DuplicateEventError(next(id for id in ids if id in self._ids), aggregate_id)

    def _kept(self, batch: tuple[Event, ...]) -> tuple[Sequence[Event], bool]:
        """Check that each event can be stored; return what to keep, and whether it can change."""
        if self._registry.ambiguous:  # seldom: stores that read their events back refuse them, too
            for event in batch:
                self._registry.refuse_ambiguous(stored_as(event)[0])
        codec_of = self._codec
        mutable = False
        for event in batch:
            codec = codec_of(type(event))
            codec.check(event)
            if not codec.immutable:
                mutable = True
        return (self.copied(batch) if mutable else batch), mutable

    def _write(
        self, aggregate_id: str, ids: list[str], events: Sequence[Event], mutable: bool
    ) -> None:
        if not events:
            return
        stream = self._streams.setdefault(aggregate_id, [])
        self._log_streams += [aggregate_id] * len(ids)
        self._log_versions += range(len(stream) + 1, len(stream) + 1 + len(ids))
        stream += events
        self._ids.update(ids)
        if mutable:
            self._mutable.add(aggregate_id)

    def load(self, aggregate_id: str, from_version: int | None) -> list[Event]:
        """Return a stream's events after the first `from_version`."""
        check_id(aggregate_id)
        first = check_range(0 if from_version is None else from_version, "from_version")
        events = self._streams.get(aggregate_id, [])[first:]
        return self.copied(events) if aggregate_id in self._mutable else events

    def load_by_trace(self, trace_id: str) -> list[Event]:
        """Return a trace's events in log order."""
        check_id(trace_id, "trace_id")
        self._index_traces()
        return self.copied(self._at(p) for p in self._traces.get(trace_id, ()))

    def read_log(
        self, after: int, limit: int, types: Collection[str] | None
    ) -> list[RecordedEvent]:
        """Return up to `limit` events above position `after`."""
        start = check_range(after, "after")
        check_range(limit, "limit", least=1)
        wanted = check_types(types)
        positions: Iterable[int] = range(start, self.head)
        if wanted is not None:
            positions = (p for p in positions if stored_as(self._at(p))[0] in wanted)
        return [self._record(position) for position in islice(positions, limit)]

    def streams(self, after: str, limit: int) -> list[StreamInfo]:
        """Return streams with an id above `after`, in id order."""
        check_range(limit, "limit", least=1)
        names = sorted(name for name in self._streams if name > after)[:limit]
        return [StreamInfo(aggregate_id=n, version=len(self._streams[n])) for n in names]

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot unless a newer one is there."""
        check_snapshot(snapshot)
        state = encode_state(snapshot)
        known = self._snapshots.get(snapshot.aggregate_id)
        if known is None or known[0].version <= snapshot.version:
            self._snapshots[snapshot.aggregate_id] = (attrs.evolve(snapshot, state={}), state)

    def load_snapshot(self, aggregate_id: str) -> Snapshot | None:
        """Return the newest snapshot."""
        check_id(aggregate_id)
        known = self._snapshots.get(aggregate_id)
        return None if known is None else attrs.evolve(known[0], state=decode_state(known[1]))

    def _at(self, position: int) -> Event:
        return self._streams[self._log_streams[position]][self._log_versions[position] - 1]

    def _record(self, position: int) -> RecordedEvent:
        return RecordedEvent(
            position=position + 1,
            aggregate_id=self._log_streams[position],
            version=self._log_versions[position],
            event=self._copy(self._at(position)),
        )

    def _copy(self, event: Event) -> Event:
        codec = self._codec(type(event))
        return event if codec.immutable else codec.copy(event)

    def _index_traces(self) -> None:
        """Bring the trace index up to the head: only who looks traces up pays for it."""
        for position in range(self._traced, self.head):
            trace_id = self._at(position).trace_id
            if trace_id is not None:
                self._traces.setdefault(trace_id, []).append(position)
        self._traced = self.head


class LedgerDraft:
    """
    Appends that are checked at once, as if they were made, and made at the end.

    That works while nobody else appends: who holds a draft keeps the others waiting.
    """

    def __init__(self, ledger: Ledger, scratch: Ledger) -> None:
        self._ledger = ledger
        self._scratch = scratch  # it has the streams that are appended to, and no others
        self._accepted: list[list[StreamWrite]] = []

    def append(self, writes: Sequence[StreamWrite]) -> None:
        """Check and note an append over several streams, all or none."""
        for aggregate_id, events, _ in check_writes(writes):
            self._ledger.lend(self._scratch, aggregate_id, [event.id for event in events])
        self._scratch.append_all(writes)
        self._accepted.append(
            [attrs.evolve(write, events=self._ledger.copied(write.events)) for write in writes]
        )

    def commit(self) -> None:
        """Make every append."""
        for writes in self._accepted:
            self._ledger.append_all(writes)
