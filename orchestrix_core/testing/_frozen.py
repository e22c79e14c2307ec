"""Ids and times that are the same in each run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import count
from typing import Any, Final
from uuid import UUID

from orchestrix_core import messages

__all__ = ["Frozen", "frozen"]

_REAL: Final = messages._uuid7, messages._clock
_active: list[Frozen] = []


class Frozen:
    """
    A clock that stands still until it is told to go on, and the ids that are given out.

    Attributes:
        now: the present moment; set it, or let `advance` do so.
    """

    def __init__(self, clock: datetime, ids: Iterable[str] | None) -> None:
        if not isinstance(clock, datetime):
            msg = f"clock must be an aware datetime, not {clock!r}"
            raise TypeError(msg)
        if clock.tzinfo is None:
            msg = f"clock must be an aware datetime, not {clock!r}: give it a time zone"
            raise ValueError(msg)
        self.now = clock
        self._ids = self._numbered() if ids is None else _given_ids(ids)

    def advance(self, **units: float) -> datetime:
        """Let time pass, `advance(minutes=5)`, with the units of `timedelta`; return the moment."""
        self.now += timedelta(**units)
        return self.now

    def _numbered(self) -> Iterator[str]:
        """Ids of the form of UUIDv7: they sort by the clock, then by their number."""
        for number in count(1):
            milliseconds = int(self.now.timestamp() * 1000) & 0xFFFF_FFFF_FFFF
            yield str(UUID(int=milliseconds << 80 | 0x7 << 76 | 0x2 << 62 | number))

    def _next_id(self) -> str:
        return next(self._ids)

    def _clock(self, zone: tzinfo) -> datetime:
        return self.now.astimezone(zone)


def _given_ids(ids: Iterable[str]) -> Iterator[str]:
    if isinstance(ids, str):
        msg = f"ids must be several, not one str: {ids!r}"
        raise TypeError(msg)
    return _until_none_is_left(ids)


def _until_none_is_left(ids: Iterable[str]) -> Iterator[str]:
    yield from ids
    msg = "frozen(ids=...) has no more ids: give more, or leave it out for as many as are needed"
    raise AssertionError(msg)


_NEW_YEAR: Final = datetime(2024, 1, 1, tzinfo=UTC)


@contextmanager
def frozen(clock: datetime = _NEW_YEAR, ids: Iterable[str] | None = None) -> Iterator[Frozen]:
    """
    Make the ids and times of messages the same in each run.

    It holds for the whole process, so also for tasks and threads that were started before. One
    inside another is in force until it ends.

    Args:
        clock: the moment, aware, at which time stands still; `advance` lets it pass.
        ids: given out one by one; numbered ones, in the form of UUIDv7, without.
    """
    one = Frozen(clock, ids)
    _active.append(one)
    _install()
    try:
        yield one
    finally:
        _active.remove(one)
        _install()


def _install() -> None:
    """Put the innermost one in force, or the real ones."""
    ids: Any
    ids, clock = (_active[-1]._next_id, _active[-1]._clock) if _active else _REAL
    messages._uuid7, messages._clock = ids, clock
