"""
Which message is being handled, and which trace is active, here and now.

Context variables: they hold across `await` and `asyncio.gather`, and each task has its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrix_core.messages import Message

__all__ = [
    "current_message",
    "current_trace_id",
    "current_traceparent",
    "handling",
    "trace_of",
    "use_trace",
]

current_message: ContextVar[Message | None] = ContextVar("orchestrix_message", default=None)
"""The message whose handler runs; a bus sets it around its handlers."""

_NONE: tuple[str | None, str | None] = (None, None)
_trace: ContextVar[tuple[str | None, str | None]] = ContextVar("orchestrix_trace", default=_NONE)

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@contextmanager
def handling(message: Message) -> Iterator[None]:
    """Let messages made inside inherit correlation, causation and trace from `message`."""
    token = current_message.set(message)
    try:
        yield
    finally:
        current_message.reset(token)


@contextmanager
def use_trace(trace_id: str, traceparent: str | None = None) -> Iterator[None]:
    """
    Make `trace_id` (32 hex digits, W3C) the active trace: messages made inside carry it.

    `traceparent` is the active span in the form of the W3C header, of the same trace; messages
    carry it too, so that whoever handles them can go on from that very span.
    """
    if len(trace_id) != 32 or trace_id.strip("0123456789abcdef") or not trace_id.strip("0"):
        msg = f"trace_id must be 32 lower-case hex digits, not all zero; got {trace_id!r}"
        raise ValueError(msg)
    if traceparent is not None and trace_of(traceparent) != trace_id:
        msg = f"traceparent must be a W3C header of the trace {trace_id}; got {traceparent!r}"
        raise ValueError(msg)
    token = _trace.set((trace_id, traceparent))
    try:
        yield
    finally:
        _trace.reset(token)


def current_trace_id() -> str | None:
    """Return the active trace, or else the trace of the message being handled."""
    active = _trace.get()[0]
    if active is not None:
        return active
    cause = current_message.get()
    return None if cause is None else cause.trace_id


def current_traceparent() -> str | None:
    """Return the active span as a W3C `traceparent`, or else that of the message being handled."""
    trace_id, traceparent = _trace.get()
    if trace_id is not None:
        return traceparent
    cause = current_message.get()
    return None if cause is None else cause.traceparent


def trace_of(traceparent: str) -> str | None:
    """Return the trace id in a W3C `traceparent`; None when it is malformed."""
    found = _TRACEPARENT.fullmatch(traceparent)
    return None if found is None else found[1]


def inherited_correlation() -> str | None:
    """Return the correlation id for a message made now: the cause's, or the cause's own id."""
    cause = current_message.get()
    return None if cause is None else cause.correlation_id or cause.id


def inherited_causation() -> str | None:
    """Return the causation id for a message made now: the id of the message being handled."""
    cause = current_message.get()
    return None if cause is None else cause.id
