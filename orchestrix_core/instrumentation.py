"""
Watching operations: one small protocol that tracing and metrics plugins implement.

An instrumentation is asked for a context manager around each operation. Several compose; none
costs nothing. It may never break what it watches: `compose` drops (and logs once) whatever an
instrumentation raises on its own account.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Final, Literal, Protocol, TypeAlias, runtime_checkable

__all__ = [
    "NO_INSTRUMENTATION",
    "Exposition",
    "Gauge",
    "Instrumentation",
    "Operation",
    "compose",
]

_log = logging.getLogger(__name__)

Operation: TypeAlias = Literal[
    "publish", "handle_command", "load_aggregate", "storage", "update_projection", "execute_saga"
]
"""
What is watched, and the attributes that say which one (left out where there is none).

- `publish`, `handle_command`: message_type, message_id, aggregate_id.
- `load_aggregate`: aggregate_type, aggregate_id.
- `storage`: operation (append, load, load_by_trace, save_snapshot, load_snapshot, read_log, head,
  read_document, transaction), backend, aggregate_id.
- `update_projection`: projection, message_type, message_id.
- `execute_saga`: saga, saga_id, message_type, message_id.

Where the message that is handled came with one, `traceparent` is the span it was made in.
"""

Gauge: TypeAlias = Literal["projection_lag", "aggregates_in_memory"]
"""What is reported: events behind, of a `projection`; aggregates cached, of an `aggregate_type`."""


@runtime_checkable
class Instrumentation(Protocol):
    """Wraps operations; an exception of the operation passes through `__exit__` and goes on."""

    def operation(
        self, name: Operation, attributes: Mapping[str, str]
    ) -> AbstractContextManager[Any]:
        """Return a context manager, entered just before the operation and left just after."""
        ...

    def record(self, name: Gauge, value: float, attributes: Mapping[str, str]) -> None:
        """Take note of the present value of a gauge; one that does not care does nothing."""


@runtime_checkable
class Exposition(Protocol):
    """A metrics backend whose figures can be fetched: `orchestrix run` serves them."""

    def exposition(self) -> tuple[str, bytes]:
        """Return the media type and the content that `/metrics` answers; from any thread."""
        ...


class _NoInstrumentation:
    """Watches nothing."""

    _nothing: Final = nullcontext()

    def operation(
        self, name: Operation, attributes: Mapping[str, str]
    ) -> AbstractContextManager[Any]:
        return self._nothing

    def record(self, name: Gauge, value: float, attributes: Mapping[str, str]) -> None:
        pass


NO_INSTRUMENTATION: Final[Instrumentation] = _NoInstrumentation()


class _Composite:
    """Enters each part in order and leaves them in reverse; a broken part is left out."""

    def __init__(self, parts: tuple[Instrumentation, ...]) -> None:
        self._parts = parts
        self._reported: set[int] = set()

    @contextmanager
    def operation(self, name: Operation, attributes: Mapping[str, str]) -> Iterator[None]:
        with ExitStack() as stack:
            for part in self._parts:
                self._enter(stack, part, name, attributes)
            yield

    def record(self, name: Gauge, value: float, attributes: Mapping[str, str]) -> None:
        for part in self._parts:
            try:
                part.record(name, value, attributes)
            except Exception:
                self._report(part)

    def _enter(
        self,
        stack: ExitStack,
        part: Instrumentation,
        name: Operation,
        attributes: Mapping[str, str],
    ) -> None:
        try:
            watched = part.operation(name, attributes)
            watched.__enter__()
        except Exception:
            self._report(part)
            return
        stack.push(lambda *error: self._leave(part, watched, error))

    def _leave(
        self, part: Instrumentation, watched: AbstractContextManager[Any], error: Any
    ) -> bool:
        try:
            watched.__exit__(*error)
        except Exception as failure:
            # contextlib-style managers re-raise the operation's own error: that is not theirs.
            if failure is not error[1]:
                self._report(part)
        return False  # an instrumentation never swallows the operation's error

    def _report(self, part: Instrumentation) -> None:
        if id(part) not in self._reported:
            self._reported.add(id(part))
            _log.warning("instrumentation %r failed; it is ignored", part, exc_info=True)


def compose(*parts: Instrumentation) -> Instrumentation:
    """Return one instrumentation that does what all `parts` do; without parts, nothing."""
    watching = tuple(part for part in parts if part is not NO_INSTRUMENTATION)
    return _Composite(watching) if watching else NO_INSTRUMENTATION
