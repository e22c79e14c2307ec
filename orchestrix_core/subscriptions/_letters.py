"""Dead letters: events that a handler failed at, and the events of their streams behind them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import attrs

__all__ = ["DeadLetter", "DeadLetters"]


@attrs.frozen(kw_only=True)
class DeadLetter:
    """
    An event that was set aside.

    Attributes:
        subscription: name of the subscription whose handler failed.
        aggregate_id: the stream; none of its later events is handled before this one is.
        position: of the event in the log.
        version: of the event in its stream.
        event_id: of the event.
        event_type: its stored name.
        state: "failed": the handler failed at it; "parked": it waits behind one that failed;
            "due": it is to be handled again.
        error: class and text of the last exception; None where it was not tried.
        traceback: of the last exception.
        attempts: how often it was tried.
        time: when it was set aside, or failed last; aware.
    """

    subscription: str
    aggregate_id: str
    position: int
    version: int
    event_id: str
    event_type: str
    state: Literal["failed", "parked", "due"]
    error: str | None
    traceback: str | None
    attempts: int
    time: datetime


class DeadLetters:
    """The dead letters of one subscription, from any process; nothing need run for it."""

    def __init__(self, store: Any, subscription: str) -> None:
        raise NotImplementedError

    async def list(self, aggregate_id: str | None = None) -> list[DeadLetter]:
        """Return all, or those of one stream, by stream and position."""
        raise NotImplementedError

    async def replay(self, aggregate_id: str | None = None) -> int:
        """
        Have all streams that stand still handled again, or one; return how many.

        The worker that runs the subscription does it, or the next one to: in order, until the
        stream is free again or an event fails once more.
        """
        raise NotImplementedError

    async def drop(self, aggregate_id: str, position: int) -> bool:
        """
        Give one event up: it will never be handled. Return whether it was there.

        The events behind it are handled, as by `replay`.
        """
        raise NotImplementedError
