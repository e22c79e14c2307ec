"""
Which message is being handled, and which trace is active, here and now.

Context variables: they hold across `await` and `asyncio.gather`, and each task has its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrix_core.messages import Message

__all__ = ["current_message", "current_trace_id", "handling", "use_trace"]

current_message: ContextVar[Message | None] = ContextVar("orchestrix_message", default=None)
"""The message whose handler runs; a bus sets it around its handlers."""

_trace: ContextVar[str | None] = ContextVar("orchestrix_trace", default=None)


@contextmanager
def handling(message: Message) -> Iterator[None]:
    """Let messages made inside inherit correlation, causation and trace from `message`."""
    token = current_message.set(message)
    try:
        yield
    finally:
        current_message.reset(token)


@contextmanager
def use_trace(trace_id: str) -> Iterator[None]:
    """Make `trace_id` (32 hex digits, W3C) the active trace: messages made inside carry it."""
    if len(trace_id) != 32 or trace_id.strip("0123456789abcdef") or not trace_id.strip("0"):
        msg = f"trace_id must be 32 lower-case hex digits, not all zero; got {trace_id!r}"
        raise ValueError(msg)
    token = _trace.set(trace_id)
    try:
        yield
    finally:
        _trace.reset(token)


def current_trace_id() -> str | None:
    """Return the active trace, or else the trace of the message being handled."""
    active = _trace.get()
    if active is not None:
        return active
    cause = current_message.get()
    return None if cause is None else cause.trace_id


def inherited_correlation() -> str | None:
    """Return the correlation id for a message made now: the cause's, or the cause's own id."""
    cause = current_message.get()
    return None if cause is None else cause.correlation_id or cause.id


def inherited_causation() -> str | None:
    """Return the causation id for a message made now: the id of the message being handled."""
    cause = current_message.get()
    return None if cause is None else cause.id
