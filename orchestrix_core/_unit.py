"""
The unit of work: what a command's handler saves, kept back until it can be stored in one step.

While one is open, the application's store collects: loads see what was saved, others do not. At the
end one transaction stores it all; a unit that is dropped leaves nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context, ContextVar, Token, copy_context
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeAlias

import attrs

from orchestrix_core.context import current_message
from orchestrix_core.documents import Transaction
from orchestrix_core.errors import ConcurrencyError
from orchestrix_core.messages import Event
from orchestrix_core.records import Snapshot, StreamWrite

__all__ = ["Change", "Ground", "Unit", "active", "holds", "outside"]

_log = logging.getLogger(__name__)

Change: TypeAlias = Callable[[Transaction], Awaitable[object]]
"""Something to do in the transaction that stores the unit, before the events are appended."""


class Ground(Protocol):
    """The store under a unit."""

    async def load(self, aggregate_id: str, from_version: int | None = 0) -> list[Event]:
        """Return what is stored of a stream."""
        ...

    async def store(self, changes: Sequence[Change], writes: Sequence[StreamWrite]) -> None:
        """Make all changes and append all events, in one transaction."""

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot."""


_current: Final[ContextVar[Unit | None]] = ContextVar("orchestrix_unit", default=None)


def active(ground: Ground | None = None) -> Unit | None:
    """Return the innermost open unit of this context; with `ground`, of that store."""
    unit = _current.get()
    while unit is not None and (unit.closed or (ground is not None and unit.ground is not ground)):
        unit = unit.outer
    return unit


def holds(aggregate_id: str) -> bool:
    """Return whether an open unit keeps back events of the stream, which a load then gives too."""
    unit = active()
    while unit is not None:
        if aggregate_id in unit.pending:
            return True
        unit = unit.outer
    return False


def outside() -> Context:
    """Return this context for a task that goes on by itself: no unit, and no message handled."""
    context = copy_context()
    context.run(_current.set, None)
    context.run(current_message.set, None)
    return context


@attrs.define
class _Pending:
    """Events of one stream; `base` is the version in front of them, None while nobody has said."""

    base: int | None
    events: tuple[Event, ...] = ()

    @property
    def version(self) -> int | None:
        return None if self.base is None else self.base + len(self.events)

    def has(self, events: tuple[Event, ...], expected: int) -> bool:
        """Return whether this very save was made before."""
        if self.base is None or not events or expected < self.base:
            return False
        start = expected - self.base
        ids = [event.id for event in self.events[start : start + len(events)]]
        return ids == [event.id for event in events]

    def add(self, aggregate_id: str, events: tuple[Event, ...], expected: int | None) -> None:
        if expected is not None:
            if self.has(events, expected):
                return
            if self.base is None and expected >= len(self.events):
                self.base = expected - len(self.events)
            if self.version != expected:
                actual = len(self.events) if self.version is None else self.version
                raise ConcurrencyError(aggregate_id, expected, actual)
        self.events += events


class Unit:
    """
    What is to be stored together; `with unit:` opens it for the code inside.

    Attributes:
        ground: the store under it.
        outer: the unit in which it was opened; of the same store, it takes over what this one has.
        pending: the events that are kept back, by stream.
        changes: what to do to documents.
        closed: whether it collects no more.
    """

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.outer = active()
        self.pending: dict[str, _Pending] = {}
        self.changes: list[Change] = []
        self.results: dict[str, Any] = {}
        self.closed = False
        self._below = active(ground)
        self._snapshots: list[Snapshot] = []
        self._token: Token[Unit | None] | None = None

    def __enter__(self) -> Self:
        """Collect what is saved inside."""
        self._token = _current.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Collect no more: a task that was left behind does not add to what is stored already."""
        self.closed = True
        if self._token is not None:
            _current.reset(self._token)

    def save(self, aggregate_id: str, events: Sequence[Event], expected: int | None) -> None:
        """
        Keep events back, as they would be stored on top of what is kept back already.

        Raises:
            ConcurrencyError: what is kept back is at another version. Against what is stored, the
                version is checked when the unit is.
        """
        pending = self.pending.get(aggregate_id)
        if pending is None:
            known = None if self._below is None else self._below.version(aggregate_id)
            if None not in (known, expected) and known != expected:
                raise ConcurrencyError(aggregate_id, expected or 0, known or 0)
            if not events and expected is None:
                return
            pending = self.pending[aggregate_id] = _Pending(expected)
        pending.add(aggregate_id, tuple(events), expected)

    def version(self, aggregate_id: str) -> int | None:
        """Return the version that a stream is to have; None where it is not known here."""
        pending = self.pending.get(aggregate_id)
        if pending is not None:
            return pending.version
        return None if self._below is None else self._below.version(aggregate_id)

    async def load(self, aggregate_id: str, from_version: int) -> list[Event]:
        """
        Return what is stored, and behind it what is kept back.

        Raises:
            ConcurrencyError: others have stored more since: the unit cannot be stored any more.
        """
        below = self.ground if self._below is None else self._below
        pending = self.pending.get(aggregate_id)
        if pending is None or not pending.events:
            return await below.load(aggregate_id, from_version)
        base, events = pending.base, pending.events
        if base is None:
            stored = await below.load(aggregate_id, 0)
            return [*stored, *events][from_version:]
        if from_version >= base:
            return list(events[from_version - base :])
        stored = await below.load(aggregate_id, from_version)
        if from_version + len(stored) != base:
            raise ConcurrencyError(aggregate_id, base, from_version + len(stored))
        return [*stored, *events]

    def of_trace(self, trace_id: str) -> list[Event]:
        """Return the events of a trace that are kept back."""
        below = [] if self._below is None else self._below.of_trace(trace_id)
        kept = (event for pending in self.pending.values() for event in pending.events)
        return below + [event for event in kept if event.trace_id == trace_id]

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot back until the events that it was made of are stored."""
        self._snapshots.append(snapshot)

    async def commit(self) -> None:
        """
        Store everything, or nothing; inside another unit of the same store, give it to that one.

        Raises:
            ConcurrencyError: a stream has moved on.
        """
        self.closed = True
        if self._below is not None and not self._below.closed:
            return self._hand_over(self._below)
        writes = [StreamWrite(id, held.events, held.base) for id, held in self.pending.items()]
        if writes or self.changes:
            await self.ground.store(self.changes, writes)
        for snapshot in self._snapshots:
            await self._keep(snapshot)
        return None

    def _hand_over(self, unit: Unit) -> None:
        for id, held in self.pending.items():  # refuse all or none
            version = unit.version(id)
            if None not in (version, held.base) and version != held.base:
                raise ConcurrencyError(id, held.base or 0, version or 0)
        for id, held in self.pending.items():
            unit.save(id, held.events, held.base)
        unit.changes += self.changes
        unit.results |= self.results
        unit._snapshots += self._snapshots

    async def _keep(self, snapshot: Snapshot) -> None:
        """The events are stored: a snapshot that fails must not look as if they were not."""
        try:
            await self.ground.save_snapshot(snapshot)
        except Exception:
            _log.warning("no snapshot of %r was taken", snapshot.aggregate_id, exc_info=True)

    def result_of(self, command_id: str) -> Any:
        """Return what was noted as the result of a command that this unit includes, or None."""
        if command_id in self.results:
            return self.results[command_id]
        return None if self._below is None else self._below.result_of(command_id)
