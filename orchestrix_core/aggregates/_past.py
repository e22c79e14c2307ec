"""Time travel: which of a stream's events had happened by then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import takewhile

from orchestrix_core.messages import Event
from orchestrix_core.records import Snapshot

__all__ = ["check_at", "happened", "usable"]


def check_at(at: int | datetime) -> None:
    """Refuse what is neither a version nor a moment."""
    if isinstance(at, datetime):
        if at.tzinfo is None:
            msg = f"at must be an aware datetime, not {at!r}: give it a time zone"
            raise ValueError(msg)
    elif type(at) is not int:
        msg = f"at must be a version or an aware datetime, not {at!r}"
        raise TypeError(msg)
    elif at < 0:
        msg = f"at must be a version, 0 or more, not {at}"
        raise ValueError(msg)


def usable(snapshot: Snapshot | None, at: int | datetime) -> Snapshot | None:
    """Return the snapshot if it is surely not younger: of its events' moments it says nothing."""
    if snapshot is None or isinstance(at, datetime) or snapshot.version > at:
        return None
    return snapshot


def happened(id: str, start: int, events: Sequence[Event], at: int | datetime) -> Sequence[Event]:
    """
    Return those of the events after version `start` that had happened at `at`.

    The order of a stream is that of its versions. Clocks differ: the first event that is later
    than a moment ends what had happened by then, even if one with an earlier time stands after it.
    """
    if isinstance(at, datetime):
        return list(takewhile(lambda event: event.timestamp <= at, events))
    if start + len(events) < at:
        msg = f"at={at}: stream {id!r} has only {start + len(events)} events"
        raise ValueError(msg)
    return events[: at - start]
