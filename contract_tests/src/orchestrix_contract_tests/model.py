"""A store as plain lists and dicts: so simple that one sees it is right, and slow."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

import attrs

from orchestrix_core import ConcurrencyError, DuplicateEventError, Event, Snapshot, StreamWrite

__all__ = ["Model"]


class _Verdict(Enum):
    NEW = auto()
    REPEATED = auto()


Refusals = frozenset[type[Exception]]


@attrs.define
class Model:
    """What a store should hold."""

    log: list[tuple[str, Event]] = attrs.field(factory=list)
    snapshots: dict[str, Snapshot] = attrs.field(factory=dict)

    def stream(self, aggregate_id: str) -> list[Event]:
        """Return the events of a stream."""
        return [event for stream, event in self.log if stream == aggregate_id]

    def trace(self, trace_id: str) -> list[Event]:
        """Return the events of a trace."""
        return [event for _, event in self.log if event.trace_id == trace_id]

    def versions(self) -> list[int]:
        """Return, for each event of the log, its version in its stream."""
        counts: dict[str, int] = {}
        versions = []
        for stream, _ in self.log:
            counts[stream] = counts.get(stream, 0) + 1
            versions.append(counts[stream])
        return versions

    def append(self, writes: Sequence[StreamWrite]) -> Refusals:
        """Append, or return the errors of which a store has to raise one."""
        verdicts = [self._verdict(write) for write in writes]
        refusals = frozenset(v for v in verdicts if not isinstance(v, _Verdict))
        if refusals:
            return refusals
        with_events = {v for v, write in zip(verdicts, writes, strict=True) if write.events}
        if with_events == {_Verdict.NEW, _Verdict.REPEATED}:
            return frozenset({DuplicateEventError})
        if with_events == {_Verdict.NEW}:
            self.log += [(write.aggregate_id, e) for write in writes for e in write.events]
        return frozenset()

    def _verdict(self, write: StreamWrite) -> _Verdict | type[Exception]:
        stream = self.stream(write.aggregate_id)
        known = {event.id for _, event in self.log}
        if any(event.id in known for event in write.events):
            return _Verdict.REPEATED if _stands_there(stream, write) else DuplicateEventError
        if write.expected_version not in (None, len(stream)):
            return ConcurrencyError
        return _Verdict.NEW

    def snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot unless a newer one is there."""
        known = self.snapshots.get(snapshot.aggregate_id)
        if known is None or known.version <= snapshot.version:
            self.snapshots[snapshot.aggregate_id] = snapshot


def _stands_there(stream: list[Event], write: StreamWrite) -> bool:
    start = write.expected_version
    return start is not None and stream[start : start + len(write.events)] == list(write.events)
